/** Models of every family with random sizes and weights, made from what their pages list, without files. */
import * as tf from '@tensorflow/tfjs'
import { makeAt, noTaps } from '../../lib/core/hooks.js'
import { random } from '../../lib/stats/random.js'
import type { Architecture, TensorReader } from '../../lib/transformer/architecture.js'
import { collectWeights } from '../../lib/transformer/collect-weights.js'
import { forward, type Runnable } from '../../lib/transformer/forward.js'
import { weightLayout } from '../../lib/transformer/weight-layout.js'
import { allProcessing, possibleProcessing, processWeights } from '../../lib/weights/process.js'
import { Weights } from '../../lib/weights/weights.js'
import { architectures } from '../../models/load-model.js'

export interface RandomModel {
  readonly title: string
  readonly architecture: Architecture
  readonly json: Readonly<Record<string, unknown>>
  readonly seed: number
}

/** So many models, families in turn. Sizes are small and odd; heads × d_head is often the same, d_model is not. */
export function randomModels(seed: number, count: number): RandomModel[] {
  const { integer } = random(seed)
  const whole = (from: number, to: number) => from + integer(to - from + 1)
  const oneOf = <T>(list: readonly T[]): T => list[whole(0, list.length - 1)]!
  const families = Object.keys(architectures)
  return Array.from({ length: count }, (_, i) => {
    const family = families[i % families.length]!
    const json = configOf(family, { whole, oneOf })
    return {
      title: `${i} ${family} ${JSON.stringify(json)}`,
      architecture: architectures[family]!,
      json,
      seed: seed + i,
    }
  })
}

interface Draw {
  whole(from: number, to: number): number
  oneOf<T>(list: readonly T[]): T
}

function configOf(family: string, { whole, oneOf }: Draw): Record<string, unknown> {
  const heads = oneOf([2, 3, 4])
  const size = oneOf([4, 6])
  const eps = oneOf([1e-5, 1e-2])
  const layers = whole(1, 2)
  const common = { vocab_size: whole(11, 17), layer_norm_epsilon: eps }
  const width = heads * size
  const act = oneOf(['gelu_new', 'relu', 'gelu'])
  switch (family) {
    case 'gpt2':
      return {
        ...common,
        n_layer: layers,
        n_embd: width,
        n_head: heads,
        n_inner: whole(9, 20),
        n_positions: 16,
        scale_attn_weights: oneOf([true, false]),
      }
    case 'gpt_neo':
      return {
        ...common,
        num_layers: layers,
        hidden_size: width,
        num_heads: heads,
        intermediate_size: whole(9, 20),
        max_position_embeddings: 16,
        attention_types: [[['local'], layers]],
        window_size: whole(2, 4),
      }
    case 'gpt_neox':
      return {
        ...common,
        layer_norm_eps: eps,
        num_hidden_layers: layers,
        hidden_size: width,
        num_attention_heads: heads,
        intermediate_size: whole(9, 20),
        max_position_embeddings: 16,
        hidden_act: act,
        use_parallel_residual: oneOf([true, false]),
        rotary_pct: oneOf([0.5, 1]),
        tie_word_embeddings: oneOf([true, false]),
      }
    case 'neel': // its heads need not fill the stream: equal heads × d_head, other d_model
      return {
        n_layers: layers,
        d_model: whole(20, 45),
        n_heads: 5,
        d_head: 6,
        d_mlp: whole(9, 20),
        n_ctx: 16,
        d_vocab: whole(11, 17),
        act_fn: oneOf(['gelu_new', 'gelu_new', 'gelu_new', 'solu_ln']),
        attn_only: oneOf([false, false, false, true]),
      }
    default:
      return {
        ...common,
        num_hidden_layers: layers,
        hidden_size: whole(10, 21),
        num_attention_heads: 4,
        num_key_value_heads: oneOf([1, 2, 4]),
        head_dim: size,
        intermediate_size: whole(9, 20),
        max_position_embeddings: 16,
        rms_norm_eps: eps,
        rope_theta: oneOf([50, 10000]),
        tie_word_embeddings: oneOf([true, false]),
        sliding_window: whole(2, 4),
        query_pre_attn_scalar: whole(5, 20),
      }
  }
}

/** The model with its random weights, processed or not. The caller disposes `weights`. */
export async function buildModel({ architecture, json, seed }: RandomModel, processed: boolean): Promise<Runnable> {
  const config = architecture.readConfig(json)
  const specs = [...architecture.tensors(new Map(), config)]
  const { normal } = random(seed)
  const stored = new Map(specs.map(([name, , shape]) => [name, { shape, values: numbers(shape, normal) }]))
  const infos = new Map(
    [...stored].map(([name, { shape }]) => [name, { name, dtype: 'F32' as const, shape: [...shape], byteLength: 0 }]),
  )
  const reader: TensorReader = {
    infos,
    read: async (name) => ({ shape: [...stored.get(name)!.shape], values: stored.get(name)!.values }),
  }
  const tensors = await collectWeights(architecture, { reader, config })
  const layout = weightLayout(config, architecture.traits(config))
  if (processed) processWeights(tensors, layout, possibleProcessing(allProcessing, layout))
  return { architecture, config, weights: new Weights(tensors) }
}

const numbers = (shape: readonly number[], normal: () => number) =>
  Float32Array.from({ length: shape.reduce((product, n) => product * n, 1) }, () => 0.4 * normal())

/** Logits of a fixed batch, and the gradient of their squares by the embedding, as text with every digit. */
export function digitsOf(model: Runnable): string {
  return tf.tidy(() => {
    const tokens = tf.tensor2d(
      [
        [1, 5, 3, 8, 2, 7],
        [4, 4, 9, 0, 6, 10],
      ],
      undefined,
      'int32',
    )
    const silent = makeAt(noTaps)
    const logits = forward(model, { tokens }, silent)
    const padded = forward(
      model,
      {
        tokens,
        mask: [
          [0, 0, 1, 1, 1, 1],
          [1, 1, 1, 1, 1, 1],
        ],
      },
      silent,
    )
    const from = tf.ones<tf.Rank.R3>([2, 6, model.config.dModel])
    const gradient = tf.grad((resid) =>
      forward(model, { tokens, from: { layer: 0, resid: resid.add<tf.Tensor3D>(resid.mul(resid)) } }, silent)
        .square()
        .sum(),
    )(from.mul(tf.range(0, model.config.dModel).sin()))
    const bytes = [logits, padded, gradient].map((x) => Buffer.from(Float32Array.from(x.dataSync()).buffer))
    return Buffer.concat(bytes).toString('base64')
  })
}

/** The digits of each model, processed and not, loaded one after the other and kept side by side. */
export async function digitsSideBySide(models: readonly RandomModel[]): Promise<Map<string, string>> {
  const loaded: Runnable[] = []
  const digits = new Map<string, string>()
  try {
    for (const model of models)
      for (const processed of [true, false]) {
        const runnable = await buildModel(model, processed)
        loaded.push(runnable)
        digits.set(`${model.title}${processed ? '' : ', unprocessed'}`, digitsOf(runnable))
      }
  } finally {
    for (const { weights } of loaded) weights.dispose()
  }
  return digits
}
