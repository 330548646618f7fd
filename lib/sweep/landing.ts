/**
 * Where the run of an intervention starts: what lies before its first edit is that of the clean run. What a head's z, a
 * neuron or a latent writes is linear, so an edit there is turned into what it adds further on, and what lies between is
 * not run either.
 */
import type * as tf from '@tensorflow/tfjs'
import type { HookPoint } from '../core/hooks.js'
import { outputPoint, type Attachable } from '../core/splice.js'
import { crossesBlocks, isTranscoder, type View } from '../core/view.js'
import { blockOf, isAfterBlocks, layerOf, parseHook } from '../transformer/hook-names.js'
import { writerOf } from '../transformer/writers.js'
import type { ResolvedEdit } from './edits.js'

export type Attached = View['attached'][number]

/** Edits turned into what they add to the value at a later point. */
export interface Write {
  /** The point with the matrix between the edited value and the residual stream, where there is one. */
  readonly site: string
  readonly sae: Attached | undefined
  /** The edited points. */
  readonly points: readonly string[]
}

/**
 * What is run first: the embedding; block `layer`; the same behind its attention; or block `layer + 1`, the residual
 * stream behind block `layer` being known.
 */
export interface Start {
  readonly entry: 'tokens' | 'block' | 'attention' | 'end'
  readonly layer: number
  readonly write?: Write
  /** The same for runs that may share a batch. */
  readonly key: string
}

/** Whether what is written goes on in the place of the value at an SAE's point, rather than through a matrix. */
export function replaces({ write }: Start): boolean {
  return write?.sae !== undefined && /\.hook_(resid_(pre|mid|post)|attn_out)$/.test(write.site)
}

/** The order in which rows join those on their way. */
export function joinOrder(start: Start): number {
  const inBlock = { tokens: -1, block: replaces(start) ? 1 : 0, attention: 2, end: 3 }[start.entry]
  return 4 * start.layer + inBlock
}

/** Points that what is written at a point passes before it arrives; an SAE at one of them would see it. */
const passedPoints: Readonly<Record<string, readonly string[]>> = {
  'attn.hook_z': ['attn.hook_z', 'attn.hook_result'],
  'attn.hook_result': ['attn.hook_result'],
  'mlp.hook_post': ['mlp.hook_post', 'hook_mlp_out'],
  hook_mlp_out: ['hook_mlp_out'],
}

/** Where a run starts when what an SAE puts out at a point is known. */
const entryAt: Readonly<Record<string, Start['entry']>> = {
  hook_resid_pre: 'block',
  hook_attn_out: 'attention',
  hook_resid_mid: 'attention',
  hook_resid_post: 'end',
}

export interface LandingOptions {
  readonly points: readonly HookPoint[]
  readonly nLayers: number
  /** SAEs that are run at all. */
  readonly attached: readonly Attached[]
  /** False where an activation is read, so that every point behind the start must fire. */
  readonly skip: boolean
}

export class Landing {
  readonly #options: LandingOptions
  readonly #orders: ReadonlyMap<string, number>
  readonly #known = new Map<string, Start>()
  readonly #linear = new Map<Attachable, boolean>()

  constructor(options: LandingOptions) {
    this.#options = options
    this.#orders = new Map(options.points.map(({ name }, order) => [name, order]))
  }

  /** The start of a run with these edits. */
  of(edits: readonly ResolvedEdit[]): Start {
    const names = [...new Set(edits.map((edit) => edit.point.name))]
    const key = names.join(' ')
    const known = this.#known.get(key) ?? this.#find(names.sort((a, b) => this.#order(a) - this.#order(b)))
    this.#known.set(key, known)
    return known
  }

