/** Next-token losses of a view's runs. B prompts · P positions */
import * as tf from '@tensorflow/tfjs'
import { meanLoss, tokenLosses } from '../ops/loss.js'
import type { Tokens } from '../tokens/tokens.js'
import { checkHasLogits, runTokens, type ViewedModel } from './run-view.js'

/** The mean over real tokens, in nats. @throws ArgumentError for a view that stops */
export async function lossOf(subject: ViewedModel, tokens: Tokens): Promise<number> {
  checkHasLogits('loss', subject.view)
  const mean = tf.tidy(() => meanLoss(runTokens(subject, tokens), tokens))
  const [value] = await mean.data()
  mean.dispose()
  return value!
}

/** Each token's [B,P−1], in nats, padding included. The caller owns it. @throws ArgumentError for a view that stops */
export function tokenLossesOf(subject: ViewedModel, tokens: Tokens): tf.Tensor2D {
  checkHasLogits('lossPerToken', subject.view)
  return tf.tidy(() => tokenLosses(runTokens(subject, tokens), tokens))
}
