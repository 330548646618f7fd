/**
 * Runs a batch: block after block, rows joining at the layer where their first edit changes anything, with keys and
 * values of earlier positions from the clean run.
 *
 *   block 0     row a                          a starts here
 *   block 1     row a                          (b and c: known from the clean run)
 *   block 2     row a  row b                   b joins before the block
 *   block 3     row a  row b  row c            c joins after its attention, or at its end
 *   unembed     row a  row b  row c            what the metric reads
 *
 * Axes: R rows · Q positions from `begin`
 */
import * as tf from '@tensorflow/tfjs'
import { makeAt, type At, type HookFunction, type Observer, type Taps } from '../../core/hooks.js'
import { partialLogits, pickRead } from '../../core/metric-inputs.js'
import type { Reading } from '../../core/metrics.js'
import { viewTaps } from '../../core/view.js'
import type { ForwardInput } from '../../transformer/architecture.js'
import { forward } from '../../transformer/forward.js'
import { isAfterBlocks, layerOf } from '../../transformer/hook-names.js'
import { runUntil } from '../../transformer/until.js'
import { editRows } from '../edits/index.js'
import { neededView, replacesSaeOutput, type Entry, type LinearShortcut } from '../plan/index.js'
import type { BatchRows, JoiningRows } from './batch-rows.js'
import { lastBlock } from './last-block.js'
import { directWrite } from './linear-shortcut.js'
import type { BatchContext, EditedRows } from './run-context.js'

/**
 * What the metric reads [R,n,C], the rows in the order of the groups; without a reading the logits of all positions
 * [R,P,V]. The caller owns it.
 */
export function runBatch(context: BatchContext, batch: BatchRows): tf.Tensor3D {
  context.values.materialize(batch.groups.flatMap(({ edits }) => edits.flat()))
  using run = new BatchRun(context, batch)
  return run.read()
}

/** Rows that have joined, and the residual stream that enters their next block [R,Q,D]. */
interface Running {
  readonly rows: EditedRows
  readonly resid: tf.Tensor3D
}

class BatchRun implements Disposable {
  readonly #context: BatchContext
  readonly #batch: BatchRows
  /** SAEs; one for all blocks, as a transcoder reads and writes in different ones. */
  readonly #taps: Taps & Disposable
  /** What was seen at the point that the metric reads, [R,n,C], run by run; the last of several times in one. */
  readonly #seen: tf.Tensor3D[] = []
  #running: Running | undefined
  /** Whether only the position that is read is left: after the last attention. */
  #narrow = false

  constructor(context: BatchContext, batch: BatchRows) {
    this.#context = context
    this.#batch = batch
    const hook = context.reading?.hook
    const names = [...batch.groups.flatMap(hookedPoints), ...(hook === undefined ? [] : [hook])]
    this.#taps = viewTaps(neededView({ ...context.view, hooks: [] }, names), [])
  }

  read(): tf.Tensor3D {
    const { reading, model, clean } = this.#context
    const { nLayers } = model.config
    const hook = reading?.hook
    const end = hook === undefined ? nLayers : (layerOf(hook) ?? nLayers - 1) + 1
    for (const rows of this.#startingAt('tokens', 0)) this.#join(rows, () => this.#forward(rows, { stopAt: 0 }))
    for (let layer = 0; layer < end; layer++) this.#layer(layer)
    if (end === nLayers) {
      for (const rows of this.#startingAt('block', end)) this.#join(rows, () => clean.finalRows(this.#here(rows)))
    }
    return reading && hook !== undefined ? this.#readHook(hook, reading) : this.#readLogits()
  }

  #startingAt(entry: Entry, layer: number): JoiningRows[] {
    return this.#batch.groups.filter(({ start }) => start.entry === entry && start.layer === layer)
  }

  /** One block for the rows that run already, and those whose first edit lies in it. */
  #layer(layer: number): void {
    const name = `blocks.${layer}.hook_resid_pre`
    const entering = (rows: EditedRows) => this.#context.clean.rows(name, rows) as tf.Tensor3D
    const starting = this.#startingAt('block', layer)
    for (const rows of starting.filter(({ start }) => !replacesSaeOutput(start))) this.#join(rows, () => entering(rows))
    this.#narrow = layer === this.#context.model.config.nLayers - 1 && this.#readsOne()
    if (this.#running) {
      const { rows, resid } = this.#running
      this.#setRunning({ rows: this.#here(rows), resid: this.#block(rows, layer, resid) })
    }
    const throughBlock = (rows: EditedRows) => this.#block(rows, layer, entering(rows))
    for (const rows of starting.filter(({ start }) => replacesSaeOutput(start)))
      this.#join(rows, () => throughBlock(rows))
    for (const rows of this.#startingAt('attention', layer)) this.#join(rows, () => throughBlock(this.#here(rows)))
    for (const rows of this.#startingAt('end', layer)) this.#join(rows, () => this.#afterBlock(this.#here(rows)))
  }

  /** Whether the position that is read is the last, and what is read lies after all blocks. */
  #readsOne(): boolean {
    const { groups, last } = this.#batch
    const { readsOne } = this.#context
    return readsOne && groups.every(({ begin, count }) => begin + count === last + 1)
  }

  /** The same rows at the positions that are still run. */
  #here<T extends EditedRows>(rows: T): T {
    return this.#narrow ? { ...rows, begin: this.#batch.last, count: 1 } : rows
  }

