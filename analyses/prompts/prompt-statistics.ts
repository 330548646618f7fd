/** Small numbers about prompts: how often tokens occur, and mean activations. V vocabulary */
import * as tf from '@tensorflow/tfjs'
import { axesOf, type HookName } from '../../lib/core/hooks.js'
import { tokenLabel } from '../../lib/core/labels.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { Result, type Axis } from '../../lib/report/result/result.js'
import { range } from '../../lib/stats/range.js'
import {
  tokenOptionsOf,
  type Prompts,
  tokenOptionNames,
  type TokenOptions,
  type Tokens,
} from '../../lib/tokens/tokens.js'
import { activationAt } from '../activations-until.js'

/**
 * How often each token of the vocabulary occurs in the prompts, BOS included, padding not: axes [token]. Counts are
 * exact up to 2^24.
 *
 * @example (await tokenCounts(model, prompts)).top(5)
 * @throws ArgumentError, TokenError as `toTokens`
 */
export async function tokenCounts(view: HookedModel, prompts: Prompts, options: TokenOptions = {}): Promise<Result> {
  checkOptions('tokenCounts', options, tokenOptionNames)
  const { dVocab } = view.config
  const { rows, mask } = view.toTokens(prompts, tokenOptionsOf(options))
  const values = new Float32Array(dVocab)
  for (const [b, row] of rows.entries()) {
    for (const [p, id] of row.entries()) values[id] = (values[id] ?? 0) + (mask?.[b]?.[p] ?? 1)
  }
  return new Result({
    kind: 'token counts',
    title: 'tokens of the prompts',
    unit: 'occurrences',
    values,
    axes: [{ name: 'token', labels: range(dVocab).map((id) => tokenLabel(view.tokenizer, id)) }],
    provenance: await view.provenance({ prependBos: options.prependBos ?? true }),
  })
}

/**
 * Ids that occur at most so often, in order: what `logprobBoosts` and `logitBoosts` take as `exclude`.
 *
 * @param counts what `tokenCounts` returned
 * @example rareTokens(await tokenCounts(model, prompts), 0) // those that never occur
 */
export function rareTokens({ values }: Pick<Result, 'values'>, atMost: number): number[] {
  return Array.from(values, (count, id) => ({ count, id })).flatMap(({ count, id }) => (count <= atMost ? [id] : []))
}

/** What `meanActivation` averages. */
export interface MeanActivationOptions extends TokenOptions {
  /** Of shape [B,P,…]. */
  readonly hook: HookName
}

const meanNames: OptionNames<MeanActivationOptions> = { ...tokenOptionNames, hook: true }

/** What the letters of a hook point's shape stand for. */
const axisNames: Readonly<Record<string, string>> = { D: 'd_model', H: 'head', K: 'd_head', M: 'neuron', S: 'latent' }

/**
 * The mean of an activation [B,P,…] over the real positions of each prompt and then over prompts, so that long prompts
 * count no more than short ones: an axis for each of its last axes, labelled by number.
 *
 * @example
 * const mean = await meanActivation(model, prompts, { hook: 'blocks.3.mlp.hook_post' })
 * const ablated = withReplaced(model, 'blocks.3.mlp.hook_post', undefined, mean.values)
 * @throws HookError, ArgumentError, TokenError
 */
export async function meanActivation(
  view: HookedModel,
  prompts: Prompts,
  options: MeanActivationOptions,
): Promise<Result> {
  checkOptions('meanActivation', options, meanNames)
  const { hook } = options
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  const x = activationAt(view, tokens, hook)
  const shape = x.shape.slice(2)
  const mean = tf.tidy(() => meanOverTokens(x, tokens))
  x.dispose()
  try {
    return new Result({
      kind: 'mean activation',
      title: `mean of ${hook}`,
      unit: '',
      values: await mean.data<'float32'>(),
      axes: axesOfHook(view, hook, shape),
      provenance: await view.provenance({ prependBos: options.prependBos ?? true }),
    })
  } finally {
    mean.dispose()
  }
}

/** [B,P,…] → […]: the mean over each prompt's real tokens, then over prompts. */
function meanOverTokens(x: tf.Tensor, { mask, rows, batch, positions }: Tokens): tf.Tensor {
  const real = (mask ?? rows.map((row) => row.map(() => 1))).flat()
  const weights = tf.tensor(real, [batch, positions, ...x.shape.slice(2).map(() => 1)])
  return x.mul(weights).sum(1).div(weights.sum(1)).mean(0)
}

function axesOfHook(view: HookedModel, hook: HookName, shape: readonly number[]): Axis[] {
  const letters = axesOf(view.hookPoints.find(({ name }) => name === hook)?.shape ?? '').slice(2)
  return shape.map((size, i) => ({ name: axisNames[letters[i] ?? ''] ?? `axis ${i}`, labels: range(size).map(String) }))
}
