/** SAEs of a view: which one an analysis is about, and which of its latents. */
import type * as tf from '@tensorflow/tfjs'
import type { Attachable } from '../lib/core/splice.js'
import type { AttachedSae } from '../lib/core/view.js'
import { ArgumentError, HookError } from '../lib/errors/errors.js'
import { didYouMean } from '../lib/errors/nearest.js'
import type { HookedModel } from '../lib/model.js'
import { range } from '../lib/stats/range.js'
import type { Sae } from '../saes/index.js'

/**
 * What the view has attached at a hook point; without one, all that it has attached.
 * @throws HookError where nothing is attached there, or several things are and no hook point is named
 */
export function attachedAt(name: string, view: HookedModel, hook?: string): AttachedSae {
  const [only, ...others] = view.attached
  if (hook === undefined && only && others.length === 0) return only
  const found = view.attached.find(({ readsAt }) => readsAt === hook)
  if (found) return found
  const sites = view.attached.map(({ readsAt }) => readsAt)
  const have = only ? `The view has SAEs at ${sites.join(', ')}.` : 'The view has no SAE: attach one with withSaes.'
  const what = hook === undefined ? 'no hook point is named' : `there is no SAE at '${hook}'`
  throw new HookError(`${name}: ${what}.${hook === undefined ? '' : didYouMean(hook, sites)} ${have}`)
}

/**
 * The view's SAE at a hook point; without one, its only SAE.
 * @throws HookError as `attachedAt`; ArgumentError for something attached that has no latents to encode
 */
export function saeAt(name: string, view: HookedModel, hook?: string): AttachedSae<Sae> {
  const attached = attachedAt(name, view, hook)
  if (hasLatents(attached)) return attached
  const { sae, readsAt } = attached
  throw new ArgumentError(`${name}: '${sae.label}' at ${readsAt} has no latents to encode. Attach an SAE.`)
}

function hasLatents(attached: AttachedSae<Attachable>): attached is AttachedSae<Sae> {
  return 'encode' in attached.sae && 'config' in attached.sae
}

/** The same, attached with its error term. @throws ArgumentError when it is attached without, HookError */
export function saeWithError(name: string, view: HookedModel, hook?: string): AttachedSae<Sae> {
  const attached = saeAt(name, view, hook)
  checkErrorTerm(name, attached)
  return attached
}

/** @throws ArgumentError for an SAE that is attached without its error term */
export function checkErrorTerm(name: string, attached: AttachedSae): void {
  if (attached.options.errorTerm) return
  throw new ArgumentError(
    `${name}: the SAE at ${attached.readsAt} is attached without its error term, so that all else it misses would be ` +
      'changed too. Attach it with { errorTerm: true }.',
  )
}

/** The latents asked for, in order; all without a list. @throws ArgumentError when there is no such latent, or twice. */
export function chosenLatents(name: string, sae: Sae, latents: readonly number[] | undefined): readonly number[] {
  if (latents === undefined) return range(sae.config.dSae)
  if (!Array.isArray(latents) || latents.length === 0) {
    throw new ArgumentError(
      `${name}: latents is ${JSON.stringify(latents)}. Give a list of at least one, or none for all.`,
    )
  }
  const seen = new Set<number>()
  for (const latent of latents as readonly number[]) {
    sae.checkLatent(latent)
    if (seen.has(latent)) throw new ArgumentError(`${name}: latent ${latent} is listed twice. Give each once.`)
    seen.add(latent)
  }
  return latents as readonly number[]
}

/** Latents [...,latents] of an input of the SAE. The caller owns them. */
export function encodeLatents(sae: Sae, x: tf.Tensor, latents: readonly number[]): tf.Tensor {
  const all = latents.length === sae.config.dSae && latents.every((latent, i) => latent === i)
  return sae.encode(x, all ? {} : { latents })
}
