/** Hook names as TransformerLens spells them: their parts, and their shorthands. */

/** The parts of a hook point's name. */
export interface HookParts {
  /** The block's number; undefined outside the blocks. */
  readonly layer: number | undefined
  /** What computes it: `attn`, `mlp`, `mlp.ln`, `ln1`, `ln2_post`, `ln_final`, `unembed`; undefined for the other points. */
  readonly module: string | undefined
  /** The last part of the model's own name: `hook_z`. */
  readonly point: string
  /** The point inside an SAE, `hook_sae_acts_post`; undefined for a point of the model itself. */
  readonly sae: string | undefined
  /** The model's own name without its block: `attn.hook_z`. */
  readonly local: string
}

/**
 * A hook point's name in its parts. Of SAEs that sit at each other's output the last one counts.
 * @example
 * parseHook('blocks.3.attn.hook_z.hook_sae_acts_post')
 * // { layer: 3, module: 'attn', point: 'hook_z', sae: 'hook_sae_acts_post', local: 'attn.hook_z' }
 */
export function parseHook(name: string): HookParts {
  const layer = layerOf(name)
  const parts = (layer === undefined ? name : name.replace(/^blocks\.\d+\./, '')).split('.')
  const own = Math.max(
    0,
    parts.findIndex((part) => part.startsWith('hook_')),
  )
  const module = own === 0 ? undefined : parts.slice(0, own).join('.')
  const sae = own + 1 < parts.length ? parts.at(-1) : undefined
  return { layer, module, point: parts[own]!, sae, local: parts.slice(0, own + 1).join('.') }
}

/** The block of a hook point: 3 for `blocks.3.attn.hook_z`, undefined outside the blocks. */
export function layerOf(name: string): number | undefined {
  const [, layer] = /^blocks\.(\d+)\./.exec(name) ?? []
  return layer === undefined ? undefined : Number(layer)
}

/** Whether a hook point fires after the last block: in the final norm or the unembedding. */
export function isAfterBlocks(name: string): boolean {
  return name.startsWith('ln_final.') || name.startsWith('unembed.')
}

/** The block of a hook point as a number to compare: −1 before the blocks, Infinity after them. */
export function blockOf(name: string): number {
  return layerOf(name) ?? (isAfterBlocks(name) ? Infinity : -1)
}

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
