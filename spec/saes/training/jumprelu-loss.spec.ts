/** The loss of JumpReLU SAEs, its gradients against the tape and the paper's formulas. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { JumpReluSae } from '../../../saes/index.js'
import { jumpReluLoss } from '../../../saes/training/jumprelu-loss.js'
import type { Losses, TrainedWeights } from '../../../saes/training/objective.js'
import { expectClose, tolerances } from '../../support/close.js'
import { drawn, expectGradients, inputs, live, N, onTape, S, squaredError, withLayer } from '../../support/losses.js'
import { randomTensor, smallConfig } from '../../support/saes.js'

describe('the loss of JumpReLU SAEs', () => {
  it('sends gradients of the squared error through what fires, and the rectangle for the threshold', () => {
    const bandwidth = 0.6
    tf.tidy(() => {
      const [weights, x] = [drawn(), inputs()]
      const threshold = randomTensor([S], 77).abs().add<tf.Tensor1D>(0.1)
      const all: TrainedWeights = { ...weights, log_threshold: threshold.log() }
      const sae = new JumpReluSae({ config: smallConfig({ architecture: 'jumprelu' }) })
      withLayer(sae, { ...weights, threshold }, () => {
        const losses = jumpReluLoss(bandwidth, 0)(all, x, live(0.4))
        const fire = losses.acts.greater(0).sum().dataSync()[0]!
        expectClose(losses.other, [(0.4 * fire) / N], tolerances.layer, 'L0')
        const expected = onTape(sae, () => squaredError(sae, x).add((0.4 * fire) / N))
        expectGradients(losses, expected)
        // of the threshold by the paper's formulas, number by number
        const pre = tf
          .matMul(x.sub<tf.Tensor2D>(sae.b_dec), sae.W_enc)
          .add<tf.Tensor2D>(sae.weight('b_enc'))
          .arraySync()
        const byActs = tf.matMul<tf.Tensor2D>(losses.error.mul<tf.Tensor2D>(2 / N), sae.W_dec, false, true).arraySync()
        const theta = Array.from(threshold.dataSync())
        const byLog = theta.map((t, s) => {
          const near = pre.map((row) => (Math.abs(row[s]! - t) < bandwidth / 2 ? 1 : 0))
          const slope = near.reduce<number>((sum, on, n) => sum - (on / bandwidth) * (t * byActs[n]![s]! + 0.4 / N), 0)
          return slope * t
        })
        expect(byLog.filter((v) => v !== 0).length, 'thresholds near an input').to.be.above(5)
        expectClose(losses.gradients.log_threshold!, byLog, tolerances.layer, 'log_threshold')
      })
    })
  })

  it('has dead latents below their threshold pulled up', () => {
    tf.tidy(() => {
      const x = inputs()
      const weights = { ...drawn(), log_threshold: randomTensor([S], 77).abs().add<tf.Tensor1D>(0.1).log() }
      const dead = tf.tensor1d([1, 0, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0])
      const terms = { sparsity: 0, dead, deadCount: 6 }
      const [woken, plain] = [0.5, 0].map((weight) => jumpReluLoss(0.1, weight)(weights, x, terms)) as [Losses, Losses]
      const names = ['W_enc', 'b_enc', 'b_dec', 'log_threshold'] as const
      const variables = names.map((name) => tf.variable(weights[name] as tf.Tensor))
      const norms = weights.W_dec.square().sum(1).sqrt()
      const { value, grads } = tf.variableGrads(() => {
        const [W_enc, b_enc, b_dec, log] = variables as [tf.Variable, tf.Variable, tf.Variable, tf.Variable]
        const pre = tf.matMul(x.sub<tf.Tensor2D>(b_dec), W_enc as unknown as tf.Tensor2D).add(b_enc)
        return tf
          .relu(log.exp().sub(pre))
          .mul(dead.mul(norms))
          .sum()
          .mul(0.5 / N)
          .asScalar()
      }, variables)
      expectClose(woken.other, value, tolerances.layer, 'loss')
      names.forEach((name, i) => {
        const added = woken.gradients[name]!.sub(plain.gradients[name]!)
        expectClose(added, grads[variables[i]!.name]!, tolerances.layer, name)
      })
      expectClose(woken.gradients.W_dec, plain.gradients.W_dec, 0)
      variables.forEach((variable) => variable.dispose())
    })
  })
})
