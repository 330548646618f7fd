/**
 * The engine of ablation and activation patching: one run for each site (and position) with the activation there
 * replaced, judged by a metric. Results hold the change of the metric; `extra.baseline` is the metric without.
 */
import * as tf from '@tensorflow/tfjs'
import type { ActivationCache } from '../lib/cache.js'
import { ArgumentError } from '../lib/errors.js'
import { axesOf, layerOf, type HookFunction, type HookPoint } from '../lib/hooks.js'
import { checkMetric, describeMetric, metricPositions, type Metric, type MetricFunction } from '../lib/metrics.js'
import type { HookedModel, Input, RunOptions } from '../lib/model.js'
import type { JsonObject } from '../lib/report/json.js'
import { progressOf } from '../lib/report/progress.js'
import { Result } from '../lib/report/result.js'
import type { TokenOptions, Tokens } from '../lib/tokens/tokens.js'
import { positionAxis, promptAxis } from './labels.js'
import { resolveTarget, type Site, type Target } from './targets.js'

/** Options of every intervention. */
export interface InterventionOptions extends TokenOptions {
  /** What the change is measured by: `logitDiff(…)`, `logProb(…)` or a function from logits [B,P,V] to [B] or a scalar. */
  readonly metric: Metric | MetricFunction
  readonly target: Target
  /** Where to intervene: one position (−1 is the last real token), all at once, or each in a run of its own. */
  readonly position?: number | 'all' | 'each'
  /** Called after each run; the default shows a line or a bar on stderr. */
  readonly onProgress?: (done: number, total: number) => void
}

/** What takes the place of activations, and what a result says of it. */
export interface Replacements extends Disposable {
  /** For the activation at a hook point: undefined for zeros, else a tensor that broadcasts to it. */
  at(name: string): tf.Tensor | undefined
  readonly seed?: number
  readonly extra?: JsonObject
}

/** One intervention: a site at one position for each prompt, or at all. */
interface Run {
  readonly site: Site
  readonly positions: readonly number[] | undefined
}

/** Runs them all. `prepare` gives the replacements for the hook points of the target, or refuses before any run. */
export async function intervene(
  kind: string,
  view: HookedModel,
  input: Input,
  options: InterventionOptions,
  prepare: (tokens: Tokens, names: readonly string[]) => Replacements,
): Promise<Result> {
  const tokens = view.toTokens(input, options)
  const metric = view.bindMetric(options.metric, tokens)
  const { axes, sites } = resolveTarget(kind, view, options.target)
  const places = positionsOf(kind, tokens, options.position ?? 'all')
  const runs = sites.flatMap((site) => places.map((positions): Run => ({ site, positions })))
  using replacements = prepare(tokens, [...new Set(sites.map((site) => site.name))])
  using starts = new Starts(view, tokens, sites)
  const baseline = await measure(view, tokens, metric)
  const values = new Float32Array(runs.length * baseline.length)
  const report = options.onProgress ?? progressOf(kind, runs.length)
  for (const [i, run] of runs.entries()) {
    const after = await measure(withHook(view, run, replacements), tokens, metric, starts.before(run.site.name))
    after.forEach((value, b) => (values[i * baseline.length + b] = value - baseline[b]!))
    report(i + 1, runs.length)
  }
  const { name, unit } = describeMetric(options.metric)
  const each =
    options.position === 'each'
      ? [
          positionAxis(
            view,
            tokens,
            places.map((p) => p![0]!),
          ),
        ]
      : []
  return new Result({
    kind,
    title: `change of ${name}`,
    unit,
    values,
    axes: [...axes, ...each, promptAxis(view, tokens, baseline.length)],
    provenance: await view.provenance({
      prependBos: options.prependBos ?? true,
      ...(replacements.seed !== undefined && { seed: replacements.seed }),
    }),
    extra: { baseline: [...baseline], position: options.position ?? 'all', ...replacements.extra },
  })
}

