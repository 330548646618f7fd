/** Latents on prompts: at one position, and the largest of each prompt. B prompts · P positions · F latents */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../../lib/errors/errors.js'
import type { HookName } from '../../lib/core/hooks.js'
import { promptPositions } from '../../lib/core/positions.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts, TokenOptions, Tokens } from '../../lib/tokens/tokens.js'
import { pickPositions } from '../../lib/ops/pick.js'
import { Result } from '../../lib/report/result/result.js'
import { range } from '../../lib/stats/range.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { promptAxis } from '../../lib/core/labels.js'
import { LatentMaxima } from './latent-maxima.js'
import { latentsOf, type LatentPoint } from '../latent-source.js'

export type { LatentMaxima } from './latent-maxima.js'

export interface LatentActivationsOptions extends TokenOptions {
  /** @default all latents of the SAE */
  readonly latents?: readonly number[]
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

/** Tokens of one run of the model, so that any number of prompts takes little more memory than the result. */
const RUN = 4096

/** Activations at one position of each prompt (the last real token by default): axes [prompt, latent]. */
export async function latentsAt(
  view: HookedModel,
  prompts: Prompts,
  options: LatentActivationsOptions & { readonly position?: number; readonly point?: LatentPoint } = {},
): Promise<Result> {
  const run = await read(view, prompts, options, 'latentsAt', (acts, tokens, row) => {
    const positions = promptPositions(tokens, options.position ?? -1, 'latentsAt')
    return [pickPositions(acts, positions.slice(row, row + acts.shape[0]))]
  })
  return run.result(`activations at position ${options.position ?? -1}`, run.values[0]!)
}

/**
 * The largest activation of each latent over the real tokens of each prompt.
 * @param options.dropLast leave this many tokens at the end of each prompt out (0); where none is left, maxima are 0
 */
export async function latentMaxima(
  view: HookedModel,
  prompts: Prompts,
  options: LatentActivationsOptions & { readonly dropLast?: number } = {},
): Promise<LatentMaxima> {
  const { dropLast = 0 } = options
  checkDropLast(dropLast)
  const run = await read(view, prompts, options, 'latentMaxima', (acts, tokens, row) => {
    const counted = tokens.rows.slice(row, row + acts.shape[0]).map((ids, b) => {
      const mask = tokens.mask?.[row + b] ?? ids.map(() => 1)
      const end = mask.lastIndexOf(1) + 1 - dropLast
      return mask.map((real, p) => (real === 1 && p < end ? 1 : 0))
    })
    const open = acts.mul(tf.tensor3d(counted.flat(), [acts.shape[0], tokens.positions, 1]))
    return [open.max(1), open.argMax(1).toFloat()]
  })
  const [maxima, at] = run.values
  const positions = Int32Array.from(maxima!, (value, i) => (value > 0 ? at![i]! : -1))
  return new LatentMaxima(run.result('largest activations', maxima!), positions)
}

function checkDropLast(dropLast: number): void {
  if (Number.isInteger(dropLast) && dropLast >= 0) return
  throw new ArgumentError(`latentMaxima: dropLast is ${String(dropLast)}. It must be a whole number from 0.`)
}

/** Lists of [B,F] numbers made of the latents, and a result of one of them. */
async function read(
  view: HookedModel,
  prompts: Prompts,
  options: LatentActivationsOptions & { readonly point?: LatentPoint },
  verb: string,
  reduce: (acts: tf.Tensor3D, tokens: Tokens, row: number) => tf.Tensor[],
) {
  const attached = saeAt(verb, view, options.hook)
  const latents = chosenLatents(verb, attached.sae, options.latents)
  const tokens = view.toTokens(prompts, options)
  const provenance = await view.provenance({ prependBos: options.prependBos ?? true })
  const values: Float32Array[] = []
  const source = latentsOf(view, attached, latents, options.point ?? 'hook_sae_acts_post', provenance.hooks ?? [])
  const size = Math.max(1, Math.floor(RUN / tokens.positions))
  for (let first = 0; first < tokens.batch; first += size) {
    await source.each(tokens.pick(range(first, Math.min(tokens.batch, first + size))), async (acts, inRun) => {
      const row = first + inRun
      for (const [i, reduced] of tf.tidy(() => reduce(acts, tokens, row)).entries()) {
        const numbers = (await reduced.data()) as Float32Array
        reduced.dispose()
        ;(values[i] ??= new Float32Array(tokens.batch * latents.length)).set(numbers, row * latents.length)
      }
    })
  }
  const axes = [promptAxis(view, tokens), { name: 'latent', labels: latents.map((latent) => `latent ${latent}`) }]
  const result = (title: string, of: Float32Array) =>
    new Result({ kind: 'latent activations', title, unit: '', values: of, axes, provenance })
  return { values, result }
}
