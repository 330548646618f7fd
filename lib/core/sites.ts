/** Where to act: names of hook points, and sites, which are hook points or units (heads, latents, neurons) of them. */
import { ArgumentError } from '../errors/errors.js'
import { hook } from '../transformer/hook-names.js'
import type { HookName } from './hooks.js'

/** A hook point, or some units of it. Interventions, targets of analyses and `withHooks` take it. */
export interface Site {
  readonly hook: HookName
  /** Heads, latents or neurons, by their numbers. @default the whole activation */
  readonly unit?: number | readonly number[]
}

/** What has latents: an SAE. */
interface HasLatents {
  readonly hookName: string
  checkLatent(latent: number): void
}

/**
 * A hook point by its short name.
 * @example point('resid_pre', 7) // { hook: 'blocks.7.hook_resid_pre' }
 */
export function point(name: string, layer?: number, part?: string): Site {
  return { hook: hook(name, layer, part) }
}

/**
 * An attention head: its z, or its q, k, v, pattern or result. Where heads share keys and values, `k` and `v` take the
 * number of the shared head.
 * @example head(9, 6) // { hook: 'blocks.9.attn.hook_z', unit: 6 }
 * @throws ArgumentError for numbers that are none
 */
export function head(layer: number, head: number, of: 'z' | 'q' | 'k' | 'v' | 'pattern' | 'result' = 'z'): Site {
  return { hook: hook(of, index('head', 'layer', layer)), unit: index('head', 'head', head) }
}

/**
 * Latents of an SAE, where it sits alone at its hook point.
 * @example latents(sae, 3, 14) // { hook: 'blocks.7.hook_resid_pre.hook_sae_acts_post', unit: [3, 14] }
 * @throws ArgumentError for a latent that the SAE does not have
 */
export function latents(sae: HasLatents, ...numbers: number[]): Site {
  if (numbers.length === 0) throw new ArgumentError('latents: no number is given. Give at least one: latents(sae, 3).')
  for (const latent of numbers) sae.checkLatent(latent)
  return { hook: `${sae.hookName}.hook_sae_acts_post`, unit: numbers }
}

/**
 * Neurons of an MLP, after its activation function.
 * @example neurons(3, 14, 15) // { hook: 'blocks.3.mlp.hook_post', unit: [14, 15] }
 * @throws ArgumentError for numbers that are none
 */
export function neurons(layer: number, ...numbers: number[]): Site {
  if (numbers.length === 0) throw new ArgumentError('neurons: no number is given. Give at least one: neurons(3, 14).')
  return {
    hook: hook('post', index('neurons', 'layer', layer)),
    unit: numbers.map((n) => index('neurons', 'neuron', n)),
  }
}

function index(verb: string, what: string, value: number): number {
  if (Number.isInteger(value) && value >= 0) return value
  throw new ArgumentError(`${verb}: ${what} is ${String(value)}. It must be a whole number, at least 0.`)
}
