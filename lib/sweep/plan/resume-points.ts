/**
 * Where the run of an intervention starts: what lies before its first edit is that of the clean run. What a head's z, a
 * neuron or a latent writes is linear, so that an edit there becomes what it adds further on (a linear shortcut), and
 * what lies between is not run either.
 */
import type { HookPoint } from '../../core/hooks.js'
import { outputPoint, type Attachable } from '../../core/splice.js'
import { isTranscoder, type AttachedSae } from '../../core/view.js'
import { isAfterBlocks, layerOf, parseHook } from '../../transformer/hook-names.js'
import { writerOf } from '../../transformer/writers.js'
import type { ResolvedEdit } from '../edits/index.js'

/** Edits that become what they add to the value at a later point. */
export interface LinearShortcut {
  /** The point with the matrix between the edited value and the residual stream, where there is one. */
  readonly site: string
  readonly sae: AttachedSae | undefined
  /** The edited points. */
  readonly points: readonly string[]
}

/**
 * What is run first: the embedding (`tokens`); block `layer`; the block after its attention; or block `layer + 1`, as the
 * residual stream at the end of block `layer` is known.
 */
export type Entry = 'tokens' | 'block' | 'attention' | 'end'

export interface ResumePoint {
  readonly entry: Entry
  readonly layer: number
  readonly shortcut?: LinearShortcut
  /** The same for runs that may share a batch. */
  readonly key: string
}

/** Whether a shortcut gives what an SAE puts out, rather than adding to the value through a matrix. */
export function replacesSaeOutput({ shortcut }: ResumePoint): boolean {
  return shortcut?.sae !== undefined && entryAfterSae[parseHook(shortcut.site).local] !== undefined
}

/** The order in which rows join those that run already. */
export function joinOrder(point: ResumePoint): number {
  const inBlock = { tokens: -1, block: replacesSaeOutput(point) ? 1 : 0, attention: 2, end: 3 }[point.entry]
  return 4 * point.layer + inBlock
}

/** Points that what is written at a point passes before it arrives; an SAE at one of them would see it. */
const passedPoints: Readonly<Record<string, readonly string[]>> = {
  'attn.hook_z': ['attn.hook_z', 'attn.hook_result'],
  'attn.hook_result': ['attn.hook_result'],
  'mlp.hook_post': ['mlp.hook_post', 'hook_mlp_out'],
  hook_mlp_out: ['hook_mlp_out'],
}

/** Where a run starts when what an SAE puts out at a point is known. */
const entryAfterSae: Readonly<Record<string, Entry>> = {
  hook_resid_pre: 'block',
  hook_attn_out: 'attention',
  hook_resid_mid: 'attention',
  hook_resid_post: 'end',
}

/** The point of a block that an entry starts at. */
const entryPoints = { block: 'hook_resid_pre', attention: 'hook_attn_out', end: 'hook_resid_post' } as const

export interface ResumePointOptions {
  /** Hook points of the view by name, in firing order. */
  readonly points: ReadonlyMap<string, HookPoint>
  readonly nLayers: number
  /** SAEs that are run at all. */
  readonly attached: readonly AttachedSae[]
  /** False where an activation is read, so that every point after the start must fire. */
  readonly shortcuts: boolean
}

/** Finds resume points, and remembers them. */
export class ResumePoints {
  readonly #options: ResumePointOptions
  readonly #order: ReadonlyMap<string, number>
  readonly #known = new Map<string, ResumePoint>()
  readonly #linear = new Map<Attachable, boolean>()

  constructor(options: ResumePointOptions) {
    this.#options = options
    this.#order = new Map([...options.points.keys()].map((name, order) => [name, order]))
  }

  /** Where a run with these edits starts. */
  of(edits: readonly ResolvedEdit[]): ResumePoint {
    const names = [...new Set(edits.map((edit) => edit.point.name))]
    const key = names.join(' ')
    const known = this.#known.get(key) ?? this.#find(names.sort((a, b) => this.#orderOf(a) - this.#orderOf(b)))
    this.#known.set(key, known)
    return known
  }

