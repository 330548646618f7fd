/**
 * Nodes of a model as a graph: senders, which write to the residual stream (`embed`, `L9H6`, `MLP3`), and receivers,
 * which read from it (`L9H6.q`, `L9H6.k`, `L9H6.v`, `MLP3`, `final`). Where heads share keys and values, `k` and `v` have
 * the number of the shared head.
 */
import { ArgumentError } from '../lib/errors.js'
import type { HookedModel } from '../lib/model.js'
import { didYouMean } from '../lib/nearest.js'
import { range } from '../lib/range.js'

export interface Sender {
  readonly name: string
  /** Where its part of the residual stream is written: −1 for the embedding. */
  readonly layer: number
  readonly head: number | undefined
}

export interface Receiver {
  readonly name: string
  /** The number of layers for `final`. */
  readonly layer: number
  readonly input: 'q' | 'k' | 'v' | 'mlp' | 'final'
  readonly head: number | undefined
}

/** Every sender, in the order of the layers. */
export function allSenders(view: HookedModel): Sender[] {
  const { nLayers, nHeads } = view.config
  const embed: Sender = { name: 'embed', layer: -1, head: undefined }
  const block = (layer: number): Sender[] => [
    ...range(nHeads).map((head) => ({ name: `L${layer}H${head}`, layer, head })),
    ...(hasMlp(view) ? [{ name: `MLP${layer}`, layer, head: undefined }] : []),
  ]
  return [embed, ...range(nLayers).flatMap(block)]
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
  if (sender.layer < receiver.layer) return true
  const parallel = !view.hookNames.includes('blocks.0.hook_resid_mid')
  return sender.layer === receiver.layer && sender.head !== undefined && receiver.input === 'mlp' && !parallel
}

const hasMlp = (view: HookedModel): boolean => view.hookNames.includes('blocks.0.hook_mlp_out')
