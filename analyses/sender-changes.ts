/** What senders would write otherwise, were the prompts their sources: changes of the residual stream. */
import * as tf from '@tensorflow/tfjs'
import type { ActivationCache } from '../lib/residual/activation-cache.js'
import type { HookFunction } from '../lib/core/hooks.js'
import { layerOf } from '../lib/transformer/hook-names.js'
import { writerOf, type Writer } from '../lib/transformer/writers.js'
import type { HookedModel } from '../lib/model.js'
import { outputPoint, plainPoint } from '../lib/core/splice.js'
import type { Tokens } from '../lib/tokens/tokens.js'
import type { Sender } from './nodes.js'

/** The point that shows what goes on from a hook point: behind the SAEs that sit there. */
export function afterSaes(view: HookedModel, name: string): string {
  const own = view.attached.find(({ writesAt }) => writesAt === name)
  return own ? afterSaes(view, `${name}.${outputPoint}`) : name
}

/** A run of some prompts that keeps what senders' changes are made of. Owns its tensors. */
export class SenderRun implements Disposable {
  readonly cache: ActivationCache
  readonly #latents = new Map<string, number[]>()
  /** By the SAE's site, the latents that are senders [B,P,F]. */
  readonly #acts = new Map<string, tf.Tensor3D>()

