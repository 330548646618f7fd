/**
 * The loss of top-k SAEs: mean ‖x̂ − x‖², and for dead latents the auxiliary loss of SAELens 6 (after Gao et al. 2024,
 * arXiv:2406.04093): of each token the D/2 largest pre-activations of dead latents, taken as they are, are to explain
 * what x̂ leaves over.
 */
import * as tf from '@tensorflow/tfjs'
import { matMul } from '../../lib/ops/products.js'
import { keepTopK } from '../../lib/ops/top-k.js'
import { backward, encode, fires, reconstruct, type Objective, type Terms } from './objective.js'

/** The k largest of each token. */
export const topKLoss = (k: number, auxiliary: number): Objective =>
  keptLoss((pre) => tf.relu(keepTopK(pre, k)), auxiliary)

/** The k · N largest of the whole batch. Bussmann et al. 2024, arXiv:2412.06410. */
export const batchTopKLoss = (k: number, auxiliary: number): Objective =>
  keptLoss((pre) => keepTopK(tf.relu(pre).reshape([1, pre.size]), k * pre.shape[0]).reshape(pre.shape), auxiliary)

function keptLoss(activation: (pre: tf.Tensor2D) => tf.Tensor, auxiliary: number): Objective {
  return (weights, x, terms) => {
    const { centred, pre } = encode(weights, x)
    const acts = activation(pre) as tf.Tensor2D
    const { error, byRecons, byActs } = reconstruct(weights, x, acts)
    const byPre = byActs.mul<tf.Tensor2D>(fires(acts))
    const flow = { centred, acts, byPre, byRecons }
    if (terms.deadCount === 0 || auxiliary === 0) {
      return { gradients: backward(weights, flow), acts, error, other: tf.scalar(0) }
    }
    const wake = auxiliaryLoss({ W_dec: weights.W_dec, pre, error }, terms, auxiliary)
    const gradients = backward(weights, { ...flow, byPre: byPre.add(wake.byPre) })
    return { gradients: { ...gradients, W_dec: gradients.W_dec.add(wake.W_dec) }, acts, error, other: wake.loss }
  }
}

/** Far below any pre-activation, so that latents that live are never among the largest. */
const FAR_BELOW = 1e30

/** What x̂ leaves over, and what dead latents could explain it with. */
interface LeftOver {
  /** [S,D] */
  readonly W_dec: tf.Tensor2D
  /** [N,S] */
  readonly pre: tf.Tensor2D
  /** x̂ − x [N,D], a constant */
  readonly error: tf.Tensor2D
}

/** The loss, and its gradients by pre-activations and decoder. */
function auxiliaryLoss({ W_dec, pre, error }: LeftOver, { dead, deadCount }: Terms, auxiliary: number) {
  const [count, width] = error.shape
  const wanted = Math.floor(width / 2)
  const weight = auxiliary * Math.min(deadCount / wanted, 1)
  const ofDead = pre.mul(dead).sub<tf.Tensor2D>(tf.sub(1, dead).mul(FAR_BELOW))
  const acts = keepTopK(ofDead, Math.min(wanted, deadCount)) as tf.Tensor2D
  const missed = matMul(acts, W_dec).add<tf.Tensor2D>(error) // x − x̂ is −error
  const byRecons = missed.mul<tf.Tensor2D>((2 * weight) / count)
  const byPre = matMul(byRecons, tf.transpose(W_dec)).mul(acts.notEqual(0).cast('float32'))
  return {
    byPre,
    W_dec: matMul(tf.transpose(acts), byRecons),
    loss: missed
      .square()
      .sum()
      .mul<tf.Scalar>(weight / count),
  }
}
