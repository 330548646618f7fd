/** Refactored heads: what they compute stays, and their matrices are singular value decompositions. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { HookedModel } from '../../../lib/model.js'
import { loadModel } from '../../../models/load-model.js'
import { expectClose, tolerances } from '../../support/close.js'
import { refusalOf } from '../../support/refusal.js'

describe('lib/residual/refactor-attention', () => {
  const prompts = [[9, 26, 27, 3, 29, 24, 15, 17]]
  const process = { refactorFactoredAttnMatrices: true }

  for (const folder of ['gpt2', 'gpt_neo', 'solu_2l']) {
    it(`leaves the logits, scores and head results of ${folder} as they are, and turns the rest`, async () => {
      const name = `spec/reference/models/${folder}`
      using plain = await loadModel(name)
      using turned = await loadModel(name, { process })
      expect(turned.processing).to.deep.include({ ...process, foldValueBiases: true })
      const names = ['blocks.1.attn.hook_attn_scores', 'blocks.1.attn.hook_result', 'blocks.1.attn.hook_q']
      using before = plain.runWithCache(prompts, { names })
      using after = turned.runWithCache(prompts, { names })
      expectClose(after.logits, before.logits, tolerances.noise, 'logits')
      for (const same of names.slice(0, 2)) expectClose(after.get(same), before.get(same), tolerances.noise, same)
      const off = tf.tidy(() => after.get(names[2]!).sub(before.get(names[2]!)).abs().max().dataSync()[0]!)
      expect(off).to.be.greaterThan(0.1)
    })
  }

  it('makes queries and keys orthogonal with equal norms, and what values are written to orthonormal', async () => {
    using model = await loadModel('spec/reference/models/gpt2', { process })
    const gram = (view: HookedModel, W: string, b: string | undefined): number[][] =>
      tf.tidy(() => {
        const matrix = view.copyWeight(`blocks.1.attn.${W}`).slice([2, 0, 0], [1, -1, -1]).squeeze<tf.Tensor2D>([0])
        if (b === undefined) return tf.matMul(matrix, matrix, false, true).arraySync() as number[][]
        const rows = tf.concat([matrix, view.copyWeight(`blocks.1.attn.${b}`).slice([2, 0], [1, -1])]) as tf.Tensor2D
        return tf.matMul(rows, rows, true).arraySync() as number[][]
      })
    const [queries, keys, written] = [
      gram(model, 'W_Q', 'b_Q'),
      gram(model, 'W_K', 'b_K'),
      gram(model, 'W_O', undefined),
    ]
    queries.forEach((row, i) =>
      row.forEach((value, j) => {
        expect(value).to.be.closeTo(i === j ? keys[i]![i]! : 0, 1e-4) // float32 of numbers below 20
        expect(written[i]![j]).to.be.closeTo(i === j ? 1 : 0, 1e-5)
      }),
    )
    const falling = queries.map((row, i) => row[i]!)
    expect(falling).to.deep.equal([...falling].sort((a, b) => b - a))
  })

  it('refuses rotary positions, and flags that are none', async () => {
    expect(await refusalOf(() => loadModel('spec/reference/models/llama', { process }))).to.equal(
      'ArgumentError: loadModel: refactorFactoredAttnMatrices turns the dimensions of queries and keys, and spec/reference/models/llama has rotary positions, which act on them. Leave the flag out.',
    )
    const foldLn = 'yes' as unknown as boolean
    expect(await refusalOf(() => loadModel('pocket', { process: { foldLn } }))).to.equal(
      'ArgumentError: loadModel: the flag foldLn is "yes". It must be true or false.',
    )
  })
})
