/**
 * Attribution patching: what replacing an activation would change, estimated for all places at once from one forward
 * and one backward pass, gradient × (replacement − activation). Nanda 2023; Syed et al. 2023, arXiv:2310.10348.
 * B prompts · P positions · U units
 */
import * as tf from '@tensorflow/tfjs'
import { axesOf, type HookPoint } from '../../lib/core/hooks.js'
import { progressOptionNames, type ProgressOptions } from '../../lib/core/job-options.js'
import { jobProgress } from '../../lib/core/job-progress.js'
import { positionAxis, promptAxis } from '../../lib/core/labels.js'
import { describeMetric, type AnyMetric } from '../../lib/core/metrics.js'
import { promptPositions } from '../../lib/core/positions.js'
import type { Site } from '../../lib/core/sites.js'
import { ArgumentError, HookError } from '../../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { pickPositions } from '../../lib/ops/pick.js'
import { EffectResult, type EffectExtra } from '../../lib/report/result/effect-result.js'
import type { Axis } from '../../lib/report/result/result.js'
import { range } from '../../lib/stats/range.js'
import { checkSource } from '../../lib/tokens/paired-prompts.js'
import {
  tokenOptionsOf,
  type Prompts,
  tokenOptionNames,
  type TokenOptions,
  type Tokens,
} from '../../lib/tokens/tokens.js'
import { attachedAt } from '../attached-saes.js'
import { placesOf } from '../sites.js'
import { checkSteps, midpoints } from './steps.js'

/** Which activation is replaced, by what, and what the change is measured by. */
export interface AttributionOptions extends TokenOptions, ProgressOptions {
  /** `logitDiff(…)`, `logProb(…)` … or a function from logits [B,P,V] to [B] or a scalar. */
  readonly metric: AnyMetric
  /**
   * The hook point whose activation is replaced, `point('z', 9)`, or some units of it, `head(9, 6)`,
   * `latents(sae, 3, 14)`. @default the latents of the view's SAE
   */
  readonly target?: Site
  /** Prompts the replacement comes from, one for each prompt, of the same length. @default none: zero replaces it */
  readonly source?: Prompts
  /** Only this position (−1 is the last real token). @default all */
  readonly position?: number
  /**
   * Integrated gradients: the mean of the gradients at this many points between the activation and its replacement,
   * rather than the gradient at the activation. @default none
   */
  readonly steps?: number
}

const optionNames: OptionNames<AttributionOptions> = {
  metric: true,
  target: true,
  source: true,
  position: true,
  steps: true,
  ...progressOptionNames,
  ...tokenOptionNames,
}

/** What comes with the estimates. */
export interface AttributionExtra extends EffectExtra {
  /** The hook point whose activation is replaced. */
  readonly hook: string
}

/**
 * Estimated change of the metric when the activation at a hook point is replaced: axes [prompt, (position), (unit)], in
 * the unit of the metric. Units are heads at `[B,P,H,K]` points (the products summed over K), latents in SAEs, neurons
 * in MLPs; at `[B,P,D]` points the products are summed and there is no unit. `baseline` is the metric as it is.
 *
 * @example
 * const view = model.withSaes(sae, { errorTerm: true })
 * const estimates = await attributionPatching(view, prompts, { metric, position: -1 })
 * estimates.mean('prompt').top(10).print()
 * @throws ArgumentError, HookError, TokenError before any run
 */
export async function attributionPatching(
  view: HookedModel,
  prompts: Prompts,
  options: AttributionOptions,
): Promise<EffectResult<AttributionExtra>> {
  const name = 'attributionPatching'
  checkOptions(name, options, optionNames)
  checkSteps(name, options.steps)
  const { point, units } = resolvePoint(view, options.target)
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  const { position } = options
  const positions = position === undefined ? undefined : promptPositions(tokens, position, name)
  const source = options.source === undefined ? undefined : view.toTokens(options.source, tokenOptionsOf(options))
  if (source) checkSource(name, tokens, source)
  view.bindMetric(options.metric, tokens) // refuses a metric that is none
  const { products, metric } = await attribute(view, { tokens, source, point }, options)
  const effects = tf.tidy(() => {
    const perUnit = chosenUnits(summedToUnits(products, point), units)
    return positions ? atPositions(perUnit, positions) : perUnit
  })
  const { shape } = effects
  const values = await numbersOf(effects)
  products.dispose()
  const { name: metricName, unit } = describeMetric(options.metric)
  const each = positions ? [] : [positionAxis(view, tokens, range(tokens.positions))]
  return new EffectResult<AttributionExtra>({
    kind: 'attribution patching',
    title: `estimated change of ${metricName} at ${point.name}`,
    unit,
    values,
    axes: [promptAxis(view, tokens), ...each, ...unitAxis(point, units ?? range(shape.at(-1) ?? 0))],
    provenance: await view.provenance({ prependBos: options.prependBos ?? true }),
    extra: { metric: metricName, baseline: metric, hook: point.name },
  })
}

