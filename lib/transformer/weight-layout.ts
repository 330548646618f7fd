/** Where a family's weights lie, for weight processing: norms and who reads them, who writes to the residual stream. */
import { packedValues } from '../weights/packed.js'
import type { WeightLayout } from '../weights/process.js'
import type { ModelConfig, Traits } from './architecture.js'

export function weightLayout(config: ModelConfig, traits: Traits): WeightLayout {
  const blocks = Array.from({ length: config.nLayers }, (_, l) => `blocks.${l}`)
  const mlps = traits.mlp === 'none' ? [] : blocks
  const isLayerNorm = config.normalization === 'LN'
  const biased = (W: string, b: string) => (isLayerNorm ? { W, b } : { W })
  const norm = (name: string, ...readers: { W: string; b?: string }[]) => ({
    weight: `${name}.w`,
    ...(isLayerNorm && { bias: `${name}.b` }),
    readers,
  })
  const unembed = traits.tied
    ? { W: 'unembed.scale', b: 'unembed.b_U', tiedTo: 'embed.W_E' }
    : { W: 'unembed.W_U', b: 'unembed.b_U' }
  const gate = (b: string) => (traits.mlp === 'gated' ? [{ W: `${b}.mlp.W_gate` }] : [])
  return {
    normalization: config.normalization,
    norms: [
      ...blocks.map((b) => norm(`${b}.ln1`, biased(`${b}.attn.W_QKV`, `${b}.attn.b_QKV`))),
      ...mlps.map((b) => norm(`${b}.ln2`, ...gate(b), biased(`${b}.mlp.W_in`, `${b}.mlp.b_in`))),
      ...(traits.mlpNorm ? mlps.map((b) => norm(`${b}.mlp.ln`, biased(`${b}.mlp.W_out`, `${b}.mlp.b_out`))) : []),
      norm('ln_final', unembed),
    ],
    writers: isLayerNorm ? writers(traits, blocks, mlps) : [], // only LayerNorm models have them centred
    values: traits.attentionBiases ? packedValues(config.nLayers, config) : [],
    unembed,
    softCapped: config.finalSoftCap !== undefined,
  }
}

function writers(traits: Traits, blocks: readonly string[], mlps: readonly string[]): WeightLayout['writers'] {
  return [
    { W: 'embed.W_E' },
    ...(traits.positions === 'learned' ? [{ W: 'pos_embed.W_pos' }] : []),
    ...blocks.map((b) => ({ W: `${b}.attn.W_O`, b: `${b}.attn.b_O` })),
    ...mlps.map((b) => ({ W: `${b}.mlp.W_out`, b: `${b}.mlp.b_out` })),
  ]
}
