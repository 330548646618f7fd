/** Reads fields of an untrusted config.json, each with the type it must have. */
import { ConfigError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'

export type JsonRecord = Record<string, unknown>

export class ConfigReader {
  readonly #json: JsonRecord
  readonly #where: string

  /** `where` names the file in messages, such as `gpt2/config.json`. */
  constructor(json: unknown, where: string) {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw new ConfigError(`${where}: the file holds ${JSON.stringify(json)?.slice(0, 40)}. It must be a JSON object.`)
    }
    this.#json = json as JsonRecord
    this.#where = where
  }

  has(key: string): boolean {
    return this.#json[key] !== undefined && this.#json[key] !== null
  }

  /** A whole number from 1 to 2^31 − 1: a size. */
  size(key: string, fallback?: number): number {
    return this.#read(key, fallback, 'a whole number above 0', (v) => Number.isInteger(v) && v > 0 && v < 2 ** 31)
  }

  /** The width of the model and its number of heads, of which it must be a multiple. */
  heads(widthKey: string, countKey: string): { dModel: number; nHeads: number; dHead: number } {
    const [dModel, nHeads] = [this.size(widthKey), this.size(countKey)]
    if (dModel % nHeads === 0) return { dModel, nHeads, dHead: dModel / nHeads }
    throw new ConfigError(
      `${this.#where}: ${widthKey} ${dModel} is not a multiple of ${countKey} ${nHeads}. Heads must have equal sizes.`,
    )
  }

  positive(key: string, fallback?: number): number {
    return this.#read(key, fallback, 'a number above 0', (v) => Number.isFinite(v) && v > 0)
  }

  flag(key: string, fallback?: boolean): boolean {
    return this.#read(key, fallback, 'true or false', () => true)
  }

  text(key: string, fallback?: string): string {
    return this.#read(key, fallback, 'a string', () => true)
  }

  /** An object within the object. */
  record(key: string): ConfigReader {
    return new ConfigReader(this.#json[key], `${this.#where} (${key})`)
  }

  /** A string that must be one of a few. */
  oneOf<T extends string>(key: string, choices: readonly T[], fallback?: T): T {
    const value = this.text(key, fallback)
    if ((choices as readonly string[]).includes(value)) return value as T
    throw new ConfigError(
      `${this.#where}: ${key} is '${value}', which is not supported. It must be ${choices.map((c) => `'${c}'`).join(' or ')}.` +
        didYouMean(value, choices),
    )
  }

  #read<T extends number | boolean | string>(
    key: string,
    fallback: T | undefined,
    what: string,
    valid: (v: never) => boolean,
  ): T {
    const value = this.#json[key] ?? fallback
    if (value === undefined) {
      throw new ConfigError(
        `${this.#where}: the field '${key}' is missing. It must be ${what}.${didYouMean(
          key,
          Object.keys(this.#json).filter((k) => k !== key),
        )}`,
      )
    }
    const type = what.includes('number') ? 'number' : what === 'true or false' ? 'boolean' : 'string'
    if (typeof value !== type || !valid(value as never)) {
      throw new ConfigError(`${this.#where}: ${key} is ${JSON.stringify(value)?.slice(0, 60)}. It must be ${what}.`)
    }
    return value as T
  }
}
