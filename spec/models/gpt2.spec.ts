/** GPT-2 against a plain double-precision one, with every field of its config that changes what it computes. */
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { HookedModel } from '../../lib/model.js'
import { gpt2 } from '../../models/gpt2.js'
import { loadModel } from '../../models/load-model.js'
import { expectClose, tolerances } from '../support/close.js'
import { plainGpt2, type PlainOptions } from '../support/plain-gpt2.js'
import { reference } from '../support/reference.js'
import { refusalOf } from '../support/refusal.js'
import { normalTensor } from '../support/slope.js'
import { tinyConfig, tinyModel, tinyTensors, type TensorRecord, type TinyOptions } from '../support/tiny-gpt2.js'

const prompt = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
const records = fileURLToPath(new URL('../reference/models/', import.meta.url))

/** Log probabilities, which processing leaves as they are. */
const logProbs = (logits: tf.Tensor) => tf.logSoftmax(logits)

describe('models/gpt2', () => {
  const V = tinyConfig.vocab_size
  const withHead = (tensors: TensorRecord) => {
    tensors['lm_head.weight'] = { shape: [V, 12], values: normalTensorValues([V, 12]) }
  }
  const cases: [string, TinyOptions, Partial<PlainOptions>][] = [
    ['as it is', {}, {}],
    ['with other weights', { seed: 99 }, {}],
    ['with another epsilon', { config: { layer_norm_epsilon: 0.1 } }, { eps: 0.1 }],
    ['with gelu_pytorch_tanh, the same function', { config: { activation_function: 'gelu_pytorch_tanh' } }, {}],
    [
      'with scores divided by the layer’s number',
      { config: { scale_attn_by_inverse_layer_idx: true } },
      { byInverseLayer: true },
    ],
    ['with scores as they are', { config: { scale_attn_weights: false } }, { scaleScores: false }],
    ['with a head of its own', { edit: withHead }, {}],
  ]
  for (const [what, options, plain] of cases) {
    for (const process of [false, true]) {
      it(`computes what its formulas say ${what}, ${process ? '' : 'un'}processed`, async () => {
        const tensors = tinyTensors(options.seed)
        options.edit?.(tensors)
        const expected = plainGpt2(tensors, prompt, { heads: 3, layers: 2, ...plain })
        using model = await tinyModel({ ...options, process })
        tf.tidy(() => {
          const logits = model.run(prompt)
          if (!process) expectClose(logits, expected.flat(), tolerances.tiny)
          expectClose(logProbs(logits), logProbs(tf.tensor3d([expected])), tolerances.tiny)
        })
      })
    }
  }

  it('differs where the config does, so that the laws above say something', async () => {
    const run = (config: PlainOptions) => plainGpt2(tinyTensors(), prompt, config).at(-1)![0]!
    const plain = { heads: 3, layers: 2 }
    const values = [
      plain,
      { ...plain, eps: 0.1 },
      { ...plain, byInverseLayer: true },
      { ...plain, scaleScores: false },
    ].map(run)
    for (let i = 1; i < values.length; i++) expect(Math.abs(values[i]! - values[0]!)).to.be.greaterThan(0.01)
  })

  it('takes names without the prefix and stored masks, as the hub’s own gpt2 has them', async () => {
    const hubNames = (tensors: TensorRecord) => {
      for (const [name, tensor] of Object.entries(tensors)) {
        delete tensors[name]
        tensors[name.replace('transformer.', '')] = tensor
      }
      for (const l of [0, 1]) {
        tensors[`h.${l}.attn.bias`] = { shape: [1, 1, 10, 10], values: new Float32Array(100).fill(1) }
        tensors[`h.${l}.attn.masked_bias`] = { shape: [], values: Float32Array.of(-1e4) }
      }
    }
    using plain = await tinyModel()
    using renamed = await tinyModel({ edit: hubNames })
    tf.tidy(() => expectClose(renamed.run(prompt), plain.run(prompt), 0))
  })

  it('takes the numbers of four times d_model where n_inner is null or missing', async () => {
    const widen = (tensors: TensorRecord) => {
      for (const l of [0, 1]) {
        tensors[`transformer.h.${l}.mlp.c_fc.weight`] = { shape: [12, 48], values: normalTensorValues([12, 48]) }
        tensors[`transformer.h.${l}.mlp.c_fc.bias`] = { shape: [48], values: new Float32Array(48) }
        tensors[`transformer.h.${l}.mlp.c_proj.weight`] = { shape: [48, 12], values: normalTensorValues([48, 12]) }
      }
    }
    for (const n_inner of [null, undefined]) {
      using model = await tinyModel({ config: { n_inner }, edit: widen })
      expect(model.config.dMlp).to.equal(48)
    }
  })

  for (const folder of ['gpt2', 'gpt2_sharded']) {
    it(`gives the recorded logits of ${folder}, processed and not`, async () => {
      const record = await reference(`models/${folder}`)
      const atol = (name: string) => (record.json['tensors'] as Record<string, { atol: number }>)[name]!.atol
      const batch = record.json['batch_tokens'] as number[][]
      const load = (process: boolean): Promise<HookedModel> => loadModel(record.folder, { process })
      using raw = await load(false)
      using processed = await load(true)
      tf.tidy(() => {
        expectClose(raw.run(batch), record.values('hf/logits'), atol('hf/logits'))
        expectClose(processed.run(batch), record.values('tl/logits'), atol('tl/logits'))
      })
    })
  }

  it('gives the same numbers under the hub’s own names', async () => {
    using gpt = await loadModel(path.join(records, 'gpt2'))
    using hub = await loadModel(path.join(records, 'gpt2_hub_names'))
    tf.tidy(() => expectClose(hub.run([[1, 2, 3]]), gpt.run([[1, 2, 3]]), 0))
  })

  describe('config.json', () => {
    const read = (fields: Record<string, unknown>) => gpt2.readConfig({ ...tinyConfig, ...fields })

    it('is read into sizes', () => {
      expect(read({})).to.deep.include({
        modelType: 'gpt2',
        nLayers: 2,
        dModel: 12,
        nHeads: 3,
        dHead: 4,
        dMlp: 20,
        nCtx: 10,
        dVocab: 23,
        eps: 1e-5,
        normalization: 'LN',
        scaleByInverseLayer: false,
        scaleScores: true,
      })
    })

    for (const field of ['n_embd', 'n_head', 'n_layer', 'vocab_size']) {
      it(`without ${field} is refused`, async () => {
        expect(await refusalOf(() => read({ [field]: undefined }))).to.match(
          new RegExp(
            `^ConfigError: config\\.json: the field '${field}' is missing\\. It must be a whole number above 0\\.`,
          ),
        )
      })
    }

    const wrong: [string, unknown, string][] = [
      ['n_layer', '2', 'n_layer is "2". It must be a whole number above 0.'],
      ['n_layer', 0, 'n_layer is 0. It must be a whole number above 0.'],
      ['n_embd', 12.5, 'n_embd is 12.5. It must be a whole number above 0.'],
      ['n_head', -3, 'n_head is -3. It must be a whole number above 0.'],
      ['n_head', 5, 'n_embd 12 is not a multiple of n_head 5. Heads must have equal sizes.'],
      ['n_inner', 0, 'n_inner is 0. It must be a whole number above 0.'],
      ['n_positions', 2 ** 40, 'n_positions is 1099511627776. It must be a whole number above 0.'],
      ['vocab_size', [23], 'vocab_size is [23]. It must be a whole number above 0.'],
      ['layer_norm_epsilon', 0, 'layer_norm_epsilon is 0. It must be a number above 0.'],
      ['layer_norm_epsilon', '1e-5', 'layer_norm_epsilon is "1e-5". It must be a number above 0.'],
      ['scale_attn_weights', 'yes', 'scale_attn_weights is "yes". It must be true or false.'],
      ['activation_function', 7, 'activation_function is 7. It must be a string.'],
      [
        'activation_function',
        'gelu_nw',
        "activation_function is 'gelu_nw', which is not supported. It must be 'gelu_new' or 'gelu_pytorch_tanh'. Did you mean 'gelu_new'?",
      ],
    ]
    for (const [field, value, words] of wrong) {
      it(`with ${field} ${JSON.stringify(value)} is refused`, async () => {
        expect(await refusalOf(() => read({ [field]: value }))).to.equal(`ConfigError: config.json: ${words}`)
      })
    }
  })

  it('has the hook points of TransformerLens in firing order, and those on request', async () => {
    const { json } = await reference('models/gpt2')
    using model = await loadModel(path.join(records, 'gpt2'))
    const usual = model.hookPoints.filter((p) => !p.onRequest).map((p) => p.name)
    expect(usual).to.deep.equal([...(json['hook_names'] as string[]), 'unembed.hook_in', 'unembed.hook_out'])
    const onRequest = model.hookPoints.filter((p) => p.onRequest).map((p) => p.name.replace(/^blocks\.\d+\./, ''))
    expect([...new Set(onRequest)]).to.deep.equal([
      'hook_attn_in',
      'hook_q_input',
      'hook_k_input',
      'hook_v_input',
      'attn.hook_result',
      'hook_mlp_in',
    ])
  })
})

function normalTensorValues(shape: number[]): Float32Array {
  return tf.tidy(() => normalTensor(shape, 7).mul(0.3).dataSync<'float32'>())
}