  #order(name: string): number {
    return this.#orders.get(name) ?? -1
  }

  #find(names: readonly string[]): Start {
    const first = names[0]!
    const { nLayers, skip } = this.#options
    if (isAfterBlocks(first)) return this.#started('block', nLayers)
    const layer = layerOf(first)
    if (layer === undefined) return this.#started('tokens', 0)
    if (!skip) return this.#reaching(this.#started('block', layer))
    const write = this.#write(names)
    return this.#reaching(write ?? this.#plain(first, layer))
  }

  #started(entry: Start['entry'], layer: number, write?: Write): Start {
    return { entry, layer, key: [entry, layer, ...(write?.points ?? [])].join(' '), ...(write && { write }) }
  }

  /** The latest place before a point where a run can start. */
  #plain(name: string, layer: number): Start {
    const end = `blocks.${layer}.hook_resid_post`
    if (name === end || name.startsWith(`${end}.`)) return this.#started('end', layer)
    const behindAttention = this.#order(name) >= this.#order(`blocks.${layer}.hook_attn_out`)
    return this.#started(behindAttention ? 'attention' : 'block', layer)
  }

  /** An earlier start where a transcoder that writes behind it reads before it. */
  #reaching(start: Start): Start {
    const begin = { tokens: -1, block: 'hook_resid_pre', attention: 'hook_attn_out', end: 'hook_resid_post' }[
      start.entry
    ]
    const order = typeof begin === 'number' ? begin : this.#order(`blocks.${start.layer}.${begin}`)
    const reader = this.#options.attached.find(
      (a) =>
        isTranscoder(a) && a !== start.write?.sae && this.#order(a.readsAt) < order && this.#order(a.writesAt) >= order,
    )
    if (!reader) return start
    const layer = layerOf(reader.readsAt)
    return this.#reaching(layer === undefined ? this.#started('tokens', 0) : this.#started('block', layer))
  }

  /** The edits as what they write, where that is exact and nothing else happens before it arrives. */
  #write(names: readonly string[]): Start | undefined {
    const first = names[0]!
    const sae = this.#saeOf(first)
    if (first.includes('.hook_sae_') && !sae) return undefined
    const site = sae ? sae.writesAt : first
    const arrival = this.#arrival(site, sae)
    if (!arrival) return undefined
    const until = arrival.at === site && sae ? this.#order(`${site}.${outputPoint}`) + 1 : this.#order(arrival.at)
    const points = names.filter((name) => this.#order(name) < until)
    if (points.some((name) => (sae ? this.#saeOf(name) !== sae : name !== first))) return undefined
    return this.#started(arrival.entry, layerOf(site)!, { site, sae, points })
  }

  /** Where what is written at a site arrives: the point, and where the run starts then. */
  #arrival(site: string, sae: Attached | undefined): { at: string; entry: Start['entry'] } | undefined {
    const { layer, local } = parseHook(site)
    const writer = writerOf(site, this.#orders)
    if (layer === undefined || !writer || writer.norm !== undefined) return undefined
    const others = this.#options.attached.filter((a) => a !== sae).flatMap((a) => [a.readsAt, a.writesAt])
    if (sae && others.some((other) => other === site || other.startsWith(`${site}.`))) return undefined
    const passed = passedPoints[local]
    if (!passed) return sae && { at: site, entry: entryAt[local]! }
    if (passed.some((point) => others.includes(`blocks.${layer}.${point}`))) return undefined
    const ofAttention = writer.output.endsWith('hook_attn_out')
    return ofAttention ? { at: writer.output, entry: 'attention' } : { at: writer.lands, entry: 'end' }
  }

  /** The SAE one of whose latents or error this point is, if they write linearly. */
  #saeOf(name: string): Attached | undefined {
    const sae = this.#options.attached.find(
      (a) => name === `${a.readsAt}.hook_sae_acts_post` || name === `${a.writesAt}.hook_sae_error`,
    )
    return sae && this.#isLinear(sae.sae) ? sae : undefined
  }

  #isLinear(sae: Attachable): boolean {
    let known = this.#linear.get(sae)
    if (known === undefined) this.#linear.set(sae, (known = writesLinearly(sae)))
    return known
  }
}

function writesLinearly(sae: Attachable): boolean {
  let written: { directions: tf.Tensor; bias: tf.Tensor } | undefined
  try {
    written = sae.writes({ latents: [0] })
    return true
  } catch {
    return false // it says why, which is of no interest here: the whole SAE is run then
  } finally {
    written?.directions.dispose()
    written?.bias.dispose()
  }
}

/** SAEs that a forward pass must run: one with its error term and nothing changed or read inside is the identity. */
export function neededSaes(attached: readonly Attached[], inside: readonly string[]): Attached[] {
  const below = (a: Attached, name: string) => name.startsWith(`${a.readsAt}.`) || name.startsWith(`${a.writesAt}.`)
  const needed = attached.filter((a) => !a.options.errorTerm || inside.some((name) => below(a, name)))
  // what sits at another's output needs that other
  return attached.filter((a) => needed.some((n) => n === a || n.readsAt.startsWith(`${a.writesAt}.`)))
}

/**
 * Whether a view's hook functions all lie in blocks before the first that runs of these edits start in: they act on the
 * clean run then, and on nothing else.
 */
export function startsBehindHooks({ hooks, attached }: View, edits: readonly ResolvedEdit[]): boolean {
  const readers = attached.filter(crossesBlocks).map(({ readsAt }) => blockOf(readsAt))
  const first = edits.reduce((least, { layer }) => Math.min(least, layer), Math.min(...readers))
  return hooks.every(({ name }) => blockOf(name) < first && !name.includes('.hook_sae_'))
}
