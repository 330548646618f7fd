/** Gemma 2 against a plain double-precision one: windows, soft-caps, the norms behind attention and MLP. */
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { directLogitAttribution } from '../../analyses/index.js'
import { gemma2 } from '../../models/gemma2.js'
import { loadModel } from '../../models/load-model.js'
import { expectClose, tolerances } from '../support/close.js'
import { decoderLaws, formulaLaws, tinyPlain } from '../support/decoder-laws.js'
import { geluTanh, silu } from '../support/plain-decoder.js'
import { refusalOf } from '../support/refusal.js'
import { tinyDecoder, tinyDecoderConfig } from '../support/tiny-decoder.js'

const plain = {
  ...tinyPlain,
  activation: geluTanh,
  onePlus: true,
  embedScale: Math.sqrt(14),
  postNorms: true,
  window: (layer: number) => (layer % 2 === 0 ? 3 : Infinity),
  divisor: Math.sqrt(11),
  scoresCap: 1.5,
  finalCap: 2.5,
}
const { scoresCap: _, ...withoutScoresCap } = plain
const { finalCap: __, ...withoutFinalCap } = plain
const prompt = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
const globalFirst = ['full_attention', 'sliding_attention', 'sliding_attention']

describe('models/gemma2', () => {
  formulaLaws('gemma2', [
    ['as it is', {}, plain],
    ['with other weights', { seed: 99 }, plain],
    ['with another window', { config: { sliding_window: 2 } }, { ...plain, window: (l) => (l % 2 ? Infinity : 2) }],
    ['with layer_types', { config: { layer_types: globalFirst } }, { ...plain, window: (l) => (l ? 3 : Infinity) }],
    ['with another query scale', { config: { query_pre_attn_scalar: 2 } }, { ...plain, divisor: Math.sqrt(2) }],
    ['with another cap of scores', { config: { attn_logit_softcapping: 0.5 } }, { ...plain, scoresCap: 0.5 }],
    ['without a cap of scores', { config: { attn_logit_softcapping: null } }, withoutScoresCap],
    ['with another cap of logits', { config: { final_logit_softcapping: 1 } }, { ...plain, finalCap: 1 }],
    ['without a cap of logits', { config: { final_logit_softcapping: null } }, withoutFinalCap],
    ['with another activation', { config: { hidden_activation: 'silu' } }, { ...plain, activation: silu }],
  ])
  decoderLaws('gemma2')

  it('looks in local layers, the first among them, exactly at the last `sliding_window` positions', async () => {
    using model = await tinyDecoder('gemma2')
    using cache = model.runWithCache(prompt, { names: /hook_pattern$/ })
    for (const layer of [0, 1, 2]) {
      const pattern = cache.get<tf.Tensor4D>('pattern', layer).arraySync()[0]!
      for (const head of pattern) {
        head.forEach((row, q) =>
          row.forEach((p, k) => {
            const seen = k <= q && (layer === 1 || q - k < 3)
            expect(p > 0, `layer ${layer}, ${q} → ${k}`).to.equal(seen)
          }),
        )
      }
    }
  })

  it('caps scores before the mask, and logits behind unembed.hook_out', async () => {
    using model = await tinyDecoder('gemma2')
    using cache = model.runWithCache(prompt, { names: /hook_(attn_scores|rot_q|rot_k|out)$/ })
    const scores = Array.from(cache.get('attn_scores', 0).dataSync())
    expect(scores.filter((s) => s === -Infinity)).to.have.length(4 * (45 + 28)) // ahead, and behind the window
    const finite = scores.filter(Number.isFinite).map(Math.abs)
    expect(Math.max(...finite)).to.be.within(0.3, 1.5)
    tf.tidy(() => {
      const before = cache.get('unembed.hook_out')
      expect(before.sub(cache.logits).abs().max().dataSync()[0]).to.be.greaterThan(0.3)
      expectClose(before.div(2.5).tanh().mul(2.5), cache.logits, tolerances.op)
    })
  })

  it('is processed without centring, and keeps the norms behind attention and MLP', async () => {
    using model = await tinyDecoder('gemma2')
    expect(model.processing).to.deep.equal({
      foldLn: true,
      centerWritingWeights: false,
      centerUnembed: false,
      foldValueBiases: true,
    })
    const norms = model.weights.names.filter((name) => /ln/.test(name) && name.startsWith('blocks.1.'))
    expect(norms).to.have.members(['blocks.1.ln1_post.w', 'blocks.1.ln2_post.w'])
  })

  it('has heads in front of the norm behind them on request, which do not add up', async () => {
    using model = await tinyDecoder('gemma2')
    using cache = model.runWithCache(prompt)
    tf.tidy(() => {
      const { stack } = cache.stackHeadResults({ layer: 1, beforePostNorm: true })
      const summed = stack.sum(0)
      const norm = summed
        .div(summed.square().mean(-1, true).add(0.01).sqrt())
        .mul(model.copyWeight('blocks.0.ln1_post.w'))
      expectClose(norm, cache.get('attn_out', 0), tolerances.tiny)
      expectClose(cache.stackHeadResults({ layer: 1 }).stack.sum(0), cache.get('attn_out', 0), tolerances.tiny)
      expect(summed.sub(cache.get('attn_out', 0)).abs().max().dataSync()[0]).to.be.greaterThan(0.1)
    })
  })

  it('is attributed up to the cap, with notes that say so', async () => {
    using model = await loadModel(fileURLToPath(new URL('../reference/models/gemma2', import.meta.url)))
    const result = await directLogitAttribution(model, [prompt], { answer: 7, wrong: 2 })
    const [total] = result.extra['total'] as number[]
    expectClose([result.values.reduce((sum, x) => sum + x, 0)], [total!], tolerances.tiny)
    const [before, after] = tf.tidy(() => {
      using cache = model.runWithCache(prompt, { names: 'unembed.hook_out' })
      return [cache.get('unembed.hook_out'), cache.logits].map((x) => {
        const last = x.slice([0, 9, 0], [1, 1, -1]).dataSync()
        return last[7]! - last[2]!
      })
    })
    expectClose([total!], [before!], tolerances.tiny)
    expect(Math.abs(after! - before!)).to.be.greaterThan(0.01)
    expect(result.notes).to.deep.equal([
      'Logits are soft-capped at 2: parts and total are those of the logit before its cap.',
      'Heads pass one more norm: their parts hold for its scale in this run, which depends on all heads of the layer.',
    ])
  })

  describe('config.json', () => {
    const read = (fields: Record<string, unknown>) => gemma2.readConfig({ ...tinyDecoderConfig('gemma2'), ...fields })

    it('starts with a local layer where it has no layer_types', () => {
      expect(read({}).local).to.deep.equal([true, false, true])
      expect(read({ layer_types: globalFirst }).local).to.deep.equal([false, true, true])
    })

    const wrong: [Record<string, unknown>, string][] = [
      [{ layer_types: ['full_attention'] }, 'layer_types is ["full_attention"]'],
      [{ layer_types: ['full_attention', 'sliding', 'full_attention'] }, "'sliding_attention' or 'full_attention'"],
      [{ sliding_window: 0 }, 'sliding_window is 0. It must be a whole number above 0.'],
      [{ final_logit_softcapping: 0 }, 'final_logit_softcapping is 0. It must be a number above 0.'],
      [{ query_pre_attn_scalar: -1 }, 'query_pre_attn_scalar is -1. It must be a number above 0.'],
      [{ hidden_activation: 'gelu_tanh' }, "hidden_activation is 'gelu_tanh', which is not supported."],
    ]
    for (const [fields, words] of wrong) {
      it(`with ${JSON.stringify(fields)} is refused`, async () => {
        expect(await refusalOf(() => read(fields)))
          .to.match(/^ConfigError: config\.json: /)
          .and.to.include(words)
      })
    }
  })
})
