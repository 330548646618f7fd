/**
 * Attribution patching: what replacing an activation would change, estimated for all places at once from one forward
 * and one backward pass, gradient × (replacement − activation). Nanda 2023; Syed et al. 2023, arXiv:2310.10348.
 */
import * as tf from '@tensorflow/tfjs'
import type { ActivationCache } from '../../lib/residual/activation-cache.js'
import { HookError } from '../../lib/errors/errors.js'
import { axesOf, type HookName, type HookPoint } from '../../lib/core/hooks.js'
import { describeMetric, type Metric, type MetricFunction } from '../../lib/core/metrics.js'
import { promptPositions } from '../../lib/core/positions.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts, TokenOptions, Tokens } from '../../lib/tokens/tokens.js'
import { pickPositions } from '../../lib/ops/pick.js'
import { Result, type Axis } from '../../lib/report/result/result.js'
import { checkSource } from '../../lib/tokens/paired-prompts.js'
import { positionAxis, promptAxis } from '../../lib/core/labels.js'
import { checkSteps, midpoints } from './steps.js'
import { attachedAt } from '../attached-saes.js'

export interface AttributionOptions extends TokenOptions {
  readonly metric: Metric | MetricFunction
  /** Hook point whose activation is replaced. @default the latents of the view's SAE */
  readonly hook?: HookName
  /** Prompts the replacement comes from. @default none: the replacement is zero */
  readonly source?: Prompts
  /** Only this position (−1 is the last real token). @default all */
  readonly position?: number
  /**
   * Integrated gradients: the mean of the gradients at this many points between the activation and its replacement,
   * rather than the gradient at the activation. @default none
   */
  readonly steps?: number
}

/**
 * Estimated change of the metric when the activation at one hook point is replaced: axes [prompt, (position), (unit)],
 * in the metric's unit. Units are heads at `[B,P,H,K]` points (the products summed over K), latents in SAEs, neurons in
 * MLPs; at `[B,P,D]` points the products are summed and there is no unit.
 *
 * `attributionPatching(model.withSaes(sae, { errorTerm: true }), prompts, { metric, position: -1 })`
 */
export async function attributionPatching(
  view: HookedModel,
  prompts: Prompts,
  options: AttributionOptions,
): Promise<Result> {
  checkSteps('attributionPatching', options.steps)
  const hook = options.hook ?? `${attachedAt('attributionPatching', view).readsAt}.hook_sae_acts_post`
  const tokens = view.toTokens(prompts, options)
  checkPoint(view, hook)
  const positions =
    options.position === undefined ? undefined : promptPositions(tokens, options.position, 'attributionPatching')
  const source = options.source === undefined ? undefined : sourceCache(view, options.source, tokens, hook, options)
  try {
    using run = view.runWithGradients(tokens, { metric: options.metric, names: hook })
    const point = view.hookPoints.find((p) => p.name === hook)!
    const change = tf.tidy(() => (source ? source.get(hook).sub(run.cache.get(hook)) : run.cache.get(hook).neg()))
    const gradient = options.steps === undefined ? run.gradients.get(hook).clone() : meanGradient(view, tokens, hook, change, options) // prettier-ignore
    const effects = tf.tidy(() => {
      const perUnit = summedToUnits(gradient.mul(change), point)
      return positions ? atPositions(perUnit, positions) : perUnit
    })
    tf.dispose([change, gradient])
    const values = Float32Array.from(await effects.data())
    const shape = effects.shape
    effects.dispose()
    const { name, unit } = describeMetric(options.metric)
    return new Result({
      kind: 'attribution patching',
      title: `estimated change of ${name} at ${hook}`,
      unit,
      values,
      axes: resultAxes(view, tokens, point, shape, positions !== undefined),
      provenance: await view.provenance({ prependBos: options.prependBos ?? true }),
      extra: { hook, value: [...(await run.value.data())] },
    })
  } finally {
    source?.dispose()
  }
}

/** The mean of the gradients on the way to the replacement. */
function meanGradient(
  view: HookedModel,
  tokens: Tokens,
  hook: string,
  change: tf.Tensor,
  { metric, steps }: AttributionOptions,
): tf.Tensor {
  const shares = midpoints(steps)
  return shares.reduce((sum, share) => {
    const stepped = view.withHooks({ [hook]: (x: tf.Tensor) => x.add(change.mul(share)) })
    using run = stepped.runWithGradients(tokens, { metric, names: hook })
    const next = tf.tidy(() => sum.add(run.gradients.get(hook).div(shares.length)))
    sum.dispose()
    return next
  }, tf.zerosLike(change))
}

/** @throws HookError for a point whose products cannot be laid out by position, such as attention patterns. */
function checkPoint(view: HookedModel, hook: string): void {
  const point = view.hookPoints.find((p) => p.name === hook)
  if (!point || point.shape.startsWith('[B,P,')) return
  throw new HookError(`attributionPatching: '${hook}' has shape ${point.shape}. Give a hook point of shape [B,P,…].`)
}

function sourceCache(
  view: HookedModel,
  input: Prompts,
  tokens: Tokens,
  hook: string,
  options: TokenOptions,
): ActivationCache {
  const source = view.toTokens(input, options)
  checkSource('attributionPatching', tokens, source)
  return view.runWithCache(source, { names: [hook], logits: false })
}

/** Sums the products of one unit: over K of a head, over D of a vector. */
function summedToUnits(products: tf.Tensor, point: HookPoint): tf.Tensor {
  const last = lastAxis(point)
  return last === 'K' || last === 'D' ? products.sum(-1) : products
}

function atPositions(x: tf.Tensor, positions: readonly number[]): tf.Tensor {
  const [batch, length] = x.shape as [number, number]
  return pickPositions(x.reshape([batch, length, -1]), positions).reshape([batch, ...x.shape.slice(2)])
}

function resultAxes(
  view: HookedModel,
  tokens: Tokens,
  point: HookPoint,
  shape: readonly number[],
  picked: boolean,
): Axis[] {
  const positions = picked
    ? []
    : [
        positionAxis(
          view,
          tokens,
          tokens.rows[0]!.map((_, p) => p),
        ),
      ]
  const lead = [promptAxis(view, tokens), ...positions]
  const unit = unitNames[point.shape]
  if (unit === undefined) return lead
  return [...lead, { name: unit, labels: Array.from({ length: shape.at(-1)! }, (_, i) => `${unit} ${i}`) }]
}

/** What the last axis of the summed products counts; none for vectors of the residual stream. */
const unitNames: Readonly<Record<string, string>> = {
  '[B,P,H,K]': 'head',
  '[B,P,H,D]': 'head',
  '[B,P,S]': 'latent',
  '[B,P,M]': 'neuron',
  '[B,P,V]': 'token',
}

const lastAxis = (point: HookPoint): string => axesOf(point.shape).at(-1)!
