/**
 * Nodes of a model as a graph: senders, which write to the residual stream (`embed`, `L9H6`, `MLP3`, and of an SAE
 * `latent 183` and `error`), and receivers, which read from it (`L9H6.q`, `L9H6.k`, `L9H6.v`, `MLP3`, `final`). Where
 * heads share keys and values, `k` and `v` have the number of the shared head.
 */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../lib/errors/errors.js'
import { parseHook } from '../lib/transformer/hook-names.js'
import type { HookedModel } from '../lib/model.js'
import { didYouMean } from '../lib/errors/nearest.js'
import { range } from '../lib/stats/range.js'
import { plainPoint } from '../lib/core/splice.js'
import type { AttachedSae } from '../lib/core/view.js'
import { attachedAt } from './attached-saes.js'

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

export interface Receiver {
  readonly name: string
  /** The number of layers for `final`. */
  readonly layer: number
  readonly input: 'q' | 'k' | 'v' | 'mlp' | 'final'
  readonly head: number | undefined
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

/**
 * Senders of these names; without them all but those of SAEs, which are `latent 183` and `error`, with ` at ` and the
 * SAE's hook point where a view has several.
 * @throws ArgumentError with the nearest name, HookError for an SAE that the view has not
 */
export function sendersNamed(verb: string, view: HookedModel, names: readonly string[] | undefined): Sender[] {
  const inSae = /^(?:latent (\d+)|error)(?: at (.+))?$/
  if (!Array.isArray(names)) return nodesNamed(verb, 'senders', allSenders(view), names)
  const saes = (names as readonly string[]).flatMap((name) => {
    const [match, latent, hook] = inSae.exec(name) ?? []
    return match === undefined ? [] : [saeSender(verb, view, name, latent === undefined ? undefined : Number(latent), hook)] // prettier-ignore
  })
  return nodesNamed(verb, 'senders', [...allSenders(view), ...saes], names)
}

function saeSender(verb: string, view: HookedModel, name: string, latent: number | undefined, hook?: string): Sender {
  const sae = attachedAt(verb, view, hook)
  if (latent !== undefined)
    tf.dispose({ ...sae.sae.writes({ latents: [latent] }) }) // refuses one that it has not
  else if (!sae.options.errorTerm)
    throw new ArgumentError(
      `${verb}: there is no '${name}': the SAE at ${sae.readsAt} has no error term. Attach it with { errorTerm: true }.`,
    )
  const site = plainPoint(sae.writesAt)
  const { layer, local } = parseHook(site)
  const place = places[local]
  if (layer !== undefined && place) return { name, layer, place, sae, ...(latent !== undefined && { latent }) }
  throw new ArgumentError(
    `${verb}: what the SAE at ${sae.readsAt} writes is no part of the residual stream. Use one at ${Object.keys(places).join(', ')}.`,
  )
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

/** Every receiver, in the order of the layers. */
export function allReceivers(view: HookedModel): Receiver[] {
  const { nLayers, nHeads, nKeyValueHeads = nHeads } = view.config
  const inputs = [['q', nHeads], ['k', nKeyValueHeads], ['v', nKeyValueHeads]] as const // prettier-ignore
  const block = (layer: number): Receiver[] => [
    ...inputs.flatMap(([input, heads]) =>
      range(heads).map((head) => ({ name: `L${layer}H${head}.${input}`, layer, input, head })),
    ),
    ...(hasMlp(view) ? [{ name: `MLP${layer}`, layer, input: 'mlp' as const, head: undefined }] : []),
  ]
  return [...range(nLayers).flatMap(block), { name: 'final', layer: nLayers, input: 'final', head: undefined }]
}

/** Nodes of these names, all without them. @throws ArgumentError with the nearest name */
export function nodesNamed<T extends { readonly name: string }>(
  verb: string,
  what: string,
  all: readonly T[],
  names: readonly string[] | undefined,
): T[] {
  if (names === undefined) return [...all]
  if (!Array.isArray(names) || names.length === 0) {
    throw new ArgumentError(`${verb}: ${what} is ${JSON.stringify(names)}. Give a list of at least one.`)
  }
  const byName = new Map(all.map((node) => [node.name, node]))
  return (names as readonly string[]).map((name) => {
    const node = byName.get(name)
    if (node) return node
    throw new ArgumentError(
      `${verb}: there is no '${name}' among ${what}.${didYouMean(String(name), byName.keys())} They are ${all[0]!.name} to ${all.at(-1)!.name}.`,
    )
  })
}

/** Whether what a sender writes is in what a receiver reads. */
export function reaches(view: HookedModel, sender: Sender, receiver: Receiver): boolean {
  if (sender.layer !== receiver.layer) return sender.layer < receiver.layer
  const parallel = !view.hookNames.includes('blocks.0.hook_resid_mid')
  return sender.place === 'start' || (sender.place === 'middle' && receiver.input === 'mlp' && !parallel)
}

const hasMlp = (view: HookedModel): boolean => view.hookNames.includes('blocks.0.hook_mlp_out')
