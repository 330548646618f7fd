/** Rewrites of weights: the function stays, what the latents mean changes. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { ArgumentError } from '../../lib/errors/errors.js'
import { foldActivationNorm, foldWDecNorm, StandardSae, type Sae } from '../../saes/index.js'
import { expectClose, maxDifference, tolerances } from '../support/close.js'
import { embeddedSae, randomSae, randomTensor, rowsOf } from '../support/saes.js'

const norms = (sae: Sae) => rowsOf(sae.W_dec).map((row) => Math.sqrt(row.reduce((sum, v) => sum + v * v, 0)))

describe('foldWDecNorm', () => {
  it('leaves the function as it is, with decoder rows of norm 1 and activations in the length they write', () => {
    for (const fields of [{}, { normalization: 'layer_norm' }, { hasScalingFactor: true }] as const) {
      using sae = randomSae(fields, 11)
      using folded = foldWDecNorm(sae)
      const before = norms(sae)
      expect(Math.max(...before.map((n) => Math.abs(n - 1))), 'norms that were not 1').to.be.above(0.1)
      expectClose(
        norms(folded),
        before.map(() => 1),
        tolerances.layer,
        'norms',
      )
      tf.tidy(() => {
        const x = randomTensor([5, 8], 2)
        expectClose(folded.apply(x) as tf.Tensor, sae.apply(x) as tf.Tensor, tolerances.layer, JSON.stringify(fields))
        expectClose(folded.encode(x), sae.encode(x).mul(before), tolerances.layer, 'activations')
      })
    }
  })

  it('keeps a latent that writes nothing', () => {
    using sae = randomSae({}, 13)
    tf.tidy(() => {
      const silent = sae.W_dec.mul(tf.tensor2d(Array.from({ length: 12 }, (_, s) => [s === 4 ? 0 : 1])))
      ;(sae.W_dec as unknown as tf.Variable).assign(silent)
      using folded = foldWDecNorm(sae)
      const x = randomTensor([5, 8], 2)
      expectClose(folded.apply(x) as tf.Tensor, sae.apply(x) as tf.Tensor, tolerances.layer)
      expectClose(rowsOf(folded.W_dec)[4]!, new Array<number>(8).fill(0), 0)
    })
  })

  it('gives a new SAE of the same kind, with weights of its own', async () => {
    const sae = await embeddedSae('pocket-res/blocks.1.hook_resid_pre')
    const original = sae.W_enc.clone()
    const folded = foldWDecNorm(sae)
    expect(folded).to.be.instanceOf(StandardSae)
    expect([folded.label, folded.config, folded.logSparsity]).to.deep.equal([sae.label, sae.config, sae.logSparsity])
    expect(maxDifference(sae.W_enc, original)).to.equal(0)
    sae.dispose()
    const twice = foldWDecNorm(folded)
    expectClose(twice.W_dec, folded.W_dec, tolerances.layer, 'folded again')
    folded.dispose()
    twice.dispose()
    original.dispose()
  })
})

describe('foldActivationNorm', () => {
  it('makes the SAE of inputs that were scaled one of inputs as they are', () => {
    const factor = 0.4
    for (const applyBDecToInput of [true, false]) {
      using sae = randomSae({ normalization: 'expected_average_only_in', applyBDecToInput }, 12)
      using folded = foldActivationNorm(sae, factor)
      expect(folded.config).to.deep.equal({ ...sae.config, normalization: 'none' })
      tf.tidy(() => {
        const x = randomTensor([5, 8], 2)
        // latents of x are those of factor · x before; the reconstruction is scaled back
        expectClose(folded.encode(x), sae.encode(x.mul(factor)), tolerances.layer, 'activations')
        const scaledBack = (sae.apply(x.mul(factor)) as tf.Tensor).div(factor)
        expectClose(folded.apply(x) as tf.Tensor, scaledBack, tolerances.layer, 'reconstruction')
        expect(maxDifference(folded.apply(x) as tf.Tensor, sae.apply(x) as tf.Tensor)).to.be.above(0.1)
      })
    }
  })

  it('refuses a factor that is no scale', () => {
    using sae = randomSae()
    for (const factor of [0, -1, NaN, Infinity]) {
      expect(() => foldActivationNorm(sae, factor)).to.throw(
        ArgumentError,
        `foldActivationNorm: the factor is ${factor}. It must be a number above 0.`,
      )
    }
  })
})
