/** The loss of standard SAEs, its gradients against the tape. */
import * as tf from '@tensorflow/tfjs'
import { StandardSae } from '../../../saes/index.js'
import { standardLoss } from '../../../saes/training/standard-loss.js'
import { drawn, expectGradients, inputs, live, N, onTape, squaredError, withLayer } from '../../support/losses.js'
import { smallConfig } from '../../support/saes.js'

describe('the loss of standard SAEs', () => {
  it('is the squared error and an L1 weighted by decoder norms', () => {
    tf.tidy(() => {
      const [weights, x] = [drawn(), inputs()]
      withLayer(new StandardSae({ config: smallConfig() }), weights, (sae) => {
        const l1 = () => {
          const pre = tf.matMul(x.sub<tf.Tensor2D>(sae.b_dec), sae.W_enc).add(sae.weight('b_enc'))
          return tf
            .relu(pre)
            .mul(sae.W_dec.square().sum(1).sqrt())
            .sum()
            .mul(0.7 / N)
        }
        expectGradients(
          standardLoss(weights, x, live(0.7)),
          onTape(sae, () => squaredError(sae, x).add(l1())),
        )
      })
    })
  })
})
