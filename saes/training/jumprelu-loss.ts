/**
 * The loss of the JumpReLU SAE: mean ‖x̂ − x‖² + λ · mean number of latents that fire. Steps have no slope, so their
 * gradients by the threshold are those of a rectangle of width ε around it (Rajamanoharan et al. 2024,
 * arXiv:2407.14435): ∂f/∂θ = −θ/ε and ∂[pre > θ]/∂θ = −1/ε where |pre − θ| < ε/2, else 0. The threshold is kept as its
 * logarithm.
 */
import type * as tf from '@tensorflow/tfjs'
import { backward, encode, reconstruct, rowNorms, type Objective } from './objective.js'

/**
 * @param bandwidth ε
 * @param preActivation weight of mean Σ relu(θ − pre) ‖W_dec‖ over dead latents, which wakes them; the norm is a
 *   constant
 */
export function jumpReluLoss(bandwidth: number, preActivation: number): Objective {
  return (weights, x, { sparsity, dead, deadCount }) => {
    const count = x.shape[0]
    const threshold = weights.log_threshold!.exp() // [S]; every JumpReLU SAE has it
    const { centred, pre } = encode(weights, x)
    const above = pre.sub(threshold) // [N,S]
    const fire = above.greater(0).cast('float32')
    const acts = pre.mul<tf.Tensor2D>(fire)
    const { error, byRecons, byActs } = reconstruct(weights, x, acts)
    const near = isNear(above, bandwidth / 2)
    const slope = byActs
      .mul(threshold)
      .add(sparsity / count)
      .mul(near)
      .sum<tf.Tensor1D>(0) // [S]
    let byThreshold = slope.mul<tf.Tensor1D>(-1 / bandwidth)
    let byPre = byActs.mul<tf.Tensor2D>(fire)
    let other = fire.sum<tf.Scalar>().mul<tf.Scalar>(sparsity / count)
    if (preActivation > 0 && deadCount > 0) {
      const weight = dead.mul(rowNorms(weights.W_dec).flatten()).mul(preActivation / count) // [S]
      const below = above.less(0).cast('float32').mul(weight) // [N,S]
      byPre = byPre.sub(below)
      byThreshold = byThreshold.add(below.sum(0))
      other = other.sub(above.mul(below).sum())
    }
    const gradients = backward(weights, { centred, acts, byPre, byRecons })
    return { gradients: { ...gradients, log_threshold: byThreshold.mul(threshold) }, acts, error, other }
  }
}

/** 1 where |x| < distance, else 0. */
const isNear = (x: tf.Tensor, distance: number): tf.Tensor => x.abs().less(distance).cast('float32')