  /** @param names further hook points to keep */
  constructor(view: HookedModel, tokens: Tokens, senders: readonly Sender[], names: readonly string[] = []) {
    for (const { sae, latent } of senders) {
      if (sae && latent !== undefined)
        this.#latents.set(sae.readsAt, [...(this.#latents.get(sae.readsAt) ?? []), latent])
    }
    const hooks = [...this.#latents].map(([site, latents]): [string, HookFunction] => {
      const some = (x: tf.Tensor) => tf.gather(x, tf.tensor1d(latents, 'int32'), 2)
      const keep = (x: tf.Tensor) => {
        this.#acts.get(site)?.dispose()
        this.#acts.set(site, tf.keep(tf.tidy(() => some(x))) as tf.Tensor3D)
      }
      return [`${site}.hook_sae_acts_post`, keep]
    })
    const all = new Set([...names, ...senders.flatMap((sender) => pointsOf(view, sender))])
    try {
      this.cache = view.withHooks(hooks).runWithCache(tokens, { names: [...all], logits: false })
    } catch (error) {
      tf.dispose([...this.#acts.values()])
      throw error
    }
  }

  get(name: string): tf.Tensor {
    return this.cache.get(name)
  }

  /** A latent's activations [B,P,1]. */
  acts(site: string, latent: number): tf.Tensor3D {
    return this.#acts.get(site)!.slice([0, 0, this.#latents.get(site)!.indexOf(latent)], [-1, -1, 1])
  }

  [Symbol.dispose](): void {
    tf.dispose([...this.#acts.values()])
    this.cache.dispose()
  }
}

/** Hook points that `senderChange` looks at. */
function pointsOf(view: HookedModel, sender: Sender): string[] {
  const { layer, sae, latent } = sender
  if (layer < 0) return embeddings(view)
  if (sender.head === undefined && !sae) return [afterSaes(view, `blocks.${layer}.hook_mlp_out`)]
  const site = siteOf(sender)
  // of an SAE also points that are not used: so that the run reaches both its ends
  const own = sae ? [sae.readsAt, latent === undefined ? `${sae.writesAt}.hook_sae_error` : sae.writesAt] : []
  const way = wayFrom(view, site)
  return way ? [...own, afterSaes(view, site), `blocks.${layer}.hook_resid_pre`, way.output] : own
}

const embeddings = (view: HookedModel): string[] =>
  ['hook_embed', 'hook_pos_embed'].filter((name) => view.hookNames.includes(name)).map((name) => afterSaes(view, name))

/** The model's hook point at which a head or an SAE writes. */
const siteOf = ({ sae, layer }: Sender): string => (sae ? plainPoint(sae.writesAt) : `blocks.${layer}.attn.hook_z`)

/** The way from a point inside attention or MLP to the residual stream; undefined for a point on the stream. */
function wayFrom(view: HookedModel, site: string): (Writer & { readonly matrix: string }) | undefined {
  const { matrix, ...rest } = writerOf(site, new Set(view.hookNames))!
  return matrix === undefined ? undefined : { matrix, ...rest }
}

/** The change of the residual stream [B,P,D] with a sender's value of the source. The caller owns it. */
export function senderChange(view: HookedModel, clean: SenderRun, source: SenderRun, sender: Sender): tf.Tensor3D {
  const difference = (name: string) => tf.sub<tf.Tensor>(source.get(name), clean.get(name))
  return tf.tidy(() => {
    if (sender.layer < 0) return embeddings(view).map(difference).reduce((sum, part) => sum.add(part)) as tf.Tensor3D // prettier-ignore
    if (sender.head === undefined && !sender.sae)
      return difference(afterSaes(view, `blocks.${sender.layer}.hook_mlp_out`)) as tf.Tensor3D
    const site = siteOf(sender)
    const way = wayFrom(view, site)
    if (!way) return ofSae(clean, source, sender) as tf.Tensor3D
    const behind = afterSaes(view, site)
    const change = sender.sae ? ofSae(clean, source, sender).reshape(clean.get(behind).shape) : ofHead(difference(behind), sender.head!) // prettier-ignore
    return throughWay(view, clean, site, change)
  })
}

/** The change of one head's z [B,P,H,K], 0 in the others. */
function ofHead(change: tf.Tensor, head: number): tf.Tensor {
  return change.mul(tf.oneHot(tf.scalar(head, 'int32'), change.shape[2]!).reshape([1, 1, -1, 1]))
}

/** The change of what a latent or the error writes at the SAE's point, [B,P,…]. */
function ofSae(clean: SenderRun, source: SenderRun, { sae, latent }: Sender): tf.Tensor {
  const { readsAt, writesAt } = sae!
  if (latent === undefined) {
    const name = `${writesAt}.hook_sae_error`
    return source.get(name).sub(clean.get(name))
  }
  const change = source.acts(readsAt, latent).sub<tf.Tensor3D>(clean.acts(readsAt, latent))
  return change.mul(sae!.sae.writes({ latents: [latent] }).directions) // [B,P,1] · [1,D]
}

/** A change at z or the neurons, in the residual stream: linear, but where a norm lies between. */
function throughWay(view: HookedModel, clean: SenderRun, site: string, change: tf.Tensor): tf.Tensor3D {
  const { matrix, norm, output } = wayFrom(view, site)!
  if (norm !== undefined) return byRun(view, clean, site, change)
  const [batch, positions] = change.shape as [number, number]
  const W = view.copyWeight(matrix).reshape<tf.Tensor2D>([-1, view.config.dModel])
  return tf.matMul(change.reshape<tf.Tensor2D>([batch * positions, -1]), W).reshape(clean.get(output).shape)
}

function byRun(view: HookedModel, clean: SenderRun, site: string, change: tf.Tensor): tf.Tensor3D {
  const layer = layerOf(site)!
  const behind = afterSaes(view, site)
  const out = wayFrom(view, site)!.output
  let after: tf.Tensor | undefined
  const hooked = view.stopAt(layer + 1).withHooks([
    [behind, () => clean.get(behind).add(change)],
    [out, (x: tf.Tensor) => void (after = tf.keep(x.clone()))],
  ])
  const resid = clean.cache.get<tf.Tensor3D>(`blocks.${layer}.hook_resid_pre`)
  try {
    hooked.run(clean.cache.tokens, { from: { layer, resid } })
    return after!.sub<tf.Tensor3D>(clean.get(out))
  } finally {
    after?.dispose()
  }
}
