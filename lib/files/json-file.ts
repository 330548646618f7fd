/** JSON from files nobody vouches for: a bad one is refused with the place of the fault. */
import { FileError } from '../errors/errors.js'

/** JSON nested deeper than this is refused while looking for faults: no weight file or config comes near. */
const MAX_DEPTH = 200

/** Reads and parses one JSON file. Throws FileError naming the file, line and column when it is not valid JSON. */
export async function readJson(
  source: { readonly id: string; readText(file: string): Promise<string> },
  file: string,
): Promise<unknown> {
  return parseJson(await source.readText(file), `read ${source.id}/${file}`)
}

/** Parses JSON; `doing` opens the error message, as in `read models/pocket/config.json`. Throws FileError. */
export function parseJson(text: string, doing: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw describe(text, doing, findFault(text, false), error)
  }
}

/** As parseJson, and refuses an object that has a key twice, of which JSON.parse would silently keep the last. */
export function parseJsonWithUniqueKeys(text: string, doing: string): unknown {
  const value = parseJson(text, doing)
  const fault = findFault(text, true)
  if (fault !== undefined) throw describe(text, doing, fault)
  return value
}

/** Whether a parsed value is an object, `{…}`. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

interface Fault {
  readonly at: number
  readonly what: string
}

function describe(text: string, doing: string, fault: Fault | undefined, cause?: unknown): FileError {
  if (fault === undefined) return new FileError(`${doing}: not valid JSON: ${String(cause)}.`, { cause })
  const before = text.slice(0, fault.at)
  const line = before.split('\n').length
  const column = fault.at - before.lastIndexOf('\n')
  return new FileError(`${doing}: ${fault.what} at line ${line}, column ${column}. Valid JSON is needed.`, { cause })
}

/** The first fault of a JSON text (RFC 8259), or undefined when it has none. */
function findFault(text: string, uniqueKeys: boolean): Fault | undefined {
  const scan = new JsonScan(text, uniqueKeys)
  try {
    scan.document()
    return undefined
  } catch (error) {
    if (error instanceof ScanFault) return error.fault
    throw error
  }
}

class ScanFault extends Error {
  readonly fault: Fault
  constructor(fault: Fault) {
    super(fault.what)
    this.fault = fault
  }
}

/** One walk over a JSON text that stops at the first fault. It builds no values: JSON.parse does that faster. */
class JsonScan {
  readonly #text: string
  readonly #uniqueKeys: boolean
  #at = 0
  #depth = 0

  constructor(text: string, uniqueKeys: boolean) {
    this.#text = text
    this.#uniqueKeys = uniqueKeys
  }

  document(): void {
    this.#value()
    if (this.#next() !== undefined) this.#unexpected()
  }

  #value(): void {
    const char = this.#next()
    if (char === '{') this.#nested('}', new Set())
    else if (char === '[') this.#nested(']')
    else if (char === '"') this.#string()
    else if (!this.#skip(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y)) this.#unexpected()
  }

  /** The members of an object (`keys` is given) or of a list, up to the closing bracket. */
  #nested(close: string, keys?: Set<string>): void {
    if (++this.#depth > MAX_DEPTH) this.#fail(this.#at, `more than ${MAX_DEPTH} levels of nesting`)
    this.#at++
    if (this.#next() !== close) {
      do {
        if (keys !== undefined) this.#key(keys)
        this.#value()
      } while (this.#take(','))
    }
    if (!this.#take(close)) this.#unexpected()
    this.#depth--
  }

  #key(seen: Set<string>): void {
    if (this.#next() !== '"') this.#unexpected()
    const start = this.#at
    this.#string()
    const key = this.#uniqueKeys ? (JSON.parse(this.#text.slice(start, this.#at)) as string) : ''
    if (this.#uniqueKeys && seen.has(key)) this.#fail(start, `key '${key.slice(0, 100)}' a second time`)
    seen.add(key)
    if (!this.#take(':')) this.#unexpected()
  }

  #string(): void {
    this.#at++
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code === 0x22) break
      if (code === 0x5c) {
        if (!this.#skip(/\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y)) this.#unexpected()
      } else if (code < 0x20 || this.#at >= this.#text.length) this.#unexpected()
      else this.#at++
    }
    this.#at++
  }

  /** The next character that is not white space, not yet taken. */
  #next(): string | undefined {
    this.#skip(/[ \t\n\r]*/y)
    return this.#text[this.#at]
  }

  #take(char: string): boolean {
    const there = this.#next() === char
    if (there) this.#at++
    return there
  }

  #skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at
    const there = pattern.test(this.#text)
    if (there) this.#at = pattern.lastIndex
    return there
  }

  #unexpected(): never {
    const char = this.#text[this.#at]
    this.#fail(this.#at, char === undefined ? 'unexpected end' : `unexpected ${JSON.stringify(char)}`)
  }

  #fail(at: number, what: string): never {
    throw new ScanFault({ at, what })
  }
}
