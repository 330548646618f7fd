/** Generation: the laws that tie it to plain runs, and what it refuses. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { HookedModel } from '../../../lib/model.js'
import { loadSae } from '../../../saes/load-sae.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'

describe('lib/generation/generation', () => {
  let model: HookedModel
  let sae: Sae
  const prompts = ['Once upon a time there was', 'Anna said, "I', 'Ben']
  const greedy = { sample: false, stopAtEos: false } as const

  before(async () => {
    model = await pocket()
    sae = await loadSae('pocket-res', 'blocks.2.hook_resid_pre')
  })
  after(() => sae.dispose())

  it('greedy tokens are the argmax of plain runs over what came before, padded or not', async () => {
    const together = await model.generate(prompts, { ...greedy, maxNewTokens: 6 })
    for (const [b, prompt] of prompts.entries()) {
      let ids = [...model.toTokens(prompt).rows[0]!]
      for (let n = 0; n < 6; n++) {
        const next = tf.tidy(
          () =>
            model
              .run(ids)
              .slice([0, ids.length - 1], [1, 1])
              .argMax(-1)
              .dataSync()[0]!,
        )
        ids = [...ids, next]
      }
      expect(together.newIds[b], prompt).to.deep.equal(ids.slice(-6))
      expect(together.texts[b]).to.equal(model.toString(ids.slice(-6)))
    }
  })

  it('is the same without the cache of keys and values, and with hooks and an SAE active', async () => {
    const halved = (x: tf.Tensor) => x.mul(0.5)
    const view = model.withSaes(sae).withHooks({ 'blocks.1.attn.hook_z': halved })
    const [cached, plain] = [
      await view.generate(prompts, { ...greedy, maxNewTokens: 8 }),
      await view.generate(prompts, { ...greedy, maxNewTokens: 8, useCache: false }),
    ]
    expect(cached.newIds).to.deep.equal(plain.newIds)
    const without = await model.generate(prompts, { ...greedy, maxNewTokens: 8 })
    expect(cached.newIds).to.not.deep.equal(without.newIds)
  })

  it('keeps the activations and logits that a plain run of the whole gives', async () => {
    const names = ['blocks.1.hook_resid_post', 'blocks.3.attn.hook_z', 'blocks.2.hook_resid_pre.hook_sae_acts_post']
    const view = model.withSaes(sae)
    using generation = await view.generate(prompts, { ...greedy, maxNewTokens: 5, names, logits: true })
    using whole = view.runWithCache(generation.cache!.tokens, { names })
    expect(generation.cache!.names.sort()).to.deep.equal([...names].sort())
    // padding is computed otherwise by the two (a padded key is masked, its own activation means nothing)
    const real = whole.tokens.maskTensor()!
    for (const name of names) {
      const both = [generation.cache!, whole].map((cache) =>
        tf.tidy(() => {
          const x = cache.get(name)
          return x.mul(real.reshape([x.shape[0]!, x.shape[1]!, ...x.shape.slice(2).map(() => 1)]))
        }),
      )
      expectClose(both[0]!, both[1]!, tolerances.noise, name)
      tf.dispose(both)
    }
    const last = tf.tidy(() => whole.logits.slice([0, whole.tokens.positions - 5, 0], [-1, 5, -1]))
    expectClose(generation.logits!, last, tolerances.noise, 'logits')
    tf.dispose([real, last])
  })

  it('streams the steps of what generate returns', async () => {
    const options = { maxNewTokens: 7, seed: 4, topK: 5, stopAtEos: false }
    const whole = await model.generate(prompts[0]!, options)
    const ids: number[] = []
    let text = ''
    for await (const step of model.stream(prompts[0]!, options)) {
      ids.push(step.ids[0]!)
      text += step.text[0]!
    }
    expect(ids).to.deep.equal(whole.newIds[0])
    expect(text).to.equal(whole.texts[0])
  })

  it('leaves nothing behind when the reader stops early', async () => {
    for await (const step of model.stream(prompts, { maxNewTokens: 5 })) if (step.ids.length > 0) break
  })

  it('draws the same for a seed, and otherwise for another', async () => {
    const run = async (seed: number) => (await model.generate(prompts[0]!, { maxNewTokens: 12, seed })).newIds[0]
    expect(await run(1)).to.deep.equal(await run(1))
    expect(await run(1)).to.not.deep.equal(await run(2))
  })

  it('ends a row at the end-of-sequence token and fills it up with it', async () => {
    const plain = await model.generate(prompts, { ...greedy, maxNewTokens: 6 })
    const eosId = plain.newIds[1]![2]!
    const firstEnd = plain.newIds.map((ids) => ids.indexOf(eosId))
    const stopped = await model.generate(prompts, { sample: false, maxNewTokens: 6, eosId })
    stopped.newIds.forEach((ids, b) => {
      const end = firstEnd[b]! < 0 ? ids.length : firstEnd[b]!
      expect(ids.slice(0, end + 1)).to.deep.equal(plain.newIds[b]!.slice(0, end + 1))
      expect(ids.slice(end + 1).every((id) => id === eosId)).to.equal(true)
      expect(stopped.texts[b]).to.equal(model.toString(ids.slice(0, end)))
    })
  })

  it('refuses what cannot be generated, before any run', async () => {
    const refusal = (options: object, prompt: string | number[] = 'Ben') =>
      refusalOf(() => model.generate(prompt, options))
    expect(await refusal({ maxNewTokens: 0 })).to.equal(
      'ArgumentError: generate: maxNewTokens is 0. It must be a whole number from 1.',
    )
    expect(await refusal({ maxNewTokens: 255 })).to.equal(
      'TokenError: generate: 2 tokens of prompt and 255 new ones do not fit into the context of pocket-gpt2, 256. Shorten the prompt or generate less.',
    )
    expect(await refusal({ names: /hook_pattern$/ })).to.equal(
      "ArgumentError: generate: 'blocks.0.attn.hook_pattern' has another number of keys at each step. Run the generated tokens with runWithCache to see it.",
    )
    expect(await refusal({ names: 'hook_embed', useCache: false })).to.equal(
      'ArgumentError: generate: names need useCache. Leave useCache out to keep activations.',
    )
    expect(await refusal({ names: 'hook_embd' })).to.match(/Did you mean 'hook_embed'\?$/)
    const padded = model.toTokens(['Ben', 'Ben and Anna'], { paddingSide: 'right' })
    expect(await refusalOf(() => model.generate(padded))).to.equal(
      'TokenError: generate: the prompts are padded on the right, where the new tokens go. Pad them on the left.',
    )
    expect(await refusalOf(() => model.stopAt(2).generate('Ben'))).to.equal(
      'ArgumentError: generate: this view stops at layer 2 and has no logits. Use a view that does not stop.',
    )
  })
})
