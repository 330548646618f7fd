/** The losses of top-k SAEs, their gradients against the tape. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { BatchTopKSae, TopKSae, type Sae } from '../../../saes/index.js'
import type { Objective } from '../../../saes/training/objective.js'
import { batchTopKLoss, topKLoss } from '../../../saes/training/topk-loss.js'
import { expectClose, tolerances } from '../../support/close.js'
import { drawn, expectGradients, inputs, k, live, N, onTape, squaredError, withLayer } from '../../support/losses.js'
import { smallConfig } from '../../support/saes.js'

describe('the loss of top-k SAEs', () => {
  it('keeps the k largest of each token; in a batch top-k SAE the k · N largest', () => {
    tf.tidy(() => {
      const [weights, x] = [drawn(), inputs()]
      const check = (sae: Sae, objective: Objective, more: Record<string, tf.Tensor>) =>
        withLayer(sae, { ...weights, ...more }, () => {
          const losses = objective(weights, x, live())
          expectGradients(
            losses,
            onTape(sae, () => squaredError(sae, x)),
          )
          const fire = Array.from(losses.acts.greater(0).sum(1).dataSync())
          if (sae instanceof TopKSae) expect(Math.max(...fire)).to.equal(k)
          else expect(fire.reduce((a, b) => a + b)).to.equal(k * N)
        })
      check(new TopKSae({ config: smallConfig({ architecture: 'topk', k }) }), topKLoss(k, 1), {})
      const config = smallConfig({ architecture: 'batchtopk', k })
      check(new BatchTopKSae({ config }), batchTopKLoss(k, 1), { topk_threshold: tf.scalar(0) })
    })
  })

  it('has dead latents that are to explain what is left over', () => {
    tf.tidy(() => {
      const [weights, x] = [drawn(), inputs()]
      const dead = tf.tensor1d([1, 0, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0])
      for (const [deadCount, scale, kept] of [
        [6, 1, 4],
        [2, 0.5, 2],
      ] as const) {
        const mask = deadCount === 6 ? dead : tf.tensor1d([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        const all = topKLoss(k, 0.3)(weights, x, { sparsity: 0, dead: mask, deadCount })
        const plain = topKLoss(k, 0)(weights, x, { sparsity: 0, dead: mask, deadCount })
        // chosen by hand, on the host
        const pre = tf.matMul(x.sub<tf.Tensor2D>(weights.b_dec), weights.W_enc).add<tf.Tensor2D>(weights.b_enc)
        const isDead = mask.arraySync()
        const chosen = pre.arraySync().map((row) => {
          const order = row
            .map((_, s) => s)
            .filter((s) => isDead[s])
            .sort((a, b) => row[b]! - row[a]!)
          return row.map((_, s) => (order.slice(0, kept).includes(s) ? 1 : 0))
        })
        const [W_enc, b_enc, W_dec] = (['W_enc', 'b_enc', 'W_dec'] as const).map((name) =>
          tf.variable(weights[name] as tf.Tensor),
        ) as [tf.Variable, tf.Variable, tf.Variable]
        const { value, grads } = tf.variableGrads(() => {
          const acts = tf
            .matMul(x.sub<tf.Tensor2D>(weights.b_dec), W_enc as tf.Tensor2D)
            .add(b_enc)
            .mul(tf.tensor2d(chosen))
          const missed = tf.matMul(acts as tf.Tensor2D, W_dec as tf.Tensor2D).add(plain.error)
          return missed
            .square()
            .sum()
            .mul((0.3 * scale) / N)
            .asScalar()
        }, [W_enc, b_enc, W_dec])
        expectClose(all.other, value, tolerances.layer, 'auxiliary loss')
        for (const [name, variable] of [
          ['W_enc', W_enc],
          ['b_enc', b_enc],
          ['W_dec', W_dec],
        ] as const) {
          const added = all.gradients[name].sub(plain.gradients[name])
          expectClose(added, grads[variable.name]!, tolerances.layer, name)
          variable.dispose()
        }
      }
    })
  })
})
