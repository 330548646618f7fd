/** What the results with parts of their own have in common: they print, and write themselves to files. */
import type { JsonObject } from './json.js'
import type { Rows } from './rows.js'
import type { Savable } from './saved.js'
import { writeResult } from './write-result.js'

/**
 * A class of this kind has a `static readonly format`, its name in files, and a `static fromJSON`, which reads what
 * `toJSON` wrote: then `loadResult(path, Class)` reads it back.
 */
export abstract class SavedRecord implements Savable {
  abstract toJSON(): JsonObject
  abstract toRows(): Rows
  abstract toString(): string

  /** Writes it to stdout. */
  print(): void {
    console.log(this.toString())
  }

  /**
   * Writes it to a file, by its name: `.json` holds all of it and reloads, `.csv` and `.parquet` its rows.
   * @throws ArgumentError of another ending, FileError when it cannot be written
   */
  async write(path: string): Promise<void> {
    await writeResult(path, this)
  }

  /** What Node prints for it, in the REPL and in console.log. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}
