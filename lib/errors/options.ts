/** Refuses option names that nobody reads: a misspelt option would otherwise be silently left at its default. */
import { ArgumentError } from './errors.js'
import { didYouMean } from './nearest.js'

/** The names of an options interface. As a record, the compiler asks for every name, and for no other. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>

/**
 * Checks the names of an options object, before any work.
 *
 * @example
 * const ablationOptions: OptionNames<AblationOptions> = { metric: true, target: true, mode: true }
 * checkOptions('ablation', options, ablationOptions)
 * @throws ArgumentError for something that is no object, and for an unknown name, with the nearest known one
 */
export function checkOptions<T extends object>(verb: string, options: T, known: OptionNames<T>): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    const got = Array.isArray(options) ? 'a list' : String(options)
    throw new ArgumentError(`${verb}: options is ${got}. It must be an object such as { ${Object.keys(known)[0]} }.`)
  }
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(known, name))
  if (unknown === undefined) return
  const names = Object.keys(known)
  throw new ArgumentError(
    `${verb}: there is no option '${unknown}'.${didYouMean(unknown, names)} The options are ${names.join(', ')}.`,
  )
}
