/** SAEs of a view whose latents an analysis computes itself. */
import type * as tf from '@tensorflow/tfjs'
import { ArgumentError, HookError } from '../lib/errors/errors.js'
import { didYouMean } from '../lib/errors/nearest.js'
import type { HookedModel } from '../lib/model.js'
import type { Attachable } from '../lib/core/splice.js'
import type { AttachedSae } from '../lib/core/view.js'
import type { Sae } from '../saes/index.js'

/** An SAE of a view, and where it sits. */
export interface Encoder {
  readonly sae: Sae
  /** Where it reads: its hook point, or the output of an SAE that was attached there before. */
  readonly readsAt: string
  /** Where it writes. */
  readonly writesAt: string
  readonly errorTerm: boolean
}

/** The view's SAE at a hook point; without one, its only SAE. @throws HookError */
export function saeAt(verb: string, view: HookedModel, hook?: string): AttachedSae {
  const hooks = view.attached.map(({ readsAt }) => readsAt)
  if (hook === undefined && view.attached.length === 1) return view.attached[0]!
  const found = view.attached.find(({ readsAt }) => readsAt === hook)
  if (found) return found
  const have =
    hooks.length === 0 ? 'The view has no SAE: attach one with withSaes.' : `The view has SAEs at ${hooks.join(', ')}.`
  const what = hook === undefined ? 'no hook point is named' : `there is no SAE at '${hook}'`
  throw new HookError(`${verb}: ${what}.${hook === undefined ? '' : didYouMean(hook, hooks)} ${have}`)
}

/** The view's SAE at a hook point; without one, its only SAE. @throws HookError, ArgumentError for what is no SAE of ours */
export function encoderAt(verb: string, view: HookedModel, hook?: string): Encoder {
  const { sae, readsAt, writesAt, options } = saeAt(verb, view, hook)
  const { errorTerm = false } = options
  if ('encode' in sae && 'config' in sae) return { sae: sae as Attachable as Sae, readsAt, writesAt, errorTerm }
  throw new ArgumentError(`${verb}: '${sae.label}' at ${readsAt} has no latents to encode. Attach an SAE.`)
}

/** The latents asked for, in order; all without a list. @throws ArgumentError when there is no such latent, or twice. */
export function chosenLatents(verb: string, sae: Sae, latents: readonly number[] | undefined): readonly number[] {
  if (latents === undefined) return Array.from({ length: sae.config.dSae }, (_, latent) => latent)
  if (!Array.isArray(latents) || latents.length === 0) {
    throw new ArgumentError(
      `${verb}: latents is ${JSON.stringify(latents)}. Give a list of at least one, or none for all.`,
    )
  }
  const seen = new Set<number>()
  for (const latent of latents as readonly number[]) {
    sae.checkLatent(latent)
    if (seen.has(latent)) throw new ArgumentError(`${verb}: latent ${latent} is listed twice. Give each once.`)
    seen.add(latent)
  }
  return latents as readonly number[]
}

/** Latents [...,latents] of an input of the SAE. The caller owns them. */
export function encodeLatents(sae: Sae, x: tf.Tensor, latents: readonly number[]): tf.Tensor {
  const all = latents.length === sae.config.dSae && latents.every((latent, i) => latent === i)
  return sae.encode(x, all ? {} : { latents })
}
