/** Runs that give the logits of some tokens and unembed no others. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { ActivationCache } from '../../../lib/residual/activation-cache.js'
import type { HookedModel } from '../../../lib/model.js'
import { expectClose, tolerances } from '../../support/close.js'
import { refusalOf } from '../../support/refusal.js'
import { warmTinyModel } from '../../support/tiny-gpt2.js'

const prompts = [
  [3, 1, 4, 1, 5, 9],
  [22, 0, 7, 7, 18, 2],
]
const ids = [7, 0, 22]

describe('runWithCache with the ids of tokens as logits', () => {
  let tiny: HookedModel
  before(async () => void (tiny = await warmTinyModel()))
  after(() => tiny.dispose())

  function expectColumns(some: ActivationCache, whole: ActivationCache): void {
    expect(some.logits.shape).to.deep.equal([2, 6, ids.length])
    tf.tidy(() => expectClose(some.logits, tf.gather(whole.logits, ids, 2), tolerances.op))
  }

  it('gives their logits alone, in the order asked for, and the same activations', () => {
    using whole = tiny.runWithCache(prompts, { names: /resid_post$|ln_final/ })
    using some = tiny.runWithCache(prompts, { names: /resid_post$|ln_final/, logits: ids })
    expectColumns(some, whole)
    for (const [name, x] of whole.entries()) expect(some.get(name).dataSync(), name).to.deep.equal(x.dataSync())
  })

  it('shows whole logits to whoever watches them', () => {
    const shapes: number[][] = []
    const view = tiny.withHooks({ 'unembed.hook_out': (x: tf.Tensor) => (shapes.push(x.shape), x.mul(2)) })
    using whole = view.runWithCache(prompts, { names: 'unembed.hook_out' })
    using some = view.runWithCache(prompts, { names: 'unembed.hook_out', logits: ids })
    expect(shapes).to.deep.equal([
      [2, 6, 23],
      [2, 6, 23],
    ])
    expect(some.get('unembed.hook_out').shape).to.deep.equal([2, 6, 23])
    expectColumns(some, whole)
  })

  it('refuses ids that are no tokens, none at all, and a view without logits', async () => {
    const refused = (logits: number[], view = tiny) =>
      refusalOf(() => view.runWithCache(prompts, { names: 'hook_embed', logits }))
    for (const id of [23, -1, 0.5, NaN]) {
      expect(await refused([id])).to.equal(
        `TokenError: runWithCache: the token id at position 0 is ${id}. The ids of ${tiny.name} are whole numbers from 0 to 22.`,
      )
    }
    const instead = 'so there are no logits of tokens. Use { logits: false }.'
    expect(await refused([])).to.equal(`ArgumentError: runWithCache: logits is an empty list, ${instead}`)
    expect(await refused([1], tiny.stopAt(1))).to.equal(
      `ArgumentError: runWithCache: this view stops at layer 1, ${instead}`,
    )
  })
})
