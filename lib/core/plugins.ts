/** Analyses as methods of a view: the whole plugin system. */
import { ArgumentError } from '../errors/errors.js'

/** A function of a view that can be made its method. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- any arguments: the plugin's own types are kept
export type Plugin<V> = (view: V, ...rest: any[]) => unknown

/** The methods that plugins become: the view is their first argument no more. */
export type PluginMethods<V, P extends Record<string, Plugin<V>>> = {
  readonly [K in keyof P]: P[K] extends (view: V, ...rest: infer A) => infer R ? (...rest: A) => R : never
}

/** @throws ArgumentError for a name that the view has already, or something that is no function. */
export function checkPlugins<V extends object>(view: V, plugins: Record<string, Plugin<V>>): void {
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
export function bindPlugins<V extends object>(view: V, plugins: Record<string, Plugin<V>>): void {
  for (const [name, analysis] of Object.entries(plugins)) {
    Object.defineProperty(view, name, { value: (...rest: unknown[]) => analysis(view, ...rest), enumerable: true })
  }
}
