/** What senders would write otherwise, were the prompts their sources: changes of the residual stream. */
import * as tf from '@tensorflow/tfjs'
import type { ActivationCache } from '../lib/residual/activation-cache.js'
import type { HookFunction } from '../lib/core/hooks.js'
import { layerOf } from '../lib/transformer/hook-names.js'
import { writerOf, type Writer } from '../lib/transformer/writers.js'
import type { HookedModel } from '../lib/model.js'
import { outputPoint, plainPoint } from '../lib/core/splice.js'
import type { AttachedSae } from '../lib/core/view.js'
import type { Tokens } from '../lib/tokens/tokens.js'
import type { Sender } from './nodes.js'

/** The point that shows what leaves a hook point: the output of the last SAE there, or the point itself. */
export function afterSaes(view: HookedModel, name: string): string {
  const own = view.attached.find(({ writesAt }) => writesAt === name)
  return own ? afterSaes(view, `${name}.${outputPoint}`) : name
}

/** What a run of senders keeps. */
export interface SenderRunOptions {
  readonly senders: readonly Sender[]
  /** Further hook points to keep. @default none */
  readonly names?: readonly string[]
}

/** A run of some prompts that keeps what senders' changes are made of. Owns its tensors. */
export class SenderRun implements Disposable {
  readonly cache: ActivationCache
  readonly #latents = new Map<string, number[]>()
  /** By where the SAE reads, the latents that are senders [B,P,F]. */
  readonly #acts = new Map<string, tf.Tensor3D>()

