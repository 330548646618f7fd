/**
 * Runs a wave: block after block, rows joining at the layer where their first edit changes anything, with keys and
 * values of earlier positions from the clean run.
 * Axes: R rows · Q positions from `begin`
 */
import * as tf from '@tensorflow/tfjs'
import type { Past } from '../transformer/architecture.js'
import { makeAt, type HookFunction, type Observer, type Taps } from '../core/hooks.js'
import type { Reading } from '../core/metrics.js'
import { isAfterBlocks, layerOf } from '../transformer/hook-names.js'
import { viewTaps } from '../core/view.js'
import { editRows, type RowsAt } from './apply.js'
import type { CleanRun } from './clean.js'
import type { ResolvedEdit } from './edits.js'
import { neededSaes, replaces, type Start } from './landing.js'
import { lastBlock, type Part } from './last-block.js'
import { pickedOf, readLogits, type RowsContext } from './reads.js'
import type { ValueSource } from './values.js'
import { written } from './writes.js'

/** Row r has `edits[r]` and is of prompt `prompts[r]`. */
export interface Batch extends RowsAt {
  readonly edits: readonly (readonly ResolvedEdit[])[]
}

/** Rows of one start. */
export interface Joining extends Batch {
  readonly start: Start
}

/** Rows that run together from the same position on. */
export interface WaveRows {
  /** In the order in which they join. */
  readonly members: readonly Joining[]
  /** The last position that the metric reads. */
  readonly last: number
}

/**
 * What the metric reads [R,n,C], the rows in the order of the members; without a reading the logits of all positions
 * [R,P,V]. The caller owns it.
 */
export function runWave(context: RowsContext, clean: CleanRun, values: ValueSource, wave: WaveRows): tf.Tensor3D {
  using run = new WaveRun(context, clean, values, wave)
  return run.read()
}

/** Rows on their way, and the residual stream that enters their next block [R,Q,D]. */
interface Flight {
  readonly batch: Batch
  readonly resid: tf.Tensor3D
}

class WaveRun implements Disposable {
  readonly #context: RowsContext
  readonly #clean: CleanRun
  readonly #values: ValueSource
  readonly #wave: WaveRows
  /** SAEs; one for all blocks, as a transcoder reads and writes in different ones. */
  readonly #taps: Taps & Disposable
  /** What was seen at the point that the metric reads, [R,n,C], run by run; the last of several times in one. */
  readonly #seen: tf.Tensor3D[] = []
  #flight: Flight | undefined
  /** Whether only the position that is read is left: behind the last attention. */
  #narrow = false

  constructor(context: RowsContext, clean: CleanRun, values: ValueSource, wave: WaveRows) {
    this.#context = context
    this.#clean = clean
    this.#values = values
    this.#wave = wave
    const names = wave.members.flatMap(({ edits, start }) => runNames(edits, start))
    const inside = context.reading?.hook === undefined ? names : [...names, context.reading.hook]
    this.#taps = viewTaps({ ...context.view, attached: neededSaes(context.view.attached, inside) }, [])
  }

  read(): tf.Tensor3D {
    const { reading, model } = this.#context
    const hookLayer = reading?.hook === undefined ? undefined : layerOf(reading.hook)
    const end = hookLayer === undefined ? model.config.nLayers : hookLayer + 1
    this.#join('tokens', 0, (member) => this.#block(member, undefined, 0))
    for (let layer = 0; layer < end; layer++) this.#layer(layer)
    const final = (member: Joining) => this.#clean.rowsOf(this.#clean.final, this.#here(member)) as tf.Tensor3D
    if (end === model.config.nLayers) this.#join('block', end, final)
    return reading?.hook === undefined ? this.#readLogits() : this.#readHook(reading.hook, reading)
  }

