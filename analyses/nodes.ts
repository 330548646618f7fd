/**
 * Nodes of a model as a graph: senders, which write to the residual stream (`embed`, `L9H6`, `MLP3`, and of an SAE
 * `latent 183` and `error`), and receivers, which read from it (`L9H6.q`, `L9H6.k`, `L9H6.v`, `MLP3`, `final`). Where
 * heads share keys and values, `k` and `v` have the number of the shared head.
 */
import * as tf from '@tensorflow/tfjs'
import type { Site } from '../lib/core/sites.js'
import { plainPoint } from '../lib/core/splice.js'
import type { AttachedSae } from '../lib/core/view.js'
import { ArgumentError } from '../lib/errors/errors.js'
import { didYouMean } from '../lib/errors/nearest.js'
import type { HookedModel } from '../lib/model.js'
import { range } from '../lib/stats/range.js'
import { parseHook } from '../lib/transformer/hook-names.js'
import { attachedAt } from './attached-saes.js'
import { isSite } from './sites.js'

/** Something that writes to the residual stream. */
export interface Sender {
  readonly name: string
  /** Where its part of the residual stream is written: −1 for the embedding. */
  readonly layer: number
  /** Whether the block's attention reads it, or only its MLP, or neither. */
  readonly place: 'start' | 'middle' | 'end'
  readonly head?: number
  /** Of an SAE: one of its latents, or without one its error. */
  readonly sae?: AttachedSae
  readonly latent?: number
}

/** Something that reads the residual stream. */
export interface Receiver {
  readonly name: string
  /** The number of layers for `final`. */
  readonly layer: number
  readonly input: 'q' | 'k' | 'v' | 'mlp' | 'final'
  readonly head: number | undefined
}

/** The nodes of a view, by name or as sites, for messages of one analysis. */
export class NodeLookUp {
  readonly #name: string
  readonly #view: HookedModel

  /** @param name what messages call the analysis */
  constructor(name: string, view: HookedModel) {
    this.#name = name
    this.#view = view
  }

  /**
   * Senders; without a list all but those of SAEs, which are `latent 183` and `error`, with ` at ` and the SAE's hook
   * point where a view has several.
   * @throws ArgumentError with the nearest name, HookError for an SAE that the view does not have
   */
  senders(wanted: readonly (string | Site)[] | undefined): Sender[] {
    const all = allSenders(this.#view)
    if (wanted === undefined) return all
    const names = this.#namesOf('senders', wanted, (site) => this.#senderNames(site))
    return this.#named('senders', names, [...all, ...names.flatMap((name) => this.#saeSender(name) ?? [])])
  }

  /** Receivers, all without a list. @throws ArgumentError with the nearest name */
  receivers(wanted: readonly (string | Site)[] | undefined): Receiver[] {
    const all = allReceivers(this.#view)
    if (wanted === undefined) return all
    return this.#named(
      'receivers',
      this.#namesOf('receivers', wanted, (site) => this.#receiverNames(site)),
      all,
    )
  }

  #namesOf(what: string, wanted: readonly (string | Site)[], ofSite: (site: Site) => string[]): string[] {
    if (!Array.isArray(wanted) || wanted.length === 0) {
      throw new ArgumentError(`${this.#name}: ${what} is ${JSON.stringify(wanted)}. Give a list of at least one.`)
    }
    return (wanted as readonly (string | Site)[]).flatMap((node) => (isSite(node) ? ofSite(node) : [String(node)]))
  }

