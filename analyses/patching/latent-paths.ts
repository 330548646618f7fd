/**
 * Path patching from latents into heads: what a metric loses when what one latent writes is kept from one input of a
 * head, and from nothing else. B prompts · P positions · H heads · D d_model · F latents
 */
import * as tf from '@tensorflow/tfjs'
import { progressOptionNames, type ProgressOptions } from '../../lib/core/job-options.js'
import { describeMetric, type AnyMetric } from '../../lib/core/metrics.js'
import { promptPositions } from '../../lib/core/positions.js'
import type { Site } from '../../lib/core/sites.js'
import { ArgumentError, HookError } from '../../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { EffectResult, type EffectExtra } from '../../lib/report/result/effect-result.js'
import { range } from '../../lib/stats/range.js'
import { tokenOptionsOf, type Prompts, tokenOptionNames, type TokenOptions } from '../../lib/tokens/tokens.js'
import { layerOf } from '../../lib/transformer/hook-names.js'
import { latentsAt } from '../latent-activations/index.js'
import { latentDirections } from '../latent-logits.js'
import { NodeLookUp, type Receiver } from '../nodes.js'
import { latentsOfSite } from '../sites.js'
import { metricUnder } from './compare-metric.js'

/** From which latents to which heads, and what the change is measured by. */
export interface LatentPathsOptions extends TokenOptions, ProgressOptions {
  /** `logitDiff(…)`, `logProb(…)` … or a function from logits [B,P,V] to [B]. */
  readonly metric: AnyMetric
  /** Latents of an SAE of the view, each in runs of its own: `latents(sae, 3, 14)`. */
  readonly senders: Site
  /** Inputs of heads after the SAE, each in a run of its own: `head(9, 6, 'v')` or 'L9H6.v'. */
  readonly receivers: readonly (string | Site)[]
  /** Where the latents write and the heads read. @default -1, the last real token */
  readonly position?: number
  /** Cut the paths into all of the heads at once. @default false */
  readonly together?: boolean
}

const optionNames: OptionNames<LatentPathsOptions> = {
  metric: true,
  senders: true,
  receivers: true,
  position: true,
  together: true,
  ...progressOptionNames,
  ...tokenOptionNames,
}

/** What comes with the changes. */
export interface LatentPathsExtra extends EffectExtra {
  readonly position: number
  /** The inputs of heads that paths lead to, such as 'L9H6.v'. */
  readonly receivers: readonly string[]
}

/** An input of a head. */
type HeadInput = Receiver & { readonly head: number; readonly input: 'q' | 'k' | 'v' }

/**
 * Change of the metric when act · W_dec (· W_O or W_out) of a latent at the position is taken out of the input of a
 * head's queries, keys or values there: axes [latent, head, prompt], or [latent, prompt] with `together`, in the unit
 * of the metric; negative where the path helps. The activation is that of the view as it is. `baseline` is the metric
 * without a change.
 *
 * @example
 * const receivers = [head(1, 1, 'v'), head(1, 4, 'v')]
 * ;(await latentPaths(view, prompts, { metric, senders: latents(sae, 443), receivers })).mean('prompt').print()
 * @throws ArgumentError for a head that is not there or does not read what the SAE writes; HookError; MismatchError for
 *   an SAE that writes to the stream by no single matrix
 */
