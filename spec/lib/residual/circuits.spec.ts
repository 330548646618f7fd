/** Heads as matrices, on the pocket model; the recorded numbers are held by the conformance command. */
import { expect } from 'chai'
import { Matrix } from 'ml-matrix'
import * as tf from '@tensorflow/tfjs'
import { compositionScores, copyingScore, ovCircuit, qkCircuit } from '../../../lib/residual/circuits.js'
import { FactoredMatrix } from '../../../lib/residual/factored-matrix.js'
import type { HookedModel } from '../../../lib/model.js'
import { expectClose, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'

describe('lib/residual/circuits', () => {
  let model: HookedModel
  before(async () => {
    model = await pocket()
  })

  it('are W_V · W_O and W_Q · W_Kᵀ', async () => {
    const head = (name: string) =>
      model.copyWeight(`blocks.2.attn.${name}`).slice([6, 0, 0], [1, -1, -1]).squeeze<tf.Tensor2D>([0])
    const [ov, qk] = tf.tidy(() => [
      tf.matMul(head('W_V'), head('W_O')).dataSync(),
      tf.matMul(head('W_Q'), head('W_K'), false, true).dataSync(),
    ])
    expectClose((await ovCircuit(model, 2, 6)).AB.to1DArray(), ov!, tolerances.layer)
    expectClose((await qkCircuit(model, 2, 6)).AB.to1DArray(), qk!, tolerances.layer)
  })

  it('copy fully when they are a positive multiple of the identity, and the other way round when negative', () => {
    const scaled = (factor: number) => new FactoredMatrix(Matrix.eye(3).mul(factor), Matrix.eye(3))
    expect(copyingScore(scaled(2))).to.be.closeTo(1, 1e-12)
    expect(copyingScore(scaled(-2))).to.be.closeTo(-1, 1e-12)
    expect(copyingScore(scaled(0))).to.equal(0)
  })

  for (const mode of ['Q', 'K', 'V'] as const) {
    it(`compose by the norm of the product (${mode}), with later heads alone`, async () => {
      const scores = await compositionScores(model, mode)
      const writer = await ovCircuit(model, 0, 7)
      const other = await (mode === 'V' ? ovCircuit(model, 1, 4) : qkCircuit(model, 1, 4))
      const reader = mode === 'K' ? other.transpose : other
      const expected = writer.times(reader).norm() / writer.norm() / reader.norm()
      expect(scores.at('L0H7', 'L1H4')).to.be.closeTo(expected, 1e-5) // float32 product of numbers below 1
      expect(scores.at('L1H4', 'L0H7')).to.equal(0)
      expect(scores.at('L1H4', 'L1H5')).to.equal(0)
    })
  }

  it('refuse heads and modes that are not there', async () => {
    expect(await refusalOf(() => ovCircuit(model, 4, 0))).to.equal(
      'ArgumentError: circuit: there is no head [4, 0] in pocket-gpt2. It has layers 0 to 3 with heads 0 to 7.',
    )
    expect(await refusalOf(() => compositionScores(model, 'X' as 'Q'))).to.equal(
      "ArgumentError: compositionScores: the mode is 'X'. It must be 'Q', 'K' or 'V'.",
    )
  })
})