/** The hook point of a target, and the units asked for. @throws ArgumentError, HookError */
function resolvePoint(view: HookedModel, target: Site | undefined): { point: HookPoint; units?: readonly number[] } {
  const name = 'attributionPatching'
  const site = target ?? { hook: `${attachedAt(name, view).readsAt}.hook_sae_acts_post` }
  if (Array.isArray(site)) throw new ArgumentError(`${name}: target is a list. Give one site, such as point('z', 9).`)
  const units = placesOf(name, view, site).flatMap(({ unit }) => unit ?? [])
  const point = view.hookPoints.find((each) => each.name === site.hook)
  if (point?.shape.startsWith('[B,P,')) return units.length > 0 ? { point, units } : { point }
  throw new HookError(
    `${name}: '${site.hook}' has shape ${point?.shape}. Give a hook point of shape [B,P,…], where products of each ` +
      'position can be told apart.',
  )
}

/** What is attributed to. */
interface Attributed {
  readonly tokens: Tokens
  readonly source: Tokens | undefined
  readonly point: HookPoint
}

/** Gradient × change, in the shape of the activation, and the metric. The caller owns the products. */
async function attribute(
  view: HookedModel,
  { tokens, source, point: { name } }: Attributed,
  options: AttributionOptions,
): Promise<{ products: tf.Tensor; metric: number[] }> {
  using other = source && view.runWithCache(source, { names: [name], logits: false })
  using run = view.runWithGradients(tokens, { metric: options.metric, names: name })
  const own = run.cache.get(name)
  const change = other ? other.get(name).sub(own) : own.neg()
  const { steps } = options
  try {
    const path = { tokens, name, change }
    const mean = steps === undefined ? undefined : await meanGradient(view, path, options)
    const products = change.mul(mean ?? run.gradients.get(name))
    mean?.dispose()
    return { products, metric: [...(await run.value.data())] }
  } finally {
    change.dispose()
  }
}

/** The mean of the gradients on the way to the replacement. The caller owns it. */
async function meanGradient(
  view: HookedModel,
  { tokens, name, change }: { readonly tokens: Tokens; readonly name: string; readonly change: tf.Tensor },
  options: AttributionOptions,
): Promise<tf.Tensor> {
  const { metric, signal } = options
  const shares = midpoints(options.steps)
  using report = jobProgress('attributionPatching: gradients', options, shares.length)
  let sum = tf.zerosLike(change)
  try {
    for (const [step, share] of shares.entries()) {
      signal?.throwIfAborted()
      const stepped = view.withHooks({ [name]: (x: tf.Tensor) => x.add(change.mul(share)) })
      using run = stepped.runWithGradients(tokens, { metric, names: name })
      const before = sum
      sum = tf.tidy(() => before.add(run.gradients.get(name).div(shares.length)))
      before.dispose()
      report(step + 1)
      await tf.nextFrame()
    }
  } catch (error) {
    sum.dispose()
    throw error
  }
  return sum
}

/** Sums the products of one unit: over K of a head, over D of a vector. */
function summedToUnits(products: tf.Tensor, { shape }: HookPoint): tf.Tensor {
  const last = axesOf(shape).at(-1)
  return last === 'K' || last === 'D' ? products.sum(-1) : products
}

/** Some units of the last axis; all without a list. */
function chosenUnits(x: tf.Tensor, units: readonly number[] | undefined): tf.Tensor {
  return units === undefined ? x : tf.gather(x, tf.tensor1d([...units], 'int32'), x.rank - 1)
}

function atPositions(x: tf.Tensor, positions: readonly number[]): tf.Tensor {
  const [batch, length] = x.shape as [number, number]
  return pickPositions(x.reshape([batch, length, -1]), positions).reshape([batch, ...x.shape.slice(2)])
}

/** None for vectors of the residual stream. */
function unitAxis({ shape }: HookPoint, units: readonly number[]): Axis[] {
  const kind = unitNames[shape]
  return kind === undefined ? [] : [{ name: kind, labels: units.map((unit) => `${kind} ${unit}`) }]
}

/** What the last axis of the summed products counts. */
const unitNames: Readonly<Record<string, string>> = {
  '[B,P,H,K]': 'head',
  '[B,P,G,K]': 'head',
  '[B,P,H,D]': 'head',
  '[B,P,S]': 'latent',
  '[B,P,M]': 'neuron',
  '[B,P,V]': 'token',
}

/** The numbers of a tensor, which is freed. */
async function numbersOf(x: tf.Tensor): Promise<Float32Array> {
  try {
    return Float32Array.from(await x.data())
  } finally {
    x.dispose()
  }
}
