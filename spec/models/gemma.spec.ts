/** Gemma against a plain double-precision one: 1 + w, the scaled embedding, its activation. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { gelu } from '../../lib/ops/activations.js'
import { roundedTo } from '../../lib/weights/formats/dtypes.js'
import { gemma } from '../../models/gemma.js'
import { expectClose } from '../support/close.js'
import { decoderLaws, formulaLaws, tinyPlain } from '../support/decoder-laws.js'
import { geluTanh, silu } from '../support/plain-decoder.js'
import { refusalOf } from '../support/refusal.js'
import { tinyDecoder, tinyDecoderConfig } from '../support/tiny-decoder.js'

const plain = { ...tinyPlain, activation: geluTanh, onePlus: true, embedScale: Math.sqrt(14) }

describe('models/gemma', () => {
  formulaLaws('gemma', [
    ['as it is', {}, plain],
    ['with other weights', { seed: 99 }, plain],
    ['with another epsilon', { config: { rms_norm_eps: 0.5 } }, { ...plain, eps: 0.5 }],
    ['with another activation', { config: { hidden_activation: 'silu' } }, { ...plain, activation: silu }],
  ])
  decoderLaws('gemma')

  const choices: [Record<string, unknown>, string][] = [
    [{}, 'gelu_pytorch_tanh'],
    [{ hidden_act: 'gelu' }, 'gelu_pytorch_tanh'], // as released first, and mended in Hugging Face
    [{ hidden_act: 'silu' }, 'silu'],
    [{ hidden_activation: 'gelu' }, 'gelu'],
    [{ hidden_act: 'gelu', hidden_activation: null }, 'gelu_pytorch_tanh'],
    [{ hidden_act: 'gelu', hidden_activation: 'gelu_new' }, 'gelu_new'],
  ]
  for (const [fields, activation] of choices) {
    it(`takes ${activation} from ${JSON.stringify(fields)}`, () => {
      const config = { ...tinyDecoderConfig('gemma'), hidden_activation: undefined, ...fields }
      expect(gemma.readConfig(config).activation).to.equal(activation)
    })
  }

  it('tells the erf gelu from the tanh one', async () => {
    using tanh = await tinyDecoder('gemma')
    using erf = await tinyDecoder('gemma', { config: { hidden_activation: 'gelu' } })
    using cache = erf.runWithCache([1, 2, 3], { names: /blocks\.0\.mlp\.hook_/ })
    tf.tidy(() => {
      expectClose(gelu(cache.get('pre', 0)).mul(cache.get('pre_linear', 0)), cache.get('post', 0), 0)
      const off = tanh
        .run([1, 2, 3])
        .sub(erf.run([1, 2, 3]))
        .abs()
        .max()
        .dataSync()[0]
      expect(off).to.be.greaterThan(1e-4)
    })
  })

  it('scales the embedding and not the unembedding', async () => {
    using model = await tinyDecoder('gemma', { process: false })
    tf.tidy(() => {
      const W_E = model.copyWeight('embed.W_E')
      expectClose(model.copyWeight('unembed.W_U').transpose().mul(Math.sqrt(14)), W_E, 1e-6)
    })
  })

  it('rounds the factor to the checkpoint’s number type', () => {
    // √2048 = 45.2548…, √3584 = 59.8665… and √4608 = 67.8822… as torch.tensor(…, dtype=torch.bfloat16) and float16 have them
    expect([2304, 2048, 3584, 4608].map((d) => roundedTo('BF16', Math.sqrt(d)))).to.deep.equal([48, 45.25, 59.75, 68])
    expect(roundedTo('F16', Math.sqrt(2048))).to.equal(45.25)
    expect(roundedTo('F16', Math.sqrt(3584))).to.equal(59.875)
    expect(roundedTo('F32', Math.sqrt(2048))).to.equal(Math.fround(Math.sqrt(2048)))
    expect([257, 259].map((x) => roundedTo('BF16', x))).to.deep.equal([256, 260]) // ties go to the even one
  })

  it('refuses biases', async () => {
    const read = () => gemma.readConfig({ ...tinyDecoderConfig('gemma'), attention_bias: true })
    expect(await refusalOf(read)).to.equal(
      'ConfigError: config.json: attention_bias is true, which is not supported. It must be false.',
    )
  })
})
