/** How what stands at a hook point gets into the residual stream: through which weights, and where it arrives. */
import { parseHook } from './hook-names.js'

/** The way from a hook point to the residual stream. */
export interface Writer {
  /** The weight [H,K,D] or [M,D] that the value is multiplied by; undefined where it is as wide as the stream already. */
  readonly matrix: string | undefined
  /** What is added to that product, [D]; undefined without a matrix. */
  readonly bias: string | undefined
  /** Whether heads are summed on the way: [B,P,H,D] is then the value's shape. */
  readonly sumsHeads: boolean
  /** The norm that the product passes, such as `blocks.3.ln1_post`; undefined in models that have none there. */
  readonly norm: string | undefined
  /** The point that shows what is added to the stream, such as `blocks.3.hook_attn_out`; the point itself on the stream. */
  readonly output: string
  /** The first point of the stream that has it: `hook_resid_mid`, or `hook_resid_post` where a block has no middle. */
  readonly lands: string
}

/** The two layers of a block that write to the stream. */
const layers = {
  attn: { weights: ['attn.W_O', 'attn.b_O'], norm: 'ln1_post', output: 'hook_attn_out', lands: 'hook_resid_mid' },
  mlp: { weights: ['mlp.W_out', 'mlp.b_out'], norm: 'ln2_post', output: 'hook_mlp_out', lands: 'hook_resid_post' },
} as const

/** Points from which what a layer writes follows by at most a matrix, a sum over heads and a norm. */
const sources: Readonly<
  Record<string, { readonly of: keyof typeof layers; readonly at: 'inner' | 'heads' | 'output' }>
> = {
  'attn.hook_z': { of: 'attn', at: 'inner' },
  'attn.hook_result': { of: 'attn', at: 'heads' },
  hook_attn_out: { of: 'attn', at: 'output' },
  'mlp.hook_post': { of: 'mlp', at: 'inner' },
  hook_mlp_out: { of: 'mlp', at: 'output' },
}

/**
 * The way from a hook point of the model to the residual stream; undefined where none is linear up to a norm, as from
 * queries, patterns, what a norm gives, or a point inside an SAE.
 * @param points the names of the points that the model has
 * @example
 * writerOf('blocks.3.attn.hook_z', new Set(model.hookNames))?.matrix // 'blocks.3.attn.W_O'
 */
export function writerOf(name: string, points: Pick<ReadonlySet<string>, 'has'>): Writer | undefined {
  const { layer, local, sae } = parseHook(name)
  if (sae !== undefined) return undefined
  const onStream = { matrix: undefined, bias: undefined, sumsHeads: false, norm: undefined, output: name }
  if (local === 'hook_embed' || local === 'hook_pos_embed') return { ...onStream, lands: 'blocks.0.hook_resid_pre' }
  if (/^hook_resid_(pre|mid|post)$/.test(local)) return { ...onStream, lands: name }
  const source = sources[local]
  if (layer === undefined || !source) return undefined
  const { weights, norm, output, lands } = layers[source.of]
  const inBlock = (own: string) => `blocks.${layer}.${own}`
  const isInner = source.at === 'inner'
  const hasNorm = source.at !== 'output' && points.has(inBlock(`${norm}.hook_scale`))
  return {
    matrix: isInner ? inBlock(weights[0]) : undefined,
    bias: isInner ? inBlock(weights[1]) : undefined,
    sumsHeads: source.at === 'heads',
    norm: hasNorm ? inBlock(norm) : undefined,
    output: inBlock(output),
    lands: inBlock(points.has(inBlock(lands)) ? lands : 'hook_resid_post'),
  }
}
