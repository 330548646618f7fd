/**
 * Path patching from latents into heads: what a metric loses when what one latent writes is kept from one input of a
 * head, and from nothing else. B prompts · H heads · D d_model
 */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError, HookError } from '../../lib/errors/errors.js'
import type { HookName } from '../../lib/core/hooks.js'
import { layerOf } from '../../lib/transformer/hook-names.js'
import { describeMetric, type AnyMetric } from '../../lib/core/metrics.js'
import { promptPositions } from '../../lib/core/positions.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts, TokenOptions } from '../../lib/tokens/tokens.js'
import { Result } from '../../lib/report/result/result.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { latentsAt } from '../latent-activations/index.js'
import { latentDirections } from '../latent-logits.js'
import { compareMetric } from './compare-metric.js'

export interface LatentPathsOptions extends TokenOptions {
  readonly metric: AnyMetric
  readonly latents: readonly number[]
  /** `[layer, head]`, behind the SAE; each in a run of its own. */
  readonly heads: readonly (readonly [layer: number, head: number])[]
  /** Where the latents write and the heads read. @default -1, the last real token */
  readonly position?: number
  /** @default 'v' */
  readonly input?: 'q' | 'k' | 'v'
  /** Cut the path into all of the heads at once. @default false */
  readonly together?: boolean
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

/**
 * Change of the metric when act · W_dec (· W_O or W_out) of a latent at the position is taken out of
 * `hook_v_input` of a head there: axes [latent, head, prompt], or [latent, prompt] with `together`, in the metric's
 * unit; negative where the path helps. The activation is that of the view as it is.
 * @throws ArgumentError for a head that is not there or reads no later layer than the SAE writes; HookError; MismatchError
 */
export async function latentPaths(view: HookedModel, prompts: Prompts, options: LatentPathsOptions): Promise<Result> {
  const { metric, position = -1, input = 'v', together = false, hook } = options
  if (!['q', 'k', 'v'].includes(input))
    throw new ArgumentError(`latentPaths: input is '${String(input)}'. It must be 'q', 'k' or 'v'.`)
  const attached = saeAt('latentPaths', view, hook)
  const latents = chosenLatents('latentPaths', attached.sae, options.latents)
  checkHeads(view, layerOf(attached.writesAt), options.heads)
  const tokens = view.toTokens(prompts, options)
  const positions = promptPositions(tokens, position, 'latentPaths')
  const acts = await latentsAt(view, tokens, { latents, position, hook, onProgress: false })
  const groups = together ? [options.heads] : options.heads.map((head) => [head])
  const directions = latentDirections(view, attached, latents) // [F,D]
  try {
    const cut = (latent: number, into: LatentPathsOptions['heads']) => {
      const by = positions.map((_, b) => acts.at(b, latent))
      const written = (x: tf.Tensor, heads: readonly number[]) =>
        placed(x, positions, by, heads, directions.slice([latent, 0], [1, -1]))
      const layers = [...new Set(into.map(([layer]) => layer))]
      return view.withHooks(
        layers.map((layer) => {
          const heads = into.flatMap(([l, h]) => (l === layer ? [h] : []))
          return [
            `blocks.${layer}.hook_${input}_input`,
            (x: tf.Tensor) => tf.tidy(() => x.sub(written(x, heads))),
          ] as const
        }),
      )
    }
    const views = latents.flatMap((_, f) => groups.map((heads, g) => [`${f} ${g}`, cut(f, heads)] as const))
    const values = await compareMetric({ clean: view, ...Object.fromEntries(views) }, tokens, { metric })
    const [batch, width] = values.shape as [number, number]
    const change = (b: number, i: number) => values.values[b * width + 1 + i]! - values.values[b * width]!
    const { name, unit } = describeMetric(metric)
    const headAxis = { name: 'head', labels: options.heads.map(([l, h]) => `L${l}H${h}`) }
    return new Result({
      kind: 'latent paths',
      title: `change of ${name} without the path into ${input}`,
      unit,
      values: Float32Array.from({ length: views.length * batch }, (_, i) => change(i % batch, Math.floor(i / batch))),
      axes: [acts.axes[1]!, ...(together ? [] : [headAxis]), values.axes[0]!],
      provenance: values.provenance,
      extra: { position, input, heads: headAxis.labels },
    })
  } finally {
    directions.dispose()
  }
}

/** A direction [1,D] times a number a prompt, at its position and for some heads of x [B,P,H,D]; 0 elsewhere. */
function placed(
  x: tf.Tensor,
  positions: readonly number[],
  by: readonly number[],
  heads: readonly number[],
  direction: tf.Tensor,
): tf.Tensor {
  const [, length, nHeads] = x.shape as [number, number, number]
  const rows = tf.oneHot(tf.tensor1d([...positions], 'int32'), length).mul(tf.tensor2d([...by], [by.length, 1])) // [B,P]
  const chosen = tf.tensor2d(Array.from({ length: nHeads }, (_, h) => [Number(heads.includes(h))])) // [H,1]
  return rows.reshape([-1, length, 1, 1]).mul(chosen.mul(direction))
}

/** @throws ArgumentError, HookError */
function checkHeads(view: HookedModel, layer: number | undefined, heads: LatentPathsOptions['heads']): void {
  const { nLayers, nHeads } = view.config
  if (layer === undefined) throw new HookError('latentPaths: the SAE is of no layer. Use one inside a block.')
  if (heads.length === 0) throw new ArgumentError('latentPaths: heads is []. Give at least one [layer, head].')
  for (const [l, h] of heads) {
    if (l > layer && l < nLayers && h >= 0 && h < nHeads && Number.isInteger(l) && Number.isInteger(h)) continue
    throw new ArgumentError(
      `latentPaths: no head [${l}, ${h}] reads what the SAE of layer ${layer} writes. Give layers ${layer + 1} to ${nLayers - 1} and heads 0 to ${nHeads - 1}.`,
    )
  }
}
