/** One run for each of many interventions, several to a batch. B prompts. */
import * as tf from '@tensorflow/tfjs'
import type { HookFunction } from '../../lib/core/hooks.js'
import { logitDiff } from '../../lib/core/metrics.js'
import type { HookedModel } from '../../lib/model.js'
import { Tokens } from '../../lib/tokens/tokens.js'

/** What is changed in one run: an edit by hook point. */
export type HookSet = Readonly<Record<string, (x: tf.Tensor) => tf.Tensor>>

/** The tokens whose logits are compared, one each for every prompt. */
export interface AnswerIds {
  readonly answer: readonly number[]
  readonly wrong: readonly number[]
}

/** Prompts in one batch: enough that the cost of an operation is its work, few enough for small memories. */
const ROWS = 160

/** logit[answer] − logit[wrong] at the last position under each set of hooks, [sets,B]. The caller owns it. */
export function underEach(
  view: HookedModel,
  tokens: Tokens,
  answers: AnswerIds,
  sets: readonly HookSet[],
): tf.Tensor2D {
  if (sets.length === 0) return tf.zeros([0, tokens.batch])
  const size = Math.max(1, Math.floor(ROWS / tokens.batch))
  const chunks = Array.from({ length: Math.ceil(sets.length / size) }, (_, c) => sets.slice(c * size, (c + 1) * size))
  return tf.tidy(() =>
    tf.concat2d(
      chunks.map((chunk) => tf.tidy(() => together(view, tokens, answers, chunk))),
      0,
    ),
  )
}

/** The same without any hook, [B]. */
export function logitDifference(view: HookedModel, tokens: Tokens, answers: AnswerIds): tf.Tensor1D {
  return tf.tidy(() => underEach(view, tokens, answers, [{}]).squeeze<tf.Tensor1D>([0]))
}

/** Each set acts on prompts of its own: the batch is repeated, once for each. */
function together(
  view: HookedModel,
  tokens: Tokens,
  { answer, wrong }: AnswerIds,
  sets: readonly HookSet[],
): tf.Tensor2D {
  const repeated = <T>(rows: readonly T[]): T[] => sets.flatMap(() => rows)
  const mask = tokens.mask && repeated(tokens.mask)
  const batch = new Tokens(repeated(tokens.rows), mask, tokens.paddingSide)
  const names = new Set(sets.flatMap((set) => Object.keys(set)))
  const hooks: Record<string, HookFunction> = {}
  for (const name of names)
    hooks[name] = (x: tf.Tensor) =>
      editedApart(
        x,
        sets.map((set) => set[name]),
      )
  const metric = view.bindMetric(logitDiff(repeated(answer), repeated(wrong)), batch)
  return metric(view.withHooks(hooks).run(batch)).reshape([sets.length, tokens.batch])
}

/** Equal shares of the batch, each through its own edit or, where it has none, as it is. */
function editedApart(x: tf.Tensor, edits: readonly (HookSet[string] | undefined)[]): tf.Tensor {
  return tf.concat(tf.split(x, edits.length, 0).map((share, i) => edits[i]?.(share) ?? share))
}