  /** One block for the rows on their way, and those whose first edit lies in it. */
  #layer(layer: number): void {
    const entry = (member: Joining) => this.#clean.rows(`blocks.${layer}.hook_resid_pre`, member) as tf.Tensor3D
    this.#join('block', layer, entry, (start) => !replaces(start))
    this.#narrow = layer === this.#context.model.config.nLayers - 1 && this.#readsOne()
    const block = (batch: Batch, resid: tf.Tensor3D) => tf.tidy(() => (this.#narrow ? this.#lastBlock(batch, resid) : this.#block(batch, { layer, resid }, layer + 1))) // prettier-ignore
    if (this.#flight) this.#fly(this.#here(this.#flight.batch), block(this.#flight.batch, this.#flight.resid))
    this.#join(
      'block',
      layer,
      (member) => block(member, entry(member)),
      (start) => replaces(start),
    )
    this.#join('attention', layer, (member) => block(this.#here(member), entry(this.#here(member))))
    this.#join('end', layer, (member) => this.#behind(this.#here(member)))
  }

  /** Whether the position that is read is the last, and what is read lies behind all blocks. */
  #readsOne(): boolean {
    const { members, last } = this.#wave
    const [{ begin, count }] = members as [Joining]
    return this.#context.readsOne && begin + count === last + 1
  }

