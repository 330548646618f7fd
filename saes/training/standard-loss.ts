/** The loss of the standard SAE: mean ‖x̂ − x‖² + λ · mean Σ_s f_s ‖W_dec[s]‖, as SAELens 6. */
import * as tf from '@tensorflow/tfjs'
import { backward, encode, fires, reconstruct, rowNorms, type Objective } from './objective.js'

export const standardLoss: Objective = (weights, x, { sparsity }) => {
  const { centred, pre } = encode(weights, x)
  const acts = tf.relu(pre)
  const { error, byRecons, byActs } = reconstruct(weights, x, acts)
  const norms = rowNorms(weights.W_dec) // [S,1]
  const weight = sparsity / x.shape[0]
  const byPre = byActs.add(norms.reshape([1, -1]).mul(weight)).mul<tf.Tensor2D>(fires(pre))
  const gradients = backward(weights, { centred, acts, byPre, byRecons })
  const total = acts.sum(0).reshape<tf.Tensor2D>([-1, 1]) // [S,1]
  const byNorms = weights.W_dec.div(norms).mul(total.mul(weight))
  return {
    gradients: { ...gradients, W_dec: gradients.W_dec.add(byNorms) },
    acts,
    error,
    other: total.mul(norms).sum().mul(weight) as tf.Scalar,
  }
}
