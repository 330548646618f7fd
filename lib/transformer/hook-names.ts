/** TransformerLens's shorthands for hook names: `hook('z', 4)` is `blocks.4.attn.hook_z`. */

const spelledOut: Readonly<Record<string, string>> = {
  attn: 'pattern',
  attn_logits: 'attn_scores',
  key: 'k',
  query: 'q',
  value: 'v',
  mlp_pre: 'pre',
  mlp_mid: 'mid',
  mlp_post: 'post',
}
const ofAttention = new Set(['k', 'v', 'q', 'z', 'rot_k', 'rot_q', 'result', 'pattern', 'attn_scores'])
const ofMlp = new Set(['pre', 'post', 'mid', 'pre_linear'])
const ofNorm = new Set(['scale', 'normalized'])
const norms: Readonly<Record<string, string>> = { a: 'ln1', m: 'ln2', ln1: 'ln1', ln2: 'ln2', attn: 'ln1', mlp: 'ln2' }

/**
 * The full name of a hook point from its short form, as TransformerLens's get_act_name:
 * `hook('resid_pre', 7)`, `hook('k6')`, `hook('scale4ln1')`, `hook('normalized')` (of ln_final).
 * A full name comes back unchanged.
 * @example hook('z', 9) // 'blocks.9.attn.hook_z'
 */
export function hook(name: string, layer?: number, part?: string): string {
  if (name.includes('.') || name.startsWith('hook_')) return name
  const packed = layer === undefined ? /^([a-z_]+)(\d+)([a-z]+\d?)?$/.exec(name) : null
  if (packed) return hook(packed[1]!, Number(packed[2]), packed[3] ?? part)
  const short = spelledOut[name] ?? name
  if (layer === undefined) return ofNorm.has(short) ? `ln_final.hook_${short}` : `hook_${short}`
  const block = `blocks.${layer}.`
  if (ofNorm.has(short))
    return part === undefined ? `ln_final.hook_${short}` : `${block}${norms[part] ?? part}.hook_${short}`
  if (ofAttention.has(short)) return `${block}attn.hook_${short}`
  if (ofMlp.has(short)) return `${block}mlp.hook_${short}`
  return `${block}hook_${short}`
}

/** TransformerLens's name of `hook`. */
export const actName = hook
