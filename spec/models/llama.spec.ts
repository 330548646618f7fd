/** Llama against a plain double-precision one, with every field of its config that changes what it computes. */
import { expect } from 'chai'
import { dependsOn as processingShows } from '../../lib/transformer/processing-effects.js'
import { llama } from '../../models/llama.js'
import { decoderLaws, formulaLaws, tinyPlain } from '../support/decoder-laws.js'
import { geluTanh, plainFrequencies, silu } from '../support/plain-decoder.js'
import { refusalOf } from '../support/refusal.js'
import { tinyDecoder, tinyDecoderConfig } from '../support/tiny-decoder.js'

const plain = { ...tinyPlain, activation: silu }
const scaling = {
  rope_type: 'llama3',
  factor: 4,
  low_freq_factor: 1,
  high_freq_factor: 3,
  original_max_position_embeddings: 16,
}

/** The published rule, on wavelengths: long ones are divided, short ones stay, between them the two are mixed. */
function llama3(frequency: number): number {
  const wave = (2 * Math.PI) / frequency
  if (wave < 16 / 3) return frequency
  if (wave > 16 / 1) return frequency / 4
  const smooth = (16 / wave - 1) / (3 - 1)
  return ((1 - smooth) * frequency) / 4 + smooth * frequency
}

describe('models/llama', () => {
  const heads = { num_key_value_heads: 4 }
  const widen = (tensors: Record<string, { shape: number[]; values: Float32Array }>) => {
    for (const [name, tensor] of Object.entries(tensors)) {
      if (!/[kv]_proj/.test(name)) continue
      tensors[name] = {
        shape: [24, 14],
        values: Float32Array.from([...tensor.values, ...tensor.values.slice().reverse()]),
      }
    }
  }
  formulaLaws('llama', [
    ['as it is', {}, plain],
    ['with other weights', { seed: 99 }, plain],
    ['with another rope_theta', { config: { rope_theta: 7 } }, { ...plain, frequencies: plainFrequencies(6, 7) }],
    ['with another epsilon', { config: { rms_norm_eps: 0.5 } }, { ...plain, eps: 0.5 }],
    ['with another activation', { config: { hidden_act: 'gelu_pytorch_tanh' } }, { ...plain, activation: geluTanh }],
    ['with a head of keys for each of queries', { config: heads, edit: widen }, { ...plain, keyValueHeads: 4 }],
    [
      'with the frequencies of Llama 3.1',
      { config: { rope_scaling: scaling } },
      { ...plain, frequencies: plain.frequencies.map(llama3) },
    ],
    [
      'with the newer rope_parameters',
      { config: { rope_theta: undefined, rope_parameters: { ...scaling, rope_theta: 3 } } },
      { ...plain, frequencies: plainFrequencies(6, 3).map(llama3) },
    ],
    [
      'with the embedding for a head',
      { config: { tie_word_embeddings: true }, edit: (tensors) => delete tensors['lm_head.weight'] },
      plain,
    ],
  ])
  decoderLaws('llama')

  it('tells SAEs that no weight processing changes its residual stream, z or MLP', () => {
    for (const flag of ['foldLn', 'centerWritingWeights', 'foldValueBiases', 'centerUnembed'] as const) {
      for (const point of ['hook_resid_pre', 'hook_resid_post', 'attn.hook_z', 'hook_mlp_out', 'mlp.hook_post'])
        expect(dependsOn(flag, `blocks.1.${point}`), `${flag} ${point}`).to.equal(false)
    }
    expect(dependsOn('foldLn', 'unembed.hook_in')).to.equal(true)
    expect(dependsOn('centerUnembed', 'unembed.hook_out')).to.equal(true)
  })

  it('records only the processing that was done', async () => {
    using model = await tinyDecoder('llama')
    expect(model.processing).to.deep.equal({
      foldLn: true,
      centerWritingWeights: false,
      centerUnembed: true,
      foldValueBiases: true,
    })
  })

  describe('config.json', () => {
    const wrong: [Record<string, unknown>, string][] = [
      [{ hidden_size: undefined }, "the field 'hidden_size' is missing. It must be a whole number above 0."],
      [
        { num_key_value_heads: 3 },
        'num_attention_heads 4 is not a multiple of num_key_value_heads 3. Each key/value head must serve equally many heads.',
      ],
      [
        { head_dim: null },
        'hidden_size 14 is not a multiple of num_attention_heads 4. Heads must have equal sizes, or head_dim must say theirs.',
      ],
      [{ head_dim: 5 }, 'heads have 5 dimensions. Rotary positions turn them in pairs: their number must be even.'],
      [{ attention_bias: true }, 'attention_bias is true, which is not supported. It must be false.'],
      [{ mlp_bias: true }, 'mlp_bias is true, which is not supported. It must be false.'],
      [
        { rope_scaling: { type: 'dynamic', factor: 2 } },
        "the rope_scaling is of type 'dynamic', which is not supported. It must be 'default' or 'llama3'.",
      ],
      [
        { rope_scaling: { ...scaling, high_freq_factor: 1 } },
        'rope_scaling has high_freq_factor 1 and low_freq_factor 1. The first must be the larger.',
      ],
      [{ rope_scaling: { ...scaling, factor: 0 } }, 'factor is 0. It must be a number above 0.'],
    ]
    for (const [fields, words] of wrong) {
      it(`with ${JSON.stringify(fields)} is refused`, async () => {
        const read = () => llama.readConfig({ ...tinyDecoderConfig('llama'), ...fields })
        expect(await refusalOf(read))
          .to.match(/^ConfigError: config\.json/)
          .and.to.include(words)
      })
    }
  })

  it('refuses a checkpoint without the head that its config has not tied', async () => {
    const load = () => tinyDecoder('llama', { edit: (tensors) => delete tensors['lm_head.weight'] })
    expect(await refusalOf(load)).to.match(/^FileError: loadModel: the checkpoint has no tensor 'lm_head\.weight'/)
  })
})

function dependsOn(flag: 'foldLn' | 'centerWritingWeights' | 'foldValueBiases' | 'centerUnembed', hook: string) {
  const config = llama.readConfig(tinyDecoderConfig('llama'))
  return processingShows(flag, hook, { config, traits: llama.traits(config) })
}
