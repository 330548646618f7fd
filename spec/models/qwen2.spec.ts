/** Qwen2 against a plain double-precision one, and what its value biases mean for processing. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { hookPoints } from '../../lib/transformer/hook-points.js'
import { dependsOn } from '../../lib/transformer/processing-effects.js'
import { qwen2 } from '../../models/qwen2.js'
import { expectClose, tolerances } from '../support/close.js'
import { decoderLaws, formulaLaws, tinyPlain } from '../support/decoder-laws.js'
import { plainFrequencies, silu } from '../support/plain-decoder.js'
import { refusalOf } from '../support/refusal.js'
import { tinyDecoder, tinyDecoderConfig, tinyDecoderTensors } from '../support/tiny-decoder.js'
import type { TensorRecord } from '../support/tiny-gpt2.js'

const plain = { ...tinyPlain, activation: silu }
const prompt = [3, 1, 4, 1, 5, 9]

describe('models/qwen2', () => {
  const withHead = (tensors: TensorRecord) => {
    tensors['lm_head.weight'] = tinyDecoderTensors('llama')['lm_head.weight']!
  }
  formulaLaws('qwen2', [
    ['as it is', {}, plain],
    ['with other weights', { seed: 99 }, plain],
    ['with another rope_theta', { config: { rope_theta: 1e6 } }, { ...plain, frequencies: plainFrequencies(6, 1e6) }],
    ['with a head of its own', { config: { tie_word_embeddings: false }, edit: withHead }, plain],
    ['without biases', { edit: zeroBiases }, plain],
  ])
  decoderLaws('qwen2')

  it('folds value biases through the heads that share them: v loses b_V, the residual stream stays', async () => {
    using raw = await tinyDecoder('qwen2', { process: false })
    using folded = await tinyDecoder('qwen2', { process: { foldLn: false, centerUnembed: false } })
    using rawCache = raw.runWithCache(prompt)
    using cache = folded.runWithCache(prompt)
    tf.tidy(() => {
      const bias = raw.copyWeight('blocks.1.attn._b_V') // [G,K]
      expect(bias.abs().max().dataSync()[0]).to.be.greaterThan(0.1)
      expectClose(cache.get('v', 1).add(bias), rawCache.get('v', 1), tolerances.tiny)
      expectClose(cache.get('z', 1).add(raw.copyWeight('blocks.1.attn.b_V')), rawCache.get('z', 1), tolerances.tiny)
      expectClose(cache.get('resid_post', -1), rawCache.get('resid_post', -1), tolerances.tiny)
      expectClose(folded.copyWeight('blocks.1.attn.b_V'), new Float32Array(24), 0)
      expect(folded.copyWeight('blocks.1.attn.b_O').abs().max().dataSync()[0]).to.be.greaterThan(0.1)
    })
  })

  it('tells SAEs that value biases change v, z and results, and nothing else', () => {
    const config = qwen2.readConfig(tinyDecoderConfig('qwen2'))
    const traits = qwen2.traits(config)
    const names = hookPoints(config, traits).map((p) => p.name.replace(/^blocks\.\d\./, ''))
    const changed = names.filter((name) => dependsOn('foldValueBiases', `blocks.0.${name}`, { config, traits }))
    expect([...new Set(changed)]).to.deep.equal(['attn.hook_v', 'attn.hook_z', 'attn.hook_result'])
  })

  it('refuses a sliding window', async () => {
    const read = () => qwen2.readConfig({ ...tinyDecoderConfig('qwen2'), use_sliding_window: true })
    expect(await refusalOf(read)).to.equal(
      'ConfigError: config.json: use_sliding_window is true, which is not supported. It must be false.',
    )
  })

  it('refuses a checkpoint whose biases are missing', async () => {
    const edit = (tensors: TensorRecord) => delete tensors['model.layers.2.self_attn.v_proj.bias']
    expect(await refusalOf(() => tinyDecoder('qwen2', { edit }))).to.match(
      /^FileError: loadModel: the checkpoint has no tensor 'model\.layers\.2\.self_attn\.v_proj\.bias'/,
    )
  })
})

function zeroBiases(tensors: TensorRecord): void {
  for (const [name, { values }] of Object.entries(tensors)) if (name.endsWith('.bias')) values.fill(0)
}
