/** THE table of hook points, in firing order, made from what a family has. */
import type { ModelConfig, Traits } from './architecture.js'
import type { HookPoint } from './at.js'

const point = (name: string, shape: string): HookPoint => ({ name, shape })
const onRequest = (name: string, shape: string): HookPoint => ({ name, shape, onRequest: true })

/** Points of a norm of [B,P,D]. */
const norm = (name: string, width = 'D'): HookPoint[] => [
  point(`${name}.hook_scale`, '[B,P,1]'),
  point(`${name}.hook_normalized`, `[B,P,${width}]`),
]

/** Every hook point of a model, those on request included. */
export function hookPoints(config: ModelConfig, traits: Traits): HookPoint[] {
  const block = blockPoints(config, traits)
  const layers = Array.from({ length: config.nLayers }, (_, l) =>
    block.map((p) => ({ ...p, name: `blocks.${l}.${p.name}` })),
  )
  return [
    point('hook_embed', '[B,P,D]'),
    ...(traits.positions === 'learned' ? [point('hook_pos_embed', '[B,P,D]')] : []),
    ...layers.flat(),
    ...norm('ln_final'),
    point('unembed.hook_in', '[B,P,D]'),
    point('unembed.hook_out', '[B,P,V]'),
  ]
}

/** Names of a block's points between the residual streams before and after it. */
export function insidePoints(config: ModelConfig, traits: Traits): string[] {
  return [...attentionPoints(config, traits), ...mlpPoints(traits)].map(({ name }) => name)
}

function blockPoints(config: ModelConfig, traits: Traits): HookPoint[] {
  return [
    point('hook_resid_pre', '[B,P,D]'),
    ...attentionPoints(config, traits),
    ...mlpPoints(traits),
    point('hook_resid_post', '[B,P,D]'),
  ]
}

/** The split inputs have a head axis, and so have ln1's points when one of them is asked for. */
function attentionPoints({ nHeads, nKeyValueHeads }: ModelConfig, traits: Traits): HookPoint[] {
  const rotary = traits.positions === 'rotary'
  const G = nKeyValueHeads === undefined ? 'H' : 'G'
  // an input of both queries and keys has as many heads as both: there is none when keys are shared
  const hasCommonInput = nKeyValueHeads === undefined || nKeyValueHeads === nHeads
  return [
    ...(hasCommonInput ? [onRequest('hook_attn_in', '[B,P,H,D]')] : []),
    onRequest('hook_q_input', '[B,P,H,D]'),
    onRequest('hook_k_input', `[B,P,${G},D]`),
    onRequest('hook_v_input', `[B,P,${G},D]`),
    ...norm('ln1'),
    point('attn.hook_q', '[B,P,H,K]'),
    point('attn.hook_k', `[B,P,${G},K]`),
    point('attn.hook_v', `[B,P,${G},K]`),
    ...(rotary ? [point('attn.hook_rot_q', '[B,P,H,K]'), point('attn.hook_rot_k', `[B,P,${G},K]`)] : []),
    point('attn.hook_attn_scores', '[B,H,P,P]'),
    point('attn.hook_pattern', '[B,H,P,P]'),
    point('attn.hook_z', '[B,P,H,K]'),
    onRequest('attn.hook_result', '[B,P,H,D]'),
    ...(traits.postNorms ? norm('ln1_post') : []),
    point('hook_attn_out', '[B,P,D]'),
  ]
}

function mlpPoints({ mlp, parallel, mlpNorm, postNorms }: Traits): HookPoint[] {
  if (mlp === 'none') return []
  return [
    ...(parallel ? [] : [point('hook_resid_mid', '[B,P,D]')]),
    onRequest('hook_mlp_in', '[B,P,D]'),
    ...norm('ln2'),
    point('mlp.hook_pre', '[B,P,M]'),
    ...(mlp === 'gated' ? [point('mlp.hook_pre_linear', '[B,P,M]')] : []),
    ...(mlpNorm ? [point('mlp.hook_mid', '[B,P,M]'), ...norm('mlp.ln', 'M')] : []),
    point('mlp.hook_post', '[B,P,M]'),
    ...(postNorms ? norm('ln2_post') : []),
    point('hook_mlp_out', '[B,P,D]'),
  ]
}
