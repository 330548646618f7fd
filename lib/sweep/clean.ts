/** The run without interventions that all others start from: residual streams, keys and values, what edits look at. */
import * as tf from '@tensorflow/tfjs'
import type { ForwardInput, KeysValues, Past } from '../transformer/architecture.js'
import { makeAt, type At, type HookPoint, type Observer } from '../core/hooks.js'
import { keptClones } from '../transformer/kv-cache.js'
import type { Attachable } from '../core/splice.js'
import type { Tokens } from '../tokens/tokens.js'
import { blocksNeeded, viewTaps, type LoadedModel, type View } from '../core/view.js'
import { unitAxis, type ResolvedEdit } from './edits.js'
import { isAfterBlocks, layerOf } from '../transformer/hook-names.js'
import type { RowsAt, UnitPlaces } from './apply.js'
import { lastBlock, type Part } from './last-block.js'

/** What to keep of a clean run: points, and of latents and the like the units that are edited. */
export type Kept = ReadonlyMap<string, UnitPlaces>

/**
 * The points that runs may start at or that edits may have to be compared with.
 * @param reached hook points of the view
 * @param whole a point to keep all of
 */
export function keptPoints(
  edits: Iterable<ResolvedEdit>,
  view: View,
  reached: ReadonlySet<string>,
  whole?: string,
): Kept {
  const kept = new Map<string, Map<number, number> | undefined>()
  const layers = new Set<number>()
  for (const edit of edits) {
    const { name } = edit.point
    layers.add(Math.max(0, layerOf(name) ?? 0))
    const units = kept.has(name) ? kept.get(name) : new Map<number, number>()
    // an error of heads is written through all of W_O
    if (edit.units === undefined || name.endsWith('.hook_sae_error')) kept.set(name, undefined)
    else if (units) kept.set(name, units)
    if (edit.units && units) for (const unit of edit.units) if (!units.has(unit)) units.set(unit, units.size)
  }
  for (const { readsAt, writesAt, options } of view.attached) {
    for (const name of [readsAt, writesAt]) layers.add(layerOf(name) ?? 0)
    // with the error term it is the value itself
    kept.set(options.errorTerm ? writesAt : `${writesAt}.hook_sae_output`, undefined)
  }
  for (const layer of layers) {
    for (const name of ['resid_pre', 'attn_out', 'resid_post']) kept.set(`blocks.${layer}.hook_${name}`, undefined)
  }
  if (whole !== undefined) kept.set(whole, undefined)
  return new Map([...kept].filter(([name]) => reached.has(name)))
}

/** An SAE that is not run: the latents of its input that are asked for are computed beside. */
export interface Encoded {
  readonly readsAt: string
  readonly sae: Attachable
}

/** Keeps values, of some units alone where that is asked for. */
class Keeper implements Observer, Disposable {
  readonly names: ReadonlySet<string>
  readonly kept = new Map<string, tf.Tensor>()
  readonly #units: Kept
  readonly #points: ReadonlyMap<string, HookPoint>
  readonly #encoded: readonly Encoded[]

  constructor(units: Kept, points: ReadonlyMap<string, HookPoint>, encoded: readonly Encoded[] = []) {
    this.#units = units
    this.#points = points
    this.#encoded = encoded
    this.names = new Set([...units.keys(), ...encoded.map(({ readsAt }) => readsAt)])
  }

