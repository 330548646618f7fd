/** Top logits: recorded tables, and each way out of the model held to its product. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { topLogits } from '../../../analyses/index.js'
import { cell } from '../../../analyses/logit-lens/top-logits-result.js'
import type { HookedModel } from '../../../lib/model.js'
import { loadModel } from '../../../models/load-model.js'
import { loadSae } from '../../../saes/load-sae.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { reference } from '../../support/reference.js'
import { refusalOf } from '../../support/refusal.js'
import { embeddedSae, randomSae } from '../../support/saes.js'

/** Parts of characters, which we show as their bytes, as Python's tokenizers show them. */
const inPython = (text: string): string => text.replace(/(\\x[89a-f][\da-f])+/g, '\ufffd')

describe('top logits', () => {
  let model: HookedModel
  const saes: Sae[] = []
  before(async () => {
    model = await pocket()
    for (const label of [
      'pocket-res/blocks.2.hook_resid_pre',
      'pocket-z/blocks.1.hook_z',
      'pocket-mlp/blocks.3.mlp.hook_post',
    ]) {
      saes.push(await embeddedSae(label))
    }
  })
  after(() => saes.forEach((sae) => sae.dispose()))

  it('are the recorded ones, as text too', async () => {
    const record = await reference('saes')
    const { top_logits: recorded } = record.json['features'] as {
      top_logits: Record<string, Record<string, { top: string[]; bottom: string[] }>>
    }
    const tiny = await loadModel(`${record.folder}/model`)
    try {
      using sae = await loadSae(`${record.folder}/sae_lens_6/standard_resid_pre`)
      const latents = Object.keys(recorded['standard_resid_pre']!).map(Number)
      expect(latents).to.have.length(3)
      const result = await topLogits(tiny.withSaes(sae), { latents })
      for (const { latent, top, bottom } of result.latents) {
        const name = `features/top_logits/standard_resid_pre/${latent}`
        const text = recorded['standard_resid_pre']![latent]!
        expectClose([...top, ...bottom].map(({ logit }) => logit), record.values(`${name}/values`), tolerances.saes) // prettier-ignore
        expect([...top, ...bottom].map(({ id }) => id)).to.deep.equal([...record.values(`${name}/tokens`)])
        expect(top.map(cell).map(inPython)).to.deep.equal(text.top)
        expect(bottom.map(cell).map(inPython)).to.deep.equal(text.bottom)
      }
      expect(result.toTable().columns.map(({ name }) => name).slice(0, 2)).to.deep.equal(['1: most raised', '1: most lowered']) // prettier-ignore
      expect(result.toTable().rows[0]!.slice(0, 2)).to.deep.equal(['1.  went (1.48)', '1. A (-0.80)'])
    } finally {
      tiny.dispose()
    }
  })

  it('of SAEs in attention and MLPs go through W_O and W_out', async () => {
    for (const sae of saes) {
      const result = await topLogits(model.withSaes(sae), { latents: [40, 7], k: 5 })
      const through = [undefined, 'blocks.1.attn.W_O', 'blocks.3.mlp.W_out'][saes.indexOf(sae)]
      for (const { latent, top, bottom } of result.latents) {
        const logits = tf.tidy(() => {
          const row = sae.W_dec.slice([latent, 0], [1, -1])
          const written = through ? tf.matMul(row, model.copyWeight(through).reshape<tf.Tensor2D>([-1, 128])) : row
          return Array.from(tf.matMul(written as tf.Tensor2D, model.copyWeight<tf.Tensor2D>('unembed.W_U')).dataSync())
        })
        const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!)
        expect(top.map(({ id }) => id)).to.deep.equal(order.slice(0, 5))
        expect(bottom.map(({ id }) => id)).to.deep.equal(order.slice(-5).reverse())
        expectClose(top.map(({ logit }) => logit), order.slice(0, 5).map((id) => logits[id]!), tolerances.noise) // prettier-ignore
      }
    }
    const all = await topLogits(model.withSaes(saes[0]!), { k: 1 })
    expect(all.latents.map(({ latent }) => latent)).to.deep.equal([...Array(768).keys()])
  })

  it('refuse what they cannot do', async () => {
    const view = model.withSaes(saes[0]!)
    expect(await refusalOf(() => topLogits(view, { latents: [768] }))).to.include('latent 768: the SAE')
    expect(await refusalOf(() => topLogits(view, { k: 0 }))).to.equal(
      'ArgumentError: topLogits: k is 0. It must be a whole number, at least 1.',
    )
    expect(await refusalOf(() => topLogits(model))).to.include('topLogits: no hook point is named. The view has no SAE')
    using odd = randomSae({ hookName: 'blocks.1.ln1.hook_normalized', dIn: 128 })
    expect(await refusalOf(() => topLogits(model.withSaes(odd, { force: true })))).to.equal(
      "MismatchError: latentLogits: what is written at 'blocks.1.ln1.hook_normalized' has no single way to the logits. Use an SAE of the residual stream, of attention or MLP outputs, of attn.hook_z or of mlp.hook_post.",
    )
  })
})
