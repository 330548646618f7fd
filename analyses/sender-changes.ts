/** What senders would write otherwise, were the prompts their sources: changes of the residual stream. */
import * as tf from '@tensorflow/tfjs'
import type { ActivationCache } from '../lib/cache.js'
import type { HookedModel } from '../lib/model.js'
import type { Sender } from './nodes.js'

/** Hook points that `senderChange` looks at. */
export function senderPoints(view: HookedModel, senders: readonly Sender[]): string[] {
  const names = senders.flatMap(({ layer, head }) => {
    const block = `blocks.${layer}`
    if (layer < 0) return ['hook_embed', 'hook_pos_embed']
    if (head === undefined) return [`${block}.hook_mlp_out`]
    return [`${block}.attn.hook_z`, `${block}.hook_attn_out`, `${block}.hook_resid_pre`]
  })
  return [...new Set(names)].filter((name) => view.hookNames.includes(name))
}

/** The change of the residual stream [B,P,D] with a sender's value of the source. The caller owns it. */
export function senderChange(
  view: HookedModel,
  clean: ActivationCache,
  source: ActivationCache,
  { layer, head }: Sender,
): tf.Tensor3D {
  const difference = (name: string) => tf.sub<tf.Tensor3D>(source.get(name), clean.get(name))
  if (layer < 0) {
    const names = ['hook_embed', 'hook_pos_embed'].filter((name) => clean.has(name))
    return tf.tidy(() => names.map(difference).reduce((sum, part) => sum.add(part)))
  }
  if (head === undefined) return difference(`blocks.${layer}.hook_mlp_out`)
  return tf.tidy(() => headChange(view, clean, source, layer, head))
}

/** Linear, but where a norm lies between the heads and the residual stream. */
function headChange(
  view: HookedModel,
  clean: ActivationCache,
  source: ActivationCache,
  layer: number,
  head: number,
): tf.Tensor3D {
  const name = `blocks.${layer}.attn.hook_z`
  const z = (cache: ActivationCache) => cache.get<tf.Tensor4D>(name).slice([0, 0, head, 0], [-1, -1, 1, -1])
  const change = z(source).sub<tf.Tensor4D>(z(clean)) // [B,P,1,K]
  if (view.hookNames.includes(`blocks.${layer}.ln1_post.hook_scale`))
    return throughNorm(view, clean, layer, head, change)
  const [batch, positions, , size] = change.shape
  const W_O = view.weight(`blocks.${layer}.attn.W_O`).slice([head, 0, 0], [1, -1, -1]).reshape<tf.Tensor2D>([size, -1])
  return tf.matMul(change.reshape<tf.Tensor2D>([-1, size]), W_O).reshape([batch, positions, -1])
}

function throughNorm(
  view: HookedModel,
  clean: ActivationCache,
  layer: number,
  head: number,
  change: tf.Tensor4D,
): tf.Tensor3D {
  const { nHeads } = view.config
  const inHead = change.pad<tf.Tensor4D>([[0, 0], [0, 0], [head, nHeads - 1 - head], [0, 0]]) // prettier-ignore
  let out: tf.Tensor3D | undefined
  const hooked = view.stopAt(layer + 1).withHooks({
    [`blocks.${layer}.attn.hook_z`]: (z: tf.Tensor4D) => z.add(inHead),
    [`blocks.${layer}.hook_attn_out`]: (x: tf.Tensor3D) => void (out = tf.keep(x.clone())),
  })
  hooked.run(clean.tokens, { from: { layer, resid: clean.get(`blocks.${layer}.hook_resid_pre`) } }).dispose()
  const result = out!.sub<tf.Tensor3D>(clean.get(`blocks.${layer}.hook_attn_out`))
  out!.dispose()
  return result
}