  /** The same rows at the positions that are still on their way. */
  #here<T extends Batch>(batch: T): T {
    return this.#narrow ? { ...batch, begin: this.#wave.last, count: 1 } : batch
  }

  /** Takes in rows of these starts. */
  #join(
    entry: Start['entry'],
    layer: number,
    residOf: (member: Joining) => tf.Tensor3D,
    chosen: (start: Start) => boolean = () => true,
  ): void {
    for (const member of this.#wave.members) {
      const { start } = member
      if (start.entry !== entry || start.layer !== layer || !chosen(start)) continue
      const before = this.#flight
      const resid = tf.tidy(() => {
        const own = residOf(member)
        return (before ? tf.concat([before.resid, own]) : own) as tf.Tensor3D
      })
      const { begin, count } = this.#here(member)
      const { prompts, edits } = before?.batch ?? { prompts: [], edits: [] }
      this.#fly({ begin, count, prompts: [...prompts, ...member.prompts], edits: [...edits, ...member.edits] }, resid)
    }
  }

  #fly(batch: Batch, resid: tf.Tensor3D): void {
    if (this.#flight?.resid !== resid) this.#flight?.resid.dispose()
    this.#flight = { batch, resid }
  }

  /** The residual stream behind all blocks at the position that is read. */
  #lastBlock(batch: Batch, resid: tf.Tensor3D): tf.Tensor3D {
    const layer = this.#context.model.config.nLayers - 1
    const run = (own: tf.Tensor3D, { begin, count }: Part, past: Past | undefined) =>
      this.#block({ ...batch, begin: batch.begin + begin, count }, { layer, resid: own }, layer + 1, past)
    return lastBlock(resid, this.#clean.past(batch), run)
  }

  /** The residual stream behind block `stopAt − 1`, from the embedding or an earlier block on. */
  #block(
    batch: Batch | Joining,
    from: { layer: number; resid: tf.Tensor3D } | undefined,
    stopAt: number,
    past: Past | undefined = this.#clean.past(batch),
  ): tf.Tensor3D {
    const { prompts, begin, count } = batch
    const { tokens, first } = this.#clean
    const { architecture, weights, config } = this.#context.model
    const mask = tokens.mask && prompts.map((b) => tokens.mask![b - first]!.slice(0, begin + count))
    const ids = prompts.map((b) => tokens.rows[b - first]!.slice(begin, begin + count))
    const input = {
      tokens: tf.tensor2d(ids, [ids.length, count], 'int32'),
      mask,
      past,
      stopAt,
    }
    const at = makeAt(this.#tapsOf(batch, from?.layer ?? -1))
    return architecture.forward(weights, config, from ? { ...input, from } : input, at)
  }

  /** Taps of one block. */
  #tapsOf(batch: Batch | Joining, layer: number): Taps {
    const start = 'start' in batch ? (batch as Joining).start : undefined
    const hooks = new Map(this.#hooks(batch, start?.write?.points))
    const observers = this.#observers(batch)
    if (start?.write && replaces(start)) {
      const { site, sae } = start.write
      // what is written goes on in the place of what the SAE puts out, which is not run
      const output = sae!.options.errorTerm ? site : `${site}.hook_sae_output`
      const instead = this.#clean.rows(output, batch).add(this.#written(batch as Joining))
      const splices = new Map([...this.#taps.splices].filter(([name]) => name !== site))
      hooks.set(site, [() => instead])
      return { ...this.#taps, splices, hooks, observers, ...this.#given(batch as Joining) }
    }
    return { ...this.#taps, hooks, observers, ...(start && layer >= 0 && this.#given(batch as Joining)) }
  }

  /** What attention writes where it is known. */
  #given(member: Joining): Pick<Taps, 'given'> {
    const { entry, layer, write } = member.start
    if (entry !== 'attention') return {}
    const name = `blocks.${layer}.hook_attn_out`
    const out = this.#clean.rows(name, member)
    return { given: new Map([[name, write && !replaces(member.start) ? out.add(this.#written(member)) : out]]) }
  }

  /** The residual stream behind a block, with what edits in it write. */
  #behind(member: Joining): tf.Tensor3D {
    const { layer, write } = member.start
    const name = `blocks.${layer}.hook_resid_post`
    const taps = this.#tapsOf(member, layer)
    const clean = this.#clean.rows(name, member)
    const behind = write && !replaces(member.start) ? clean.add(this.#written(member)) : clean
    return makeAt(taps)(name, behind) as tf.Tensor3D
  }

  #written(member: Joining): tf.Tensor {
    return written(this.#context, this.#clean, this.#values, member, member.start.write!)
  }

  /** The edits that are run, as hooks. */
  #hooks(batch: Batch, done: readonly string[] = []): Map<string, readonly HookFunction[]> {
    const hooks = new Map<string, readonly HookFunction[]>()
    for (const name of new Set(batch.edits.flat().map((edit) => edit.point.name))) {
      if (done.includes(name)) continue
      const own = batch.edits.map((all) => all.filter((edit) => edit.point.name === name))
      const point = this.#context.points.get(name)!
      hooks.set(name, [(x: tf.Tensor) => tf.tidy(() => editRows(x, point, own, batch, this.#values))])
    }
    return hooks
  }

  // ---- what the metric reads

  /** Sees the activation that the metric reads, in one run. */
  #observers(batch: Batch): Observer[] {
    const { reading } = this.#context
    if (reading?.hook === undefined) return []
    const own = this.#seen.length
    const see = <T extends tf.Tensor>(_: string, x: T): T => {
      this.#seen[own]?.dispose()
      this.#seen[own] = tf.keep(tf.tidy(() => pickedOf(x, reading, batch)))
      return x
    }
    return [{ names: new Set([reading.hook]), see }]
  }

  /** Rows that would join behind the point have what the clean run has there. */
  #readHook(hook: string, reading: Reading): tf.Tensor3D {
    if (isAfterBlocks(hook)) tf.tidy(() => void this.#unembedded((batch) => this.#observers(batch)))
    return tf.tidy(() => {
      const known = this.#seen.reduce((sum, { shape }) => sum + shape[0], 0)
      const { members } = this.#wave
      const prompts = members.flatMap((member) => member.prompts).slice(known)
      if (prompts.length === 0) return tf.concat(this.#seen)
      const rows = { prompts, begin: members[0]!.begin, count: members[0]!.count }
      return tf.concat([...this.#seen, pickedOf(this.#clean.rows(hook, rows), reading, rows)])
    })
  }

  #readLogits(): tf.Tensor3D {
    return tf.tidy(() => this.#unembedded(() => []))
  }

  #unembedded(observers: (batch: Batch) => Observer[]): tf.Tensor3D {
    const { batch, resid } = this.#flight!
    const { reading } = this.#context
    const { prompts, begin, count } = batch
    const single = reading?.positions[prompts[0]!]!.length === 1
    // positions before `begin` are those of the clean run
    const before = () => this.#clean.rowsOf(this.#clean.final, { prompts, begin: 0, count: begin })
    const whole = single || begin === 0 ? resid : (tf.concat([before(), resid], 1) as tf.Tensor3D)
    const rows = single ? batch : { prompts, begin: 0, count: begin + count }
    const own = reading?.positions[prompts[0]!]
    const read = own ? { begin: single ? this.#wave.last : own[0]!, count: own.length } : rows
    const local = { ...batch, begin: read.begin, count: read.count }
    const at = makeAt({ ...this.#taps, hooks: this.#hooks(local), observers: observers(local) })
    return readLogits(this.#context, rows, whole, at)
  }

  [Symbol.dispose](): void {
    this.#taps[Symbol.dispose]()
    tf.dispose(this.#seen)
    this.#flight?.resid.dispose()
  }
}

/** The points whose edits are run, rather than turned into what they write. */
function runNames(edits: Batch['edits'], { write }: Start): string[] {
  const names = new Set(edits.flat().map((edit) => edit.point.name))
  return [...names].filter((name) => !write?.points.includes(name))
}
