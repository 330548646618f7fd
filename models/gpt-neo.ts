/**
 * GPT-Neo (Black et al. 2021), of which the TinyStories models are. Its page is GPT-2's (gpt2.ts); it differs in attention
 * over all positions and over the last few in turn, without a scale, and in q, k and v that are stored one by one.
 */
import { ConfigError } from '../lib/errors/errors.js'
import type { Architecture, TensorReader } from '../lib/transformer/architecture.js'
import { ConfigReader } from '../lib/transformer/config-reader.js'
import { causalFrame } from '../lib/transformer/frames.js'
import { transposed, type TensorSpec } from '../lib/weights/collect.js'
import { gpt2, type Gpt2Config } from './gpt2.js'

export interface GptNeoConfig extends Gpt2Config {
  /** Whether a layer's attention is local: over the last `window` positions, the query's own included. */
  readonly local: readonly boolean[]
  readonly window: number
}

function readConfig(json: Readonly<Record<string, unknown>>): GptNeoConfig {
  const read = new ConfigReader(json, 'config.json')
  const { dModel, nHeads, dHead } = read.heads('hidden_size', 'num_heads')
  const nLayers = read.size('num_layers')
  read.oneOf('activation_function', ['gelu_new', 'gelu_pytorch_tanh'], 'gelu_new') // two names of one function
  return {
    modelType: 'gpt_neo',
    nLayers,
    dModel,
    nHeads,
    dHead,
    dMlp: read.size('intermediate_size', 4 * dModel),
    nCtx: read.size('max_position_embeddings', 2048),
    dVocab: read.size('vocab_size'),
    normalization: 'LN',
    eps: read.positive('layer_norm_epsilon', 1e-5),
    scaleScores: false,
    scaleByInverseLayer: false,
    local: readAttentionLayers(json, nLayers),
    window: read.size('window_size', 256),
  }
}

/** `attention_layers`, a name for each layer, or `attention_types`, names and how often they come: [[["global","local"],12]]. */
function readAttentionLayers(json: Readonly<Record<string, unknown>>, nLayers: number): boolean[] {
  const field = Array.isArray(json['attention_layers']) ? 'attention_layers' : 'attention_types'
  const listed: unknown = json[field]
  const layers = Array.isArray(listed) ? (field === 'attention_layers' ? listed : repeatedTypes(listed, nLayers)) : []
  if (layers.length === nLayers && layers.every((type) => type === 'global' || type === 'local')) {
    return layers.map((type) => type === 'local')
  }
  const shown = JSON.stringify(listed)?.slice(0, 80) ?? 'missing'
  throw new ConfigError(
    `config.json: ${field} is ${shown}. It must name 'global' or 'local' for each of the ${nLayers} layers.`,
  )
}

/** The types one after another; a count is a file's word, so it goes no further than the layers. */
function repeatedTypes(groups: readonly unknown[], nLayers: number): unknown[] {
  return groups.flatMap((group) => {
    const [types, times] = Array.isArray(group) ? (group as unknown[]) : []
    if (!Array.isArray(types) || !Number.isInteger(times)) return [undefined]
    return Array.from({ length: Math.min(times as number, nLayers) }, () => types as unknown[]).flat()
  })
}

// Hugging Face name → ours. Its linear layers store [out,in].
const blockTensors = ({ dModel, dMlp }: GptNeoConfig): TensorSpec[] => [
  ['ln_1.weight', 'ln1.w', [dModel]],
  ['ln_1.bias', 'ln1.b', [dModel]],
  ['attn.attention.q_proj.weight', 'attn.W_Q', [dModel, dModel], transposed],
  ['attn.attention.k_proj.weight', 'attn.W_K', [dModel, dModel], transposed],
  ['attn.attention.v_proj.weight', 'attn.W_V', [dModel, dModel], transposed],
  ['attn.attention.out_proj.weight', 'attn.W_O', [dModel, dModel], transposed],
  ['attn.attention.out_proj.bias', 'attn.b_O', [dModel]],
  ['ln_2.weight', 'ln2.w', [dModel]],
  ['ln_2.bias', 'ln2.b', [dModel]],
  ['mlp.c_fc.weight', 'mlp.W_in', [dMlp, dModel], 'out,in'],
  ['mlp.c_fc.bias', 'mlp.b_in', [dMlp]],
  ['mlp.c_proj.weight', 'mlp.W_out', [dModel, dMlp], transposed],
  ['mlp.c_proj.bias', 'mlp.b_out', [dModel]],
]

function* tensors(infos: TensorReader['infos'], c: GptNeoConfig): Generator<TensorSpec> {
  const prefix = infos.has('transformer.wte.weight') ? 'transformer.' : ''
  yield [`${prefix}wte.weight`, 'embed.W_E', [c.dVocab, c.dModel]]
  yield [`${prefix}wpe.weight`, 'pos_embed.W_pos', [c.nCtx, c.dModel]]
  for (let l = 0; l < c.nLayers; l++) {
    for (const [theirs, ours, ...rest] of blockTensors(c)) {
      yield [`${prefix}h.${l}.${theirs}`, `blocks.${l}.${ours}`, ...rest]
    }
  }
  yield [`${prefix}ln_f.weight`, 'ln_final.w', [c.dModel]]
  yield [`${prefix}ln_f.bias`, 'ln_final.b', [c.dModel]]
  if (infos.has('lm_head.weight')) yield ['lm_head.weight', 'unembed.W_U', [c.dVocab, c.dModel], transposed]
}

export const gptNeo: Architecture<GptNeoConfig> = {
  ...gpt2,
  modelType: 'gpt_neo',
  readConfig,
  frames(c, input) {
    const [global, local] = [causalFrame(input), causalFrame(input, { window: c.window })]
    return (layer) => (c.local[layer] ? local : global)
  },
  tensors,
  ignoredTensors: /attn\.attention\.(masked_)?bias$/,
}
