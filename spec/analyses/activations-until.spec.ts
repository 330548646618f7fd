/** Activations of a run that ends at the last of them. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { activationsUntil } from '../../analyses/activations-until.js'
import type { HookedModel } from '../../lib/model.js'
import { expectClose } from '../support/close.js'
import { pocket } from '../support/pocket.js'
import { refusalOf } from '../support/refusal.js'
import { embeddedSae } from '../support/saes.js'

describe('activationsUntil', () => {
  let model: HookedModel
  before(async () => void (model = await pocket()))
  const texts = ['Carl and Eva went to the hill', 'Rose gave a hat to']

  it('gives what a cache holds, hooks of the view applied, an SAE at the point not', async () => {
    using sae = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
    const names = ['blocks.2.hook_resid_pre', 'blocks.1.attn.hook_pattern'] as const
    const halved = model.withSaes(sae).withHooks({ [names[0]]: (x: tf.Tensor) => x.mul(0.5) })
    for (const view of [model, model.withSaes(sae), halved]) {
      const tokens = view.toTokens(texts)
      const found = activationsUntil(view, tokens, names)
      using cache = view.runWithCache(tokens, { names, logits: false })
      for (const name of names) expectClose(found[name], cache.get(name), 0, name)
      expect(Object.keys(found)).to.have.members(names)
      tf.dispose(found)
    }
  })

  it('ends in the middle of a block, and leaves nothing behind when the run fails', async () => {
    let behind = 0
    const view = model.withHooks({ 'blocks.1.hook_attn_out': () => void behind++ })
    const tokens = model.toTokens(texts)
    tf.dispose(activationsUntil(view, tokens, ['blocks.1.attn.hook_z']))
    expect(behind).to.equal(0)
    tf.dispose(activationsUntil(view, tokens, ['blocks.1.attn.hook_z', 'blocks.1.hook_resid_mid']))
    expect(behind).to.equal(1)
    const failing = model.withHooks({
      'blocks.1.hook_mlp_out': () => {
        throw new TypeError('no')
      },
    })
    expect(() => activationsUntil(failing, tokens, ['hook_embed', 'blocks.2.hook_resid_pre'])).to.throw(TypeError, 'no')
    expect(await refusalOf(() => activationsUntil(model, tokens, ['blocks.9.hook_resid_pre']))).to.include(
      "no hook point 'blocks.9.hook_resid_pre'",
    )
  })
})
