/** The family of docs/adding-a-model.md: against plain arithmetic, and the laws that every family keeps. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { squaredRelu } from '../../docs/examples/new-family/squared-relu.js'
import { HookedModel } from '../../lib/model.js'
import { Tokens } from '../../lib/tokens/tokens.js'
import { collectWeights } from '../../lib/transformer/collect-weights.js'
import { hookPoints } from '../../lib/transformer/hook-points.js'
import { weightLayout } from '../../lib/transformer/weight-layout.js'
import { allProcessing, noProcessing, possibleProcessing, processWeights } from '../../lib/weights/process.js'
import { Weights } from '../../lib/weights/weights.js'
import { expectClose, tolerances } from '../support/close.js'
import { plainGpt2 } from '../support/plain-gpt2.js'
import { refusalOf } from '../support/refusal.js'
import { tinyTensors, type TensorRecord } from '../support/tiny-gpt2.js'

const json = {
  activation_function: 'relu2',
  num_layers: 2,
  hidden_size: 12,
  num_heads: 3,
  intermediate_size: 20,
  max_position_embeddings: 10,
  vocab_size: 23,
}
const prompt = [3, 1, 4, 1, 5, 9, 2, 6]

type Stored = TensorRecord[string]

/** Columns [from, to) of a matrix [in,out], as [out,in]. */
function turned({ shape, values }: Stored, from = 0, to = shape[1]!): Stored {
  const [rows, columns] = shape as [number, number]
  const at = (i: number) => values[(i % rows) * columns + from + Math.floor(i / rows)]!
  return { shape: [to - from, rows], values: Float32Array.from({ length: rows * (to - from) }, (_, i) => at(i)) }
}

/** GPT-2's tensors as this family stores them: attention has no biases here. */
function stored(gpt2: TensorRecord): TensorRecord {
  const tensors: TensorRecord = {
    'embed.weight': gpt2['transformer.wte.weight']!,
    'positions.weight': gpt2['transformer.wpe.weight']!,
    'norm.weight': gpt2['transformer.ln_f.weight']!,
    'norm.bias': gpt2['transformer.ln_f.bias']!,
    'head.weight': gpt2['transformer.wte.weight']!,
  }
  for (const l of [0, 1]) {
    const theirs = (name: string) => gpt2[`transformer.h.${l}.${name}`]!
    const qkv = theirs('attn.c_attn.weight')
    const block: TensorRecord = {
      'attention.q.weight': turned(qkv, 0, 12),
      'attention.k.weight': turned(qkv, 12, 24),
      'attention.v.weight': turned(qkv, 24, 36),
      'attention.out.weight': turned(theirs('attn.c_proj.weight')),
      'mlp.up.weight': turned(theirs('mlp.c_fc.weight')),
      'mlp.up.bias': theirs('mlp.c_fc.bias'),
      'mlp.down.weight': turned(theirs('mlp.c_proj.weight')),
      'mlp.down.bias': theirs('mlp.c_proj.bias'),
    }
    for (const norm of [1, 2])
      for (const part of ['weight', 'bias']) block[`norm_${norm}.${part}`] = theirs(`ln_${norm}.${part}`)
    for (const [name, tensor] of Object.entries(block)) tensors[`layers.${l}.${name}`] = tensor
  }
  return tensors
}

/** GPT-2's random tensors, without the biases that this family lacks. */
function withoutAttentionBiases(): TensorRecord {
  const tensors = tinyTensors()
  for (const [name, { values }] of Object.entries(tensors)) if (/attn\.c_\w+\.bias$/.test(name)) values.fill(0)
  return tensors
}

/** The model of these tensors, as loadModel would make it. The caller disposes it. */
async function load({ process = true, tensors = stored(withoutAttentionBiases()) } = {}): Promise<HookedModel> {
  const config = squaredRelu.readConfig(json)
  const infos = new Map(
    Object.entries(tensors).map(([name, { shape, values }]) => [
      name,
      { name, dtype: 'F32' as const, shape, byteLength: values.byteLength },
    ]),
  )
  const read = ({ shape, values }: Stored) => Promise.resolve({ shape, values: Float32Array.from(values) })
  const reader = { infos, read: (name: string) => read(tensors[name]!) }
  const weights = await collectWeights(squaredRelu, { reader, config })
  const layout = weightLayout(config, squaredRelu.traits(config))
  const processing = process ? possibleProcessing(allProcessing, layout) : noProcessing
  processWeights(weights, layout, processing)
  return new HookedModel({
    name: 'squared-relu',
    architecture: squaredRelu as never,
    config,
    weights: new Weights(weights),
    tokenizer: undefined,
    processing,
    files: () => Promise.resolve({}),
    recorded: () => Promise.resolve(undefined),
  })
}

describe('the family of docs/adding-a-model.md', () => {
  for (const process of [false, true]) {
    it(`computes what its formulas say, ${process ? '' : 'un'}processed`, async () => {
      const activation = (x: number) => Math.max(x, 0) ** 2
      const expected = plainGpt2(withoutAttentionBiases(), prompt, { heads: 3, layers: 2, activation })
      using model = await load({ process })
      tf.tidy(() =>
        expectClose(tf.logSoftmax(model.run(prompt)), tf.logSoftmax(tf.tensor3d([expected])), tolerances.tiny),
      )
    })
  }

  it('fires every point of its table, those on request too, and computes the same with them', async () => {
    using model = await load()
    const config = squaredRelu.readConfig(json)
    const names = hookPoints(config, squaredRelu.traits(config)).map((point) => point.name)
    using cache = model.runWithCache(prompt, { names })
    expect([...cache.names].sort()).to.deep.equal([...names].sort())
    tf.tidy(() => expectClose(cache.logits, model.run(prompt), tolerances.tiny))
  })

  it('gives a padded prompt what it gives the prompt alone, on either side', async () => {
    using model = await load()
    const short = prompt.slice(0, 5)
    const [zeros, ones] = [[0, 0, 0], short.map(() => 1)]
    tf.tidy(() => {
      const alone = model.run(short)
      const left = model.run(new Tokens([[...zeros, ...short]], [[...zeros, ...ones]], 'left'))
      const right = model.run(new Tokens([[...short, ...zeros]], [[...ones, ...zeros]], 'right'))
      expectClose(left.slice([0, 3], [1, 5]), alone, tolerances.tiny)
      expectClose(right.slice([0, 0], [1, 5]), alone, tolerances.tiny)
    })
  })

  it('generates with kept keys and values what it generates without', async () => {
    using model = await load()
    const { newIds } = await model.generate([prompt.slice(0, 4)], { maxNewTokens: 5, sample: false, stopAtEos: false })
    const ids = prompt.slice(0, 4)
    for (const id of newIds[0]!) {
      const best = tf.tidy(() =>
        model
          .run(ids)
          .slice([0, ids.length - 1], [1, 1])
          .flatten()
          .argMax(),
      )
      expect((await best.data())[0]).to.equal(id)
      best.dispose()
      ids.push(id)
    }
  })

  it('refuses a config of another activation, and a checkpoint that lacks a tensor', async () => {
    const other = () => squaredRelu.readConfig({ ...json, activation_function: 'gelu' })
    expect(await refusalOf(other)).to.match(/^ConfigError: config\.json: activation_function is 'gelu'/)
    const { 'layers.1.mlp.up.weight': _, ...tensors } = stored(withoutAttentionBiases())
    expect(await refusalOf(() => load({ tensors }))).to.include("'layers.1.mlp.up.weight'")
  })
})