/** The metric on one view: one number a prompt, or a single one. */
async function measure(
  view: HookedModel,
  tokens: Tokens,
  metric: MetricFunction,
  from?: RunOptions['from'],
): Promise<Float32Array> {
  const numbers = tf.tidy(() => {
    const value: unknown = metric(view.run(tokens, { from }))
    checkMetric('metric', value, tokens)
    return value.flatten()
  })
  try {
    return (await numbers.data()) as Float32Array
  } finally {
    numbers.dispose()
  }
}

/**
 * Where runs may start: what a site does cannot change the blocks before its own, so they are computed once. Holds the
 * residual stream as it enters the block of each site.
 */
class Starts {
  readonly #cache: ActivationCache | undefined
  readonly #entry: (layer: number) => string

  constructor(view: HookedModel, tokens: Tokens, sites: readonly Site[]) {
    const spliced = new Set(view.saes.map((sae) => sae.hookName))
    this.#entry = (layer) => {
      const before = `blocks.${layer - 1}.hook_resid_post`
      return spliced.has(before) ? `${before}.hook_sae_output` : before
    }
    const layers = new Set(sites.map((site) => layerOf(site.name) ?? 0))
    const names = [...layers].filter((layer) => layer > 0).map(this.#entry)
    this.#cache = names.length > 0 ? view.runWithCache(tokens, { names, logits: false }) : undefined
  }

  /** The start of a run that changes this hook point; undefined for the beginning. */
  before(name: string): RunOptions['from'] {
    const layer = layerOf(name) ?? 0
    return layer > 0 && this.#cache ? { layer, resid: this.#cache.get<tf.Tensor3D>(this.#entry(layer)) } : undefined
  }

  [Symbol.dispose](): void {
    this.#cache?.dispose()
  }
}

/** Positions of each run, one for each prompt: undefined stands for all. */
function positionsOf(
  kind: string,
  tokens: Tokens,
  position: number | 'all' | 'each',
): (readonly number[] | undefined)[] {
  if (position === 'all') return [undefined]
  if (position === 'each') return Array.from({ length: tokens.positions }, (_, p) => tokens.rows.map(() => p))
  if (typeof position === 'number') return [metricPositions(tokens, position, kind)]
  throw new ArgumentError(`${kind}: position is ${JSON.stringify(position)}. Give a number, 'all' or 'each'.`)
}

function withHook(view: HookedModel, { site, positions }: Run, replacements: Replacements): HookedModel {
  const point = view.hookPoints.find((p) => p.name === site.name)!
  const hook: HookFunction = (x: tf.Tensor) => {
    const selected = selectionMask(point, x.shape, positions, site.unit)
    // not a product with the mask: masked attention scores are −Infinity
    return tf.where(selected, replacements.at(point.name) ?? tf.zerosLike(x), x)
  }
  return view.withHooks([[point.name, hook]])
}

/** True where an intervention acts, with length 1 on the axes it does not distinguish. */
function selectionMask(
  point: HookPoint,
  shape: readonly number[],
  positions: readonly number[] | undefined,
  unit: number | undefined,
): tf.Tensor {
  const axes = axesOf(point.shape)
  const unitAxis = axes.findIndex((axis) => axis === 'H' || axis === 'S' || axis === 'M')
  const along = (axis: number, length: number) => axes.map((_, i) => (i === axis ? length : 1))
  let mask = tf.ones(axes.map(() => 1))
  if (positions) {
    const positionAxis = axes.indexOf('P')
    const length = shape[positionAxis]!
    const rows = tf.oneHot(tf.tensor1d([...positions], 'int32'), length).toFloat() // [B,P]
    mask = mask.mul(rows.reshape(axes.map((_, i) => (i === 0 ? positions.length : i === positionAxis ? length : 1))))
  }
  if (unit !== undefined)
    mask = mask.mul(
      tf
        .oneHot(tf.tensor1d([unit], 'int32'), shape[unitAxis]!)
        .toFloat()
        .reshape(along(unitAxis, shape[unitAxis]!)),
    )
  return mask.toBool()
}
