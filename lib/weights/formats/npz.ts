/** Archives of arrays as numpy.savez and savez_compressed write them: a zip of .npy files. */
import { FileError } from '../../errors/errors.js'
import { didYouMean } from '../../errors/nearest.js'
import { readNpy } from './npy.js'
import type { HostTensor } from '../read-tensor.js'
import type { RandomAccessFile } from '../source.js'
import { brief, fewNames } from '../../errors/brief.js'
import { ZipArchive } from './zip.js'

/** A deflated array is unpacked in memory, so it may take this many bytes; a stored one is read in place. */
const MAX_UNPACKED = 4 * 2 ** 30

/** An open .npz file, whose directory has been checked. */
export class NpzFile {
  /** Names of the arrays, in the file's order. */
  readonly names: readonly string[]
  readonly #file: RandomAccessFile
  readonly #zip: ZipArchive

  private constructor(file: RandomAccessFile, zip: ZipArchive) {
    this.#file = file
    this.#zip = zip
    this.names = zip.names.map((name) => name.slice(0, -'.npy'.length))
  }

  /**
   * From here on the file belongs to the result, whose close() closes it; it is closed at once when it is refused.
   * @throws FileError for what is no zip archive, or holds something other than .npy files
   */
  static async open(file: RandomAccessFile): Promise<NpzFile> {
    try {
      const zip = await ZipArchive.open(file)
      const other = zip.names.filter((name) => !name.endsWith('.npy'))
      if (other.length > 0) {
        throw new FileError(`open ${file.name}: it holds ${fewNames(other)}. An .npz file holds .npy files only.`)
      }
      return new NpzFile(file, zip)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** One array. @throws FileError when it is not there, damaged, or no array of numbers. */
  async read(name: string): Promise<HostTensor> {
    const bytes = this.#zip.sizeOf(`${name}.npy`)
    if (bytes === undefined) {
      const hint = didYouMean(name, this.names) || ` It holds ${fewNames(this.names)}.`
      throw new FileError(`read ${this.#file.name}: no array '${brief(name)}'.${hint}`)
    }
    if (bytes > MAX_UNPACKED && bytes > this.#file.size) {
      throw new FileError(
        `read ${this.#file.name}: '${brief(name)}' unpacks to ${bytes} bytes. At most ${MAX_UNPACKED} are unpacked.`,
      )
    }
    return readNpy(await this.#zip.member(`${name}.npy`))
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}
