/** Next-token cross-entropy. */
import * as tf from '@tensorflow/tfjs'
import { TokenError } from '../errors/errors.js'
import { pickColumns } from './pick.js'

/** Token ids [B][P], and which of them are real: `Tokens` is one. */
interface Rows {
  readonly rows: readonly (readonly number[])[]
  /** 1 real, 0 padding. @default all are real */
  readonly mask?: readonly (readonly number[])[] | undefined
}

/** How many logits are looked at together: a softmax goes over them several times, and so few stay in the cache. */
const AT_ONCE = 2 ** 22

/**
 * −log p(next token) at each position but the last: logits [B,P,V] → [B,P−1], in nats. Some prompts at a time, so that
 * it takes little memory beside the logits; its gradient takes theirs once more.
 * @throws TokenError when no prompt has a second token.
 */
export function tokenLosses(logits: tf.Tensor3D, tokens: Rows): tf.Tensor2D {
  if (logits.shape[1] < 2)
    throw new TokenError('loss: every prompt is 1 token long. A loss needs a next token to predict.')
  const next = tokens.rows.map((row) => row.slice(1))
  return tf.customGrad((input, save) => {
    ;(save as tf.GradSaveFunc)([input as tf.Tensor])
    return {
      value: losses(input as tf.Tensor3D, next),
      gradFunc: (dy, saved) => slopes((saved as [tf.Tensor3D])[0], next, dy as tf.Tensor2D),
    }
  })(logits) as tf.Tensor2D
}

function losses(logits: tf.Tensor3D, next: readonly number[][]): tf.Tensor {
  return byPrompts(logits, next, (predicting, ids, { length }) =>
    tf.logSumExp(predicting, 1).sub(pickColumns(predicting, ids)).reshape([length, -1]),
  )
}

/** dy · (p − 1 at the next token), zeros at the last position, [B,P,V]. */
function slopes(logits: tf.Tensor3D, next: readonly number[][], dy: tf.Tensor2D): tf.Tensor {
  return byPrompts(logits, next, (predicting, ids, { first, length }) => {
    const [rows, vocab] = predicting.shape
    const excess = predicting.softmax().sub(tf.oneHot(tf.tensor1d(ids, 'int32'), vocab))
    const weighted = excess.mul(dy.slice([first, 0], [length, -1]).reshape([rows, 1])).reshape([length, -1, vocab])
    return tf.concat([weighted, tf.zeros([length, 1, vocab])], 1)
  })
}

/** Of some prompts each time: their logits that predict a token, [n·(P−1),V], and those tokens. Joined over the prompts. */
function byPrompts(
  logits: tf.Tensor3D,
  next: readonly number[][],
  of: (predicting: tf.Tensor2D, ids: number[], prompts: { first: number; length: number }) => tf.Tensor,
): tf.Tensor {
  const [batch, positions, vocab] = logits.shape
  const count = Math.max(1, Math.floor(AT_ONCE / (positions * vocab)))
  return tf.tidy(() => {
    const parts: tf.Tensor[] = []
    for (let first = 0; first < batch; first += count) {
      const length = Math.min(count, batch - first)
      const predicting = () => logits.slice([first, 0, 0], [length, positions - 1, vocab])
      const ids = next.slice(first, first + length).flat()
      parts.push(tf.tidy(() => of(predicting().reshape([-1, vocab]), ids, { first, length })))
    }
    return tf.concat(parts)
  })
}

/** The mean of `tokenLosses` where the token and the next are both real, as TransformerLens masks it. A scalar. */
export function meanLoss(logits: tf.Tensor3D, tokens: Rows): tf.Scalar {
  const losses = tokenLosses(logits, tokens)
  if (!tokens.mask) return losses.mean()
  const real = tokens.mask.map((row) => row.slice(1).map((m, p) => m * row[p]!))
  const weights = tf.tensor2d(real, losses.shape)
  return losses.mul(weights).sum().div(weights.sum())
}