  #orderOf(name: string): number {
    return this.#order.get(name) ?? -1
  }

  /** @param names edited points in firing order */
  #find(names: readonly string[]): ResumePoint {
    const [first = ''] = names
    const { nLayers, shortcuts } = this.#options
    if (isAfterBlocks(first)) return resumePoint('block', nLayers)
    const layer = layerOf(first)
    if (layer === undefined) return resumePoint('tokens', 0)
    if (!shortcuts) return this.#beforeReaders(resumePoint('block', layer))
    return this.#beforeReaders(this.#shortcut(names) ?? this.#plain(first, layer))
  }

  /** The latest place before a point where a run can start. */
  #plain(name: string, layer: number): ResumePoint {
    const end = `blocks.${layer}.${entryPoints.end}`
    if (name === end || name.startsWith(`${end}.`)) return resumePoint('end', layer)
    const afterAttention = this.#orderOf(name) >= this.#orderOf(`blocks.${layer}.${entryPoints.attention}`)
    return resumePoint(afterAttention ? 'attention' : 'block', layer)
  }

  /** An earlier point, where a transcoder that writes after it reads before it. */
  #beforeReaders(point: ResumePoint): ResumePoint {
    const { entry, layer, shortcut } = point
    const order = entry === 'tokens' ? -1 : this.#orderOf(`blocks.${layer}.${entryPoints[entry]}`)
    const reader = this.#options.attached.find(
      (a) =>
        isTranscoder(a) &&
        a !== shortcut?.sae &&
        this.#orderOf(a.readsAt) < order &&
        this.#orderOf(a.writesAt) >= order,
    )
    if (!reader) return point
    const earlier = layerOf(reader.readsAt)
    return this.#beforeReaders(earlier === undefined ? resumePoint('tokens', 0) : resumePoint('block', earlier))
  }

  /** The edits as what they write, where that is exact and nothing else happens before it arrives. */
  #shortcut(names: readonly string[]): ResumePoint | undefined {
    const [first = ''] = names
    const sae = this.#linearSaeOf(first)
    if (parseHook(first).sae !== undefined && !sae) return undefined
    const site = sae ? sae.writesAt : first
    const arrival = this.#arrival(site, sae)
    if (!arrival) return undefined
    const { at, entry, layer } = arrival
    const end = at === site && sae ? this.#orderOf(`${site}.${outputPoint}`) + 1 : this.#orderOf(at)
    const points = names.filter((name) => this.#orderOf(name) < end)
    if (points.some((name) => (sae ? this.#linearSaeOf(name) !== sae : name !== first))) return undefined
    return resumePoint(entry, layer, { site, sae, points })
  }

  /** Where what is written at a site arrives: the point, and where the run starts then. */
  #arrival(site: string, sae: AttachedSae | undefined): { at: string; entry: Entry; layer: number } | undefined {
    const { layer, local } = parseHook(site)
    const writer = writerOf(site, this.#order)
    if (layer === undefined || !writer || writer.norm !== undefined) return undefined
    const others = this.#options.attached.filter((a) => a !== sae).flatMap((a) => [a.readsAt, a.writesAt])
    if (sae && others.some((other) => other === site || other.startsWith(`${site}.`))) return undefined
    const [passed, afterSae] = [passedPoints[local], entryAfterSae[local]]
    if (!passed) return sae && afterSae && { at: site, entry: afterSae, layer }
    if (passed.some((point) => others.includes(`blocks.${layer}.${point}`))) return undefined
    const ofAttention = parseHook(writer.output).local === entryPoints.attention
    return ofAttention ? { at: writer.output, entry: 'attention', layer } : { at: writer.lands, entry: 'end', layer }
  }

  /** The SAE one of whose latents or error this point is, if they write linearly. */
  #linearSaeOf(name: string): AttachedSae | undefined {
    const sae = this.#options.attached.find(
      (a) => name === `${a.readsAt}.hook_sae_acts_post` || name === `${a.writesAt}.hook_sae_error`,
    )
    return sae && this.#isLinear(sae.sae) ? sae : undefined
  }

  #isLinear(sae: Attachable): boolean {
    const known = this.#linear.get(sae) ?? writesLinearly(sae)
    this.#linear.set(sae, known)
    return known
  }
}

function resumePoint(entry: Entry, layer: number, shortcut?: LinearShortcut): ResumePoint {
  const key = [entry, layer, ...(shortcut?.points ?? [])].join(' ')
  return { entry, layer, key, ...(shortcut && { shortcut }) }
}

/** Whether what an SAE's latents write is the sum of a direction each. */
function writesLinearly(sae: Attachable): boolean {
  try {
    const { directions, bias } = sae.writes({ latents: [0] })
    directions.dispose()
    bias.dispose()
    return true
  } catch {
    return false // it says why, which is of no interest here: the whole SAE is run then
  }
}