export async function latentPaths(
  view: HookedModel,
  prompts: Prompts,
  options: LatentPathsOptions,
): Promise<EffectResult<LatentPathsExtra>> {
  const name = 'latentPaths'
  checkOptions(name, options, optionNames)
  const { metric, position = -1, together = false, senders, ...rest } = options
  const { attached, latents } = latentsOfSite(name, view, senders)
  const receivers = headInputs(view, attached.writesAt, options.receivers)
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  const positions = promptPositions(tokens, position, name)
  const acts = await latentsAt(view, tokens, { latents, position, hook: attached.readsAt, onProgress: false })
  const groups = together ? [receivers] : receivers.map((receiver) => [receiver])
  const directions = latentDirections(view, attached, latents) // [F,D]
  try {
    const cuts = range(latents.length).flatMap((latent) => {
      const by = range(tokens.batch).map((b) => acts.at(b, latent))
      const written = { positions, by, directions, latent }
      return groups.map((group, g) => [`${latent} ${g}`, without(view, written, group)] as const)
    })
    const views = { clean: view, ...Object.fromEntries(cuts) }
    const { onProgress, signal } = rest
    const values = await metricUnder(views, tokens, { name, options: { metric, onProgress, signal } })
    const clean = values.select('condition', 'clean').values
    const changes = cuts.flatMap(([cut]) => [
      ...values.select('condition', cut).values.map((x, b) => x - (clean[b] ?? NaN)),
    ])
    const { name: metricName, unit } = describeMetric(metric)
    const inputs = [...new Set(receivers.map(({ input }) => input))]
    const ofOne = (label: string) => (inputs.length === 1 ? label.replace(/\.[qkv]$/, '') : label)
    const headAxis = { name: 'head', labels: receivers.map((receiver) => ofOne(receiver.name)) }
    return new EffectResult<LatentPathsExtra>({
      kind: 'latent paths',
      title: `change of ${metricName} without the path into ${inputs.join(', ')}`,
      unit,
      values: Float32Array.from(changes),
      axes: [...acts.axes.slice(1), ...(together ? [] : [headAxis]), ...values.axes.slice(0, 1)],
      provenance: values.provenance,
      extra: {
        metric: metricName,
        baseline: [...clean],
        position,
        receivers: receivers.map((receiver) => receiver.name),
      },
    })
  } finally {
    directions.dispose()
  }
}

/** What a latent writes: its direction times a number a prompt, at a position of each. */
interface Written {
  readonly positions: readonly number[]
  readonly by: readonly number[]
  /** Of all latents [F,D]. */
  readonly directions: tf.Tensor2D
  /** Which of them. */
  readonly latent: number
}

/** The view in which these inputs lack what a latent writes. */
function without(view: HookedModel, written: Written, receivers: readonly HeadInput[]): HookedModel {
  const points = [...new Set(receivers.map(inputPoint))]
  return view.withHooks(
    points.map((hook) => {
      const heads = receivers.filter((receiver) => inputPoint(receiver) === hook).map(({ head }) => head)
      return [hook, (x: tf.Tensor) => tf.tidy(() => x.sub(placed(x, written, heads)))] as const
    }),
  )
}

const inputPoint = ({ layer, input }: HeadInput): string => `blocks.${layer}.hook_${input}_input`

/** What is written, for some heads of x [B,P,H,D]; 0 elsewhere. */
function placed(x: tf.Tensor, written: Written, heads: readonly number[]): tf.Tensor {
  const { positions, by, directions, latent } = written
  const [, length, nHeads] = x.shape as [number, number, number]
  const columns = tf.oneHot(tf.tensor1d([...positions], 'int32'), length)
  const rows = columns.mul(tf.tensor2d([...by], [by.length, 1])) // [B,P]
  const chosen = tf.tensor2d(range(nHeads).map((h) => [Number(heads.includes(h))])) // [H,1]
  return rows.reshape([-1, length, 1, 1]).mul(chosen.mul(directions.slice([latent, 0], [1, -1])))
}

/** @throws ArgumentError for a receiver that is no head's input, or in no later layer; HookError */
function headInputs(view: HookedModel, writesAt: string, wanted: readonly (string | Site)[]): HeadInput[] {
  const layer = layerOf(writesAt)
  if (layer === undefined) throw new HookError('latentPaths: the SAE is of no layer. Use one inside a block.')
  const { nLayers } = view.config
  return new NodeLookUp('latentPaths', view).receivers(wanted).map((receiver) => {
    const { name, input, head } = receiver
    if (input === 'mlp' || input === 'final' || head === undefined) {
      throw new ArgumentError(`latentPaths: '${name}' is no input of a head. Give such as head(9, 6, 'v').`)
    }
    if (receiver.layer > layer) return { ...receiver, input, head }
    throw new ArgumentError(
      `latentPaths: ${name} does not read what the SAE of layer ${layer} writes. Give heads of layers ` +
        `${layer + 1} to ${nLayers - 1}.`,
    )
  })
}