  constructor(view: HookedModel, tokens: Tokens, { senders, names = [] }: SenderRunOptions) {
    for (const { sae, latent } of senders) {
      if (!sae || latent === undefined) continue
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

  get<T extends tf.Tensor = tf.Tensor>(name: string): T {
    return this.cache.get<T>(name)
  }

  /** A latent's activations [B,P,1]. */
  acts({ readsAt }: AttachedSae, latent: number): tf.Tensor3D {
    const [acts, latents] = [this.#acts.get(readsAt), this.#latents.get(readsAt) ?? []]
    if (!acts) throw new Error(`SenderRun: no latents of the SAE at ${readsAt} were kept.`)
    return acts.slice([0, 0, latents.indexOf(latent)], [-1, -1, 1])
  }

  [Symbol.dispose](): void {
    tf.dispose([...this.#acts.values()])
    this.cache.dispose()
  }
}

/** Runs of the same prompts as they are and of their sources. */
export interface SenderRuns {
  readonly clean: SenderRun
  readonly source: SenderRun
}

/** Hook points that `senderChange` looks at. */
function pointsOf(view: HookedModel, sender: Sender): string[] {
  const { layer, sae, latent } = sender
  if (layer < 0) return embeddings(view)
  const site = siteOf(sender)
  if (site === undefined) return [mlpOutput(view, layer)]
  // of an SAE also points that are not used: so that the run reaches both its ends
  const own = sae ? [sae.readsAt, latent === undefined ? `${sae.writesAt}.hook_sae_error` : sae.writesAt] : []
  const way = wayFrom(view, site)
  return way ? [...own, afterSaes(view, site), `blocks.${layer}.hook_resid_pre`, way.output] : own
}

const embeddings = (view: HookedModel): string[] =>
  ['hook_embed', 'hook_pos_embed'].filter((name) => view.hookNames.includes(name)).map((name) => afterSaes(view, name))

const mlpOutput = (view: HookedModel, layer: number): string => afterSaes(view, `blocks.${layer}.hook_mlp_out`)

/** The model's hook point at which a head or an SAE writes; undefined for the embedding and MLPs. */
function siteOf({ sae, head, layer }: Sender): string | undefined {
  if (sae) return plainPoint(sae.writesAt)
  return head === undefined ? undefined : `blocks.${layer}.attn.hook_z`
}

/** The way from a point inside attention or MLP to the residual stream, and its block. */
interface Way extends Writer {
  readonly matrix: string
  /** The point that shows what leaves it. */
  readonly after: string
  readonly layer: number
}

/** Undefined for a point on the stream. */
function wayFrom(view: HookedModel, site: string): Way | undefined {
  const writer = writerOf(site, new Set(view.hookNames))
  const layer = layerOf(site)
  if (writer?.matrix === undefined || layer === undefined) return undefined
  return { ...writer, matrix: writer.matrix, after: afterSaes(view, site), layer }
}

/** The change of the residual stream [B,P,D] with a sender's value of the source. The caller owns it. */
export function senderChange(view: HookedModel, runs: SenderRuns, sender: Sender): tf.Tensor3D {
  return tf.tidy(() => {
    if (sender.layer < 0) {
      const parts = embeddings(view).map((name) => difference<tf.Tensor3D>(runs, name))
      return parts.reduce((sum, part) => sum.add(part))
    }
    const site = siteOf(sender)
    if (site === undefined) return difference(runs, mlpOutput(view, sender.layer))
    const way = wayFrom(view, site)
    if (!way) return ofSae(runs, sender) as tf.Tensor3D
    const { sae, head = 0 } = sender
    const shape = runs.clean.get(way.after).shape
    const change = sae ? ofSae(runs, sender).reshape(shape) : ofHead(difference(runs, way.after), head)
    return throughWay(view, runs.clean, { way, change })
  })
}

function difference<T extends tf.Tensor>({ clean, source }: SenderRuns, name: string): T {
  return source.get<T>(name).sub<T>(clean.get<T>(name))
}

/** The change of one head's z [B,P,H,K], 0 in the others. */
function ofHead(change: tf.Tensor4D, head: number): tf.Tensor4D {
  return change.mul(tf.oneHot(tf.scalar(head, 'int32'), change.shape[2]).reshape([1, 1, -1, 1]))
}

/** The change of what a latent or the error writes at the SAE's point, [B,P,…]. */
function ofSae(runs: SenderRuns, { sae, latent }: Sender): tf.Tensor {
  if (!sae) throw new Error('senderChange: the sender is in no SAE.')
  if (latent === undefined) return difference(runs, `${sae.writesAt}.hook_sae_error`)
  const change = runs.source.acts(sae, latent).sub<tf.Tensor3D>(runs.clean.acts(sae, latent))
  return change.mul(sae.sae.writes({ latents: [latent] }).directions) // [B,P,1] · [1,D]
}

/** A change of what leaves a point inside attention or MLP. */
interface InnerChange {
  readonly way: Way
  readonly change: tf.Tensor
}

/** A change at z or the neurons, in the residual stream: linear, except where a norm lies between. */
function throughWay(view: HookedModel, clean: SenderRun, { way, change }: InnerChange): tf.Tensor3D {
  if (way.norm !== undefined) return byRun(view, clean, { way, change })
  const [batch, positions] = change.shape as [number, number]
  const W = view.copyWeight(way.matrix).reshape<tf.Tensor2D>([-1, view.config.dModel])
  const flat = change.reshape<tf.Tensor2D>([batch * positions, -1])
  return tf.matMul(flat, W).reshape(clean.get(way.output).shape)
}

function byRun(view: HookedModel, clean: SenderRun, { way, change }: InnerChange): tf.Tensor3D {
  const { layer, output, after } = way
  let changed: tf.Tensor3D | undefined
  const hooked = view.stopAt(layer + 1).withHooks([
    [after, () => clean.get(after).add(change)],
    [output, (x: tf.Tensor) => void (changed = tf.keep(x.clone()) as tf.Tensor3D)],
  ])
  const resid = clean.get<tf.Tensor3D>(`blocks.${layer}.hook_resid_pre`)
  try {
    hooked.run(clean.cache.tokens, { from: { layer, resid } })
    if (!changed) throw new Error(`senderChange: ${output} did not fire.`)
    return changed.sub<tf.Tensor3D>(clean.get(output))
  } finally {
    changed?.dispose()
  }
}