  see<T extends tf.Tensor>(name: string, x: T): T {
    for (const { readsAt, sae } of this.#encoded) {
      const latents = `${readsAt}.hook_sae_acts_post`
      if (readsAt === name) this.kept.set(latents, tf.keep(sae.encode(x, { latents: [...this.#units.get(latents)!.keys()] }))) // prettier-ignore
    }
    if (!this.#units.has(name)) return x
    const places = this.#units.get(name)
    const axis = unitAxis(this.#points.get(name)!)
    this.kept.get(name)?.dispose()
    const some = places ? tf.gather(x, tf.tensor1d([...places.keys()], 'int32'), axis) : x.clone()
    this.kept.set(name, tf.keep(some))
    return x
  }

  [Symbol.dispose](): void {
    for (const tensor of this.kept.values()) tensor.dispose()
  }
}

/** Stands among names of points for the residual stream behind all blocks, [B,P,D]. */
export const FINAL = 'final'

/** Whole activations of prompts at some points (or FINAL), by name, as a clean run has them. The caller owns them. */
export function activationsOf(
  model: LoadedModel,
  view: View,
  points: ReadonlyMap<string, HookPoint>,
  names: readonly string[],
  tokens: Tokens,
): Map<string, tf.Tensor> {
  const keeper = new Keeper(new Map(names.map((name) => [name, undefined])), points)
  const { architecture, weights, config } = model
  try {
    using taps = viewTaps(view, [keeper])
    const at = makeAt(taps)
    const stopAt = blocksNeeded(names)
    tf.tidy(() => {
      const input = { tokens: tokens.tensor(), mask: tokens.mask }
      if (!names.includes(FINAL)) return void architecture.forward(weights, config, { ...input, stopAt }, at)
      const final = architecture.forward(weights, config, { ...input, stopAt: config.nLayers }, at)
      keeper.kept.set(FINAL, tf.keep(final.clone()))
      const from = { layer: config.nLayers, resid: final }
      if (stopAt === undefined) architecture.forward(weights, config, { ...input, from }, at)
    })
    return keeper.kept
  } catch (error) {
    keeper[Symbol.dispose]()
    throw error
  }
}

/** Keeps each layer's keys and values. */
class KeyValueKeeper implements Past, Disposable {
  readonly length = 0
  readonly kept = new Map<number, KeysValues>()

  earlier(): undefined {}

  keep(layer: number, all: KeysValues): void {
    this.kept.set(layer, keptClones(all))
  }

  [Symbol.dispose](): void {
    for (const { k, v } of this.kept.values()) tf.dispose([k, v])
  }
}

/** Keys and values of the clean run in front of rows that start later. */
class RowsPast implements Past {
  readonly length: number
  readonly #kept: KeyValueKeeper['kept']
  readonly #indices: tf.Tensor1D

  constructor(kept: KeyValueKeeper['kept'], indices: tf.Tensor1D, length: number) {
    this.#kept = kept
    this.#indices = indices
    this.length = length
  }

  earlier(layer: number): KeysValues {
    const { k, v } = this.#kept.get(layer)!
    const before = (x: tf.Tensor4D) => tf.gather(x.slice<tf.Tensor4D>([0, 0], [-1, this.length]), this.#indices)
    return { k: before(k), v: before(v) }
  }

  keep(): void {} // nobody asks for them again
}

/**
 * Whether an SAE that changes nothing, having its error term, is looked at for some of its latents alone, so that these
 * can be computed beside the run. Not where they are compared: the last digits of few columns of a product may be others.
 */
function isBeside({ readsAt, writesAt, options }: View['attached'][number], { kept, compared }: Needed): boolean {
  const latents = `${readsAt}.hook_sae_acts_post`
  const inside = [...kept.keys()].filter((name) => name.startsWith(`${readsAt}.`) || name.startsWith(`${writesAt}.`))
  const alone = kept.get(latents) !== undefined && inside.every((name) => name === latents)
  return options.errorTerm === true && alone && !compared(latents)
}

/** What of a clean run is needed. */
export interface Needed {
  readonly kept: Kept
  /** The one position that is read of all prompts, where nothing else of the last block is looked at. */
  readonly last: number | undefined
  /** Whether a point is compared with that of other runs: digit by digit, so that what is the same is known to be. */
  readonly compared: (name: string) => boolean
}

/** The clean run of some prompts. Owns its tensors. */
export class CleanRun implements Disposable {
  readonly tokens: Tokens
  /** The number of its first prompt. */
  readonly first: number
  /** The residual stream behind all blocks [B,P,D], or at the one position that is needed [B,1,D]. */
  readonly final: tf.Tensor3D
  /** The first position of `final`. */
  readonly finalBegin: number
  readonly #model: LoadedModel
  readonly #keeper: Keeper
  readonly #past = new KeyValueKeeper()

  constructor(
    model: LoadedModel,
    view: View,
    points: ReadonlyMap<string, HookPoint>,
    needed: Needed,
    tokens: Tokens,
    first: number,
  ) {
    const { kept, last } = needed
    this.#model = model
    this.tokens = tokens
    this.first = first
    this.finalBegin = last ?? 0
    const encoded = view.attached.filter((a) => isBeside(a, needed))
    this.#keeper = new Keeper(kept, points, encoded)
    try {
      const run = { ...view, attached: view.attached.filter((a) => !encoded.includes(a)) }
      using taps = viewTaps(run, [this.#keeper])
      const { nLayers } = model.config
      const behindBlocks = [...kept.keys()].some(isAfterBlocks)
      const at = makeAt(taps)
      this.final = tf.tidy(() => {
        if (last !== undefined)
          return this.#lastBlock(this.#forward({ past: this.#past, stopAt: nLayers - 1 }, at), last, at)
        const final = tf.keep(this.#forward({ past: this.#past, stopAt: nLayers }, at).clone())
        if (behindBlocks) this.#forward({ from: { layer: nLayers, resid: final } }, at)
        return final
      })
    } catch (error) {
      tf.dispose([...this.#keeper.kept.values()])
      this.#past[Symbol.dispose]()
      throw error
    }
  }

  #forward(
    input: Omit<ForwardInput, 'tokens'>,
    at: At,
    { begin, count }: Part = { begin: 0, count: this.tokens.positions },
  ): tf.Tensor3D {
    const { architecture, weights, config } = this.#model
    const tokens = this.tokens.tensor().slice<tf.Tensor2D>([0, begin], [-1, count])
    const mask = this.tokens.mask?.map((row) => row.slice(0, begin + count))
    return architecture.forward(weights, config, { tokens, mask, ...input }, at)
  }

  /** The last block at one position: only keys and values of those before it are needed. */
  #lastBlock(entering: tf.Tensor3D, last: number, at: At): tf.Tensor3D {
    const { nLayers } = this.#model.config
    const run = (resid: tf.Tensor3D, part: Part, past: Past | undefined) =>
      this.#forward({ past, from: { layer: nLayers - 1, resid }, stopAt: nLayers }, at, part)
    return lastBlock(entering.slice([0, 0, 0], [-1, last + 1, -1]), this.#past, run)
  }

  has(name: string): boolean {
    return this.#keeper.kept.has(name)
  }

  /** What was kept of a point, [B,P,…] of this run's prompts. */
  get(name: string): tf.Tensor {
    return this.#keeper.kept.get(name)!
  }

  /** The same for rows: [R,Q,…]. Points of shape [B,P,…]. */
  rows(name: string, rows: RowsAt): tf.Tensor {
    return this.rowsOf(this.get(name), rows)
  }

  rowsOf(x: tf.Tensor, { prompts, begin, count }: RowsAt): tf.Tensor {
    const some = x.slice([0, begin], [-1, count])
    return tf.gather(some, this.#indices(prompts))
  }

  past({ prompts, begin }: RowsAt): Past | undefined {
    return begin > 0 ? new RowsPast(this.#past.kept, this.#indices(prompts), begin) : undefined
  }

  #indices(prompts: readonly number[]): tf.Tensor1D {
    return tf.tensor1d(
      prompts.map((b) => b - this.first),
      'int32',
    )
  }

  [Symbol.dispose](): void {
    this.#keeper[Symbol.dispose]()
    this.#past[Symbol.dispose]()
    this.final.dispose()
  }
}
