/**
 * Logit lens: what the model would answer if it stopped after each layer (nostalgebraist 2020).
 * Axes: C state of the residual stream · B prompt · D d_model · V vocabulary
 */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError, Result, type Answers, type HookedModel, type Prompts, type Tokens } from 'tfjs-lens'

export interface LogitLensOptions {
  /** The token whose log probability is read: one for all prompts, or one for each. */
  readonly answer: Answers
}

/**
 * log p(answer) at the end of each prompt, read from the residual stream before each layer and after the last through
 * the final norm and the unembedding: axes [state, prompt], in nats. The last state is the model's own answer.
 * @throws ArgumentError for prompts that are padded on the right; text is padded on the left here
 */
export async function logitLens(view: HookedModel, prompts: Prompts, options: LogitLensOptions): Promise<Result> {
  const tokens = view.toTokens(prompts, { paddingSide: 'left' })
  if (tokens.mask && tokens.paddingSide === 'right') {
    throw new ArgumentError("logitLens: the tokens are padded on the right. Make them with paddingSide: 'left'.")
  }
  const answers = view.answerIds('logitLens', options.answer, tokens)
  using cache = view.runWithCache(tokens, { names: /hook_resid_(pre|post)$/, logits: false })
  const { stack, labels } = cache.accumulatedResid({ positions: -1, applyLn: true }) // [C,B,D]
  const logProbs = tf.tidy(() => answerLogProbs(view, stack, answers)) // [C,B]
  stack.dispose()
  const values = Float32Array.from(await logProbs.data())
  logProbs.dispose()
  return new Result({
    kind: 'logit lens',
    title: 'log probability of the answer',
    unit: 'nats',
    values,
    axes: [{ name: 'state', labels }, promptAxis(view, tokens)],
    provenance: await view.provenance(),
  })
}

/** log softmax of states · W_U + b_U, at each prompt's answer: [C,B,D] → [C,B]. */
function answerLogProbs(view: HookedModel, states: tf.Tensor, answers: readonly number[]): tf.Tensor {
  const [count, batch, width] = states.shape as [number, number, number]
  const W_U = view.copyWeight<tf.Tensor2D>('unembed.W_U') // [D,V]
  const logits = tf.matMul(states.reshape<tf.Tensor2D>([-1, width]), W_U).add(view.copyWeight('unembed.b_U'))
  const picked = tf.oneHot(tf.tensor1d([...answers], 'int32'), view.config.dVocab) // [B,V]
  return tf.logSoftmax(logits).reshape([count, batch, -1]).mul(picked).sum(-1)
}

function promptAxis(view: HookedModel, tokens: Tokens) {
  return { name: 'prompt', labels: tokens.rows.map((row, b) => `${b}: ${view.toString(row)}`) }
}