  #named<T extends { readonly name: string }>(what: string, names: readonly string[], all: readonly T[]): T[] {
    const byName = new Map(all.map((node) => [node.name, node]))
    return names.map((name) => {
      const node = byName.get(name)
      if (node) return node
      const known = `They are ${all[0]?.name} to ${all.at(-1)?.name}.`
      throw new ArgumentError(
        `${this.#name}: there is no '${name}' among ${what}.${didYouMean(name, byName.keys())} ${known}`,
      )
    })
  }

  /** The names of what a site is; of one that is no sender what messages may call it. */
  #senderNames({ hook, unit }: Site): string[] {
    const { layer, local, sae } = parseHook(hook)
    const units = [unit ?? []].flat()
    if (sae !== undefined) return this.#saeNames(hook, sae, units)
    if (local === 'attn.hook_z' && units.length > 0) return units.map((head) => `L${layer}H${head}`)
    if (units.length > 0) return units.map((one) => `${hook} ${one}`)
    return [local === 'hook_mlp_out' ? `MLP${layer}` : local === 'hook_embed' ? 'embed' : hook]
  }

  #saeNames(hook: string, point: string, latents: readonly number[]): string[] {
    const site = hook.slice(0, -point.length - 1)
    const { attached } = this.#view
    const found = attached.find(({ readsAt, writesAt }) => (point === 'hook_sae_error' ? writesAt : readsAt) === site)
    const { readsAt } = found ?? attachedAt(this.#name, this.#view, site)
    const at = attached.length > 1 ? ` at ${readsAt}` : ''
    if (point === 'hook_sae_error') return [`error${at}`]
    return point === 'hook_sae_acts_post' ? latents.map((latent) => `latent ${latent}${at}`) : [hook]
  }

  #receiverNames({ hook, unit }: Site): string[] {
    const { layer, local, point } = parseHook(hook)
    const units = [unit ?? []].flat()
    if (/^attn\.hook_[qkv]$/.test(local) && units.length > 0) {
      return units.map((head) => `L${layer}H${head}.${point.replace('hook_', '')}`)
    }
    if (local === 'attn.hook_z') return units.map((head) => `L${layer}H${head}`) // no receiver: its queries are
    if (units.length > 0) return units.map((one) => `${hook} ${one}`)
    const isLast = layer === this.#view.config.nLayers - 1
    return [local === 'hook_mlp_in' ? `MLP${layer}` : isLast && local === 'hook_resid_post' ? 'final' : hook]
  }

  /** A sender in an SAE by its name; undefined for the name of something else. */
  #saeSender(name: string): Sender | undefined {
    const [match, latent, hook] = /^(?:latent (\d+)|error)(?: at (.+))?$/.exec(name) ?? []
    if (match === undefined) return undefined
    const sae = attachedAt(this.#name, this.#view, hook)
    if (latent === undefined) this.#checkError(name, sae)
    else tf.dispose({ ...sae.sae.writes({ latents: [Number(latent)] }) }) // refuses one that it does not have
    const { layer, local } = parseHook(plainPoint(sae.writesAt))
    const place = places[local]
    if (layer !== undefined && place) {
      return { name, layer, place, sae, ...(latent !== undefined && { latent: Number(latent) }) }
    }
    throw new ArgumentError(
      `${this.#name}: what the SAE at ${sae.readsAt} writes is no part of the residual stream. ` +
        `Use one at ${Object.keys(places).join(', ')}.`,
    )
  }

  #checkError(name: string, { options, readsAt }: AttachedSae): void {
    if (options.errorTerm) return
    throw new ArgumentError(
      `${this.#name}: there is no '${name}': the SAE at ${readsAt} has no error term. Attach it with ` +
        '{ errorTerm: true }.',
    )
  }
}

/** Where what an SAE at a block's point writes is part of the residual stream. */
const places: Readonly<Record<string, Sender['place']>> = {
  hook_resid_pre: 'start',
  'attn.hook_z': 'middle',
  hook_attn_out: 'middle',
  hook_resid_mid: 'middle',
  'mlp.hook_post': 'end',
  hook_mlp_out: 'end',
  hook_resid_post: 'end',
}

/** Every sender but those of SAEs, in the order of the layers. */
function allSenders(view: HookedModel): Sender[] {
  const { nLayers, nHeads } = view.config
  const embed: Sender = { name: 'embed', layer: -1, place: 'end' }
  const block = (layer: number): Sender[] => [
    ...range(nHeads).map((head): Sender => ({ name: `L${layer}H${head}`, layer, place: 'middle', head })),
    ...(hasMlp(view) ? [{ name: `MLP${layer}`, layer, place: 'end' } as const] : []),
  ]
  return [embed, ...range(nLayers).flatMap(block)]
}

/** Every receiver, in the order of the layers. */
function allReceivers(view: HookedModel): Receiver[] {
  const { nLayers, nHeads, nKeyValueHeads = nHeads } = view.config
  const counts = { q: nHeads, k: nKeyValueHeads, v: nKeyValueHeads }
  const heads = (layer: number, input: keyof typeof counts): Receiver[] =>
    range(counts[input]).map((head) => ({ name: `L${layer}H${head}.${input}`, layer, input, head }))
  const block = (layer: number): Receiver[] => [
    ...heads(layer, 'q'),
    ...heads(layer, 'k'),
    ...heads(layer, 'v'),
    ...(hasMlp(view) ? [{ name: `MLP${layer}`, layer, input: 'mlp' as const, head: undefined }] : []),
  ]
  return [...range(nLayers).flatMap(block), { name: 'final', layer: nLayers, input: 'final', head: undefined }]
}

/** Whether what a sender writes is in what a receiver reads. */
export function reaches(view: HookedModel, sender: Sender, receiver: Receiver): boolean {
  if (sender.layer !== receiver.layer) return sender.layer < receiver.layer
  const parallel = !view.hookNames.includes('blocks.0.hook_resid_mid')
  return sender.place === 'start' || (sender.place === 'middle' && receiver.input === 'mlp' && !parallel)
}

const hasMlp = (view: HookedModel): boolean => view.hookNames.includes('blocks.0.hook_mlp_out')