  /** Takes in rows, whose residual stream `enter` gives. */
  #join(joining: JoiningRows, enter: () => tf.Tensor3D): void {
    const { prompts, edits } = this.#running?.rows ?? { prompts: [], edits: [] }
    const resid = tf.tidy(() => {
      const own = enter()
      return this.#running ? tf.concat([this.#running.resid, own]) : own
    })
    const { begin, count } = this.#here(joining)
    const rows = { begin, count, prompts: [...prompts, ...joining.prompts], edits: [...edits, ...joining.edits] }
    this.#setRunning({ rows, resid })
  }

  #setRunning(running: Running): void {
    if (this.#running?.resid !== running.resid) this.#running?.resid.dispose()
    this.#running = running
  }

  // ---- blocks

  /** The residual stream after a block, of what enters it; in the last one at the position that is read alone. */
  #block(rows: EditedRows, layer: number, resid: tf.Tensor3D): tf.Tensor3D {
    return tf.tidy(() => {
      if (!this.#narrow) return this.#forward(rows, { from: { layer, resid }, stopAt: layer + 1 })
      const { model, clean } = this.#context
      return lastBlock({ model, resid, past: clean.past(rows) }, ({ resid, part, past, until }) => {
        const some = { ...rows, begin: rows.begin + part.begin, count: part.count }
        const pass = this.#pass(some, { from: { layer, resid }, stopAt: layer + 1, past })
        return runUntil(until, makeAt(this.#tapsOf(some)), pass)
      })
    })
  }

  /** The residual stream where a run of rows stops; with the clean run's keys and values unless others are given. */
  #forward(rows: EditedRows, input: Omit<ForwardInput, 'tokens' | 'mask'>): tf.Tensor3D {
    return this.#pass(rows, input)(makeAt(this.#tapsOf(rows)))
  }

  #pass(rows: EditedRows, input: Omit<ForwardInput, 'tokens' | 'mask'>): (at: At) => tf.Tensor3D {
    const { prompts, begin, count } = rows
    const { model, clean } = this.#context
    const { tokens, first } = clean
    const ids = prompts.map((b) => tokens.rows[b - first]!.slice(begin, begin + count))
    const mask = tokens.mask && prompts.map((b) => tokens.mask![b - first]!.slice(0, begin + count))
    const all = { past: clean.past(rows), ...input, tokens: tf.tensor2d(ids, [ids.length, count], 'int32'), mask }
    return (at) => forward(model, all, at)
  }

  /** The residual stream after the block that rows start at the end of, with what edits in the block write. */
  #afterBlock(rows: JoiningRows): tf.Tensor3D {
    const name = `blocks.${rows.start.layer}.hook_resid_post`
    return makeAt(this.#tapsOf(rows))(name, this.#withShortcut(rows, name)) as tf.Tensor3D
  }

  /** A point's value of the clean run, with what a shortcut adds there. */
  #withShortcut(rows: JoiningRows, name: string): tf.Tensor {
    const value = this.#context.clean.rows(name, rows)
    const { shortcut } = rows.start
    return shortcut && !replacesSaeOutput(rows.start) ? value.add(directWrite(this.#context, rows, shortcut)) : value
  }

  /** What acts on one run of rows. */
  #tapsOf(rows: EditedRows | JoiningRows): Taps {
    const observers = this.#observers(rows)
    if (!('start' in rows)) return { ...this.#taps, hooks: this.#hooks(rows), observers }
    const { start } = rows
    const { shortcut } = start
    const hooks = this.#hooks(rows, shortcut?.points)
    const taps = { ...this.#taps, hooks, observers, ...this.#given(rows) }
    if (!shortcut || !replacesSaeOutput(start)) return taps
    const instead = this.#saeOutput(rows, shortcut)
    hooks.set(shortcut.site, [() => instead])
    return { ...taps, splices: new Map([...taps.splices].filter(([name]) => name !== shortcut.site)) }
  }

  /** What an SAE that is not run puts out, with the edits inside it. */
  #saeOutput(rows: JoiningRows, shortcut: LinearShortcut): tf.Tensor {
    const { site, sae } = shortcut
    const output = sae?.options.errorTerm ? site : `${site}.hook_sae_output`
    return this.#context.clean.rows(output, rows).add(directWrite(this.#context, rows, shortcut))
  }

  /** What attention writes, where it is known. */
  #given(rows: JoiningRows): Pick<Taps, 'given'> {
    const { entry, layer } = rows.start
    if (entry !== 'attention') return {}
    const name = `blocks.${layer}.hook_attn_out`
    return { given: new Map([[name, this.#withShortcut(rows, name)]]) }
  }

  /** The edits that are run, as hooks. */
  #hooks({ edits: all, ...rows }: EditedRows, done: readonly string[] = []): Map<string, readonly HookFunction[]> {
    const { values } = this.#context
    const points = new Map(all.flat().map(({ point }) => [point.name, point]))
    const hooks = new Map<string, readonly HookFunction[]>()
    for (const [name, point] of points) {
      if (done.includes(name)) continue
      const edits = all.map((own) => own.filter((edit) => edit.point.name === name))
      hooks.set(name, [(x: tf.Tensor) => tf.tidy(() => editRows(x, { point, edits, rows, values }))])
    }
    return hooks
  }

  // ---- what the metric reads

  /** Sees the activation that the metric reads, in one run. */
  #observers(rows: EditedRows): Observer[] {
    const { reading } = this.#context
    if (reading?.hook === undefined) return []
    const run = this.#seen.length
    const see = <T extends tf.Tensor>(_: string, x: T): T => {
      this.#seen[run]?.dispose()
      this.#seen[run] = tf.keep(tf.tidy(() => pickRead(x, reading, rows)))
      return x
    }
    return [{ names: new Set([reading.hook]), see }]
  }

  /** Rows that would join after the point have what the clean run has there. */
  #readHook(hook: string, reading: Reading): tf.Tensor3D {
    if (isAfterBlocks(hook)) tf.tidy(() => void this.#unembedded((rows) => this.#observers(rows)))
    return tf.tidy(() => {
      const known = this.#seen.reduce((sum, { shape }) => sum + shape[0], 0)
      const { groups } = this.#batch
      const prompts = groups.flatMap((rows) => rows.prompts).slice(known)
      if (prompts.length === 0) return tf.concat(this.#seen)
      const [{ begin, count }] = groups as [JoiningRows]
      const rows = { prompts, begin, count }
      return tf.concat([...this.#seen, pickRead(this.#context.clean.rows(hook, rows), reading, rows)])
    })
  }

  #readLogits(): tf.Tensor3D {
    return tf.tidy(() => this.#unembedded(() => []))
  }

  #unembedded(observers: (rows: EditedRows) => Observer[]): tf.Tensor3D {
    const { rows: running, resid } = this.#running!
    const { reading, clean } = this.#context
    const { prompts, begin, count } = running
    const positions = reading?.positions[prompts[0]!]
    const single = positions?.length === 1
    // positions before `begin` are those of the clean run
    const before = () => clean.finalRows({ prompts, begin: 0, count: begin })
    const all = single || begin === 0 ? resid : tf.concat([before(), resid], 1)
    const rows = single ? running : { prompts, begin: 0, count: begin + count }
    const read = positions ? { begin: single ? this.#batch.last : positions[0]!, count: positions.length } : rows
    const local = { ...running, begin: read.begin, count: read.count }
    const at = makeAt({ ...this.#taps, hooks: this.#hooks(local), observers: observers(local) })
    return partialLogits(all, { ...this.#context, rows }, at)
  }

  [Symbol.dispose](): void {
    this.#taps[Symbol.dispose]()
    tf.dispose(this.#seen)
    this.#running?.resid.dispose()
  }
}

/** The points whose edits are run, rather than turned into what they write. */
function hookedPoints({ edits, start: { shortcut } }: JoiningRows): string[] {
  const names = new Set(edits.flat().map((edit) => edit.point.name))
  return [...names].filter((name) => !shortcut?.points.includes(name))
}
