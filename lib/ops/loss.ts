/** Next-token cross-entropy. */
import * as tf from '@tensorflow/tfjs'
import { TokenError } from '../errors.js'
import type { Tokens } from '../tokens/tokens.js'
import { pickColumns } from './pick.js'

/**
 * −log p(next token) at each position but the last: logits [B,P,V] → [B,P−1], in nats.
 * @throws TokenError when no prompt has a second token.
 */
export function tokenLosses(logits: tf.Tensor3D, tokens: Tokens): tf.Tensor2D {
  const [batch, positions, vocab] = logits.shape
  if (positions < 2) throw new TokenError('loss: every prompt is 1 token long. A loss needs a next token to predict.')
  const predicting = logits.slice([0, 0, 0], [batch, positions - 1, vocab]).reshape<tf.Tensor2D>([-1, vocab])
  const next = tokens.rows.flatMap((row) => row.slice(1))
  return tf
    .logSumExp(predicting, 1)
    .sub(pickColumns(predicting, next))
    .reshape([batch, positions - 1])
}

/** The mean of `tokenLosses` where the token and the next are both real, as TransformerLens masks it. A scalar. */
export function meanLoss(logits: tf.Tensor3D, tokens: Tokens): tf.Scalar {
  const losses = tokenLosses(logits, tokens)
  if (!tokens.mask) return losses.mean()
  const real = tokens.mask.map((row) => row.slice(1).map((m, p) => m * row[p]!))
  const weights = tf.tensor2d(real, losses.shape)
  return losses.mul(weights).sum().div(weights.sum())
}
