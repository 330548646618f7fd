/** firstNLayers: the first blocks of each family's record, as the whole model has them. */
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { loadModel } from '../../models/load-model.js'
import { expectClose } from '../support/close.js'
import { refusalOf } from '../support/refusal.js'

const records = fileURLToPath(new URL('../reference/models', import.meta.url))
const families = [
  'gpt2',
  'gpt2_sharded',
  'gpt_neo',
  'gpt_neo_bin',
  'gpt_neox',
  'gemma',
  'gemma2',
  'llama',
  'qwen2',
  'solu_2l',
  'attn_only_2l',
]

describe('models/index: firstNLayers', () => {
  for (const family of families) {
    for (const process of [true, false]) {
      it(`${family}${process ? '' : ', unprocessed'}: has the first block alone, and its numbers`, async () => {
        const folder = path.join(records, family)
        using whole = await loadModel(folder, { process })
        using first = await loadModel(folder, { process, firstNLayers: 1 })
        expect([first.config.nLayers, whole.config.nLayers > 1]).to.deep.equal([1, true])
        expect(first.weights.names).to.deep.equal(whole.weights.names.filter((name) => !/^blocks\.[1-9]/.test(name)))
        const names = whole.hookNames.filter((name) => name.startsWith('blocks.0.'))
        expect(first.hookNames.filter((name) => name.startsWith('blocks.'))).to.deep.equal(names)
        const residual = { names: 'blocks.0.hook_resid_post' }
        using ofFirst = first.runWithCache([[3, 1, 4, 1, 5]], residual)
        using ofWhole = whole.runWithCache([[3, 1, 4, 1, 5]], residual)
        expectClose(ofFirst.get('resid_post', 0), ofWhole.get('resid_post', 0), 0)
        expect(ofFirst.logits.shape).to.deep.equal(ofWhole.logits.shape)
      })
    }
  }

  it('of all layers is the whole model', async () => {
    using whole = await loadModel()
    using same = await loadModel('pocket', { firstNLayers: 4 })
    tf.tidy(() => expectClose(same.run('Once upon'), whole.run('Once upon'), 0))
  })

  for (const layers of [0, 5, -1, 1.5, NaN]) {
    it(`refuses ${layers} of 4 layers`, async () => {
      expect(await refusalOf(() => loadModel('pocket', { firstNLayers: layers }))).to.equal(
        `ArgumentError: loadModel: firstNLayers is ${layers}. The model has 4 layers: give a whole number from 1 to 4.`,
      )
    })
  }
})
