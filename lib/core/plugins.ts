/** Analyses as methods of a view: the whole plugin system. */
import { ArgumentError } from '../errors/errors.js'
import type { HookedModel } from '../model.js'

/** An analysis that `use` can make a method: its first argument is the view. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- any arguments: the plugin's own types are kept
export type Analysis = (view: HookedModel, ...rest: any[]) => unknown
export type Methods<P extends Record<string, Analysis>> = {
  readonly [K in keyof P]: P[K] extends (view: HookedModel, ...rest: infer A) => infer R ? (...rest: A) => R : never
}

/** @throws ArgumentError for a name that the view has already, or something that is no function. */
export function checkPlugins(view: HookedModel, plugins: Record<string, Analysis>): void {
  for (const [name, analysis] of Object.entries(plugins)) {
    if (name in view) {
      throw new ArgumentError(`use: the name '${name}' is taken on this model. Give the analysis another name.`)
    }
    if (typeof analysis !== 'function') {
      throw new ArgumentError(`use: '${name}' is ${typeof analysis}. An analysis is a function.`)
    }
  }
}

/** Makes each analysis a method of the view, which becomes its first argument. */
export function bindPlugins(view: HookedModel, plugins: Record<string, Analysis>): void {
  for (const [name, analysis] of Object.entries(plugins)) {
    Object.defineProperty(view, name, { value: (...rest: unknown[]) => analysis(view, ...rest), enumerable: true })
  }
}
