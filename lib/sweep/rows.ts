/**
 * Runs interventions as rows of a batch: from the layer and position where the first edit of each changes anything, and
 * no further than what the metric reads.
 * Axes: R rows · Q positions from `begin` · n positions read · C tokens or features read
 */
import * as tf from '@tensorflow/tfjs'
import { layerOf, makeAt, type At, type HookFunction, type HookPoint, type Observer, type Taps } from '../hooks.js'
import type { Reading } from '../metrics.js'
import type { Columns } from '../unembed.js'
import { viewTaps, type LoadedModel, type View } from '../view.js'
import { editRows, type RowsAt } from './apply.js'
import type { CleanRun, Kept } from './clean.js'
import type { ResolvedEdit } from './edits.js'
import type { Start } from './landing.js'
import type { ValueSource } from './values.js'
import { written } from './writes.js'

/** Rows of one start that run together: row r has `edits[r]` and is of prompt `prompts[r]`. */
export interface Batch extends RowsAt {
  readonly start: Start
  /** The last position that the metric reads. */
  readonly last: number
  readonly edits: readonly (readonly ResolvedEdit[])[]
}

/** What all batches of a sweep share. */
export interface RowsContext {
  readonly model: LoadedModel
  readonly points: ReadonlyMap<string, HookPoint>
  /** The view with the SAEs that have to be run. */
  readonly view: View
  readonly kept: Kept
  /** What the metric reads; undefined where it is a function of whole logits. */
  readonly reading: Reading | undefined
  /** The columns of the unembedding that are read, where they are few. */
  readonly columns: Columns | undefined
}

/** What the metric reads of a batch [R,n,C]; without a reading the logits of all positions [R,P,V]. The caller owns it. */
export function runBatch(context: RowsContext, clean: CleanRun, values: ValueSource, batch: Batch): tf.Tensor3D {
  const run = new BatchRun(context, clean, values, batch)
  return tf.tidy(() => run.read())
}

/** The same of the clean run, for all its prompts. */
export function readClean(context: RowsContext, clean: CleanRun): tf.Tensor3D {
  const { tokens, first } = clean
  const prompts = tokens.rows.map((_, b) => first + b)
  const { reading } = context
  const whole = { prompts, begin: 0, count: tokens.positions }
  if (reading?.hook !== undefined) return tf.tidy(() => pickedOf(clean.get(reading.hook!), reading, whole))
  using taps = viewTaps(context.view, [])
  const at = makeAt(taps)
  return tf.tidy(() => unembedded(context, whole, clean.final, at))
}

class BatchRun {
  readonly #context: RowsContext
  readonly #clean: CleanRun
  readonly #values: ValueSource
  readonly #batch: Batch
  readonly #view: View

  constructor(context: RowsContext, clean: CleanRun, values: ValueSource, batch: Batch) {
    this.#context = context
    this.#clean = clean
    this.#values = values
    this.#batch = batch
    const { sae } = batch.start.write ?? {}
    this.#view = { ...context.view, attached: context.view.attached.filter((a) => a !== sae) }
  }

  read(): tf.Tensor3D {
    const { reading } = this.#context
    if (reading?.hook !== undefined) return this.#readHook(reading.hook, reading)
    return this.#readLogits(this.#run([], this.#context.model.config.nLayers))
  }

  /** The residual stream behind all blocks, [R,Q,D]. */
  #run(observers: readonly Observer[], stopAt?: number): tf.Tensor3D {
    const { start, prompts, begin, count } = this.#batch
    const { tokens } = this.#clean
    const given = start.entry === 'attention' ? new Map([this.#attentionOut()]) : undefined
    using own = viewTaps(this.#view, observers)
    const taps: Taps = { ...own, ...(given && { given }), hooks: this.#hooks(this.#batch) }
    const at = makeAt(taps)
    const rows = prompts.map((b) => tokens.rows[b - this.#clean.first]!)
    const masks = prompts.map((b) => tokens.mask?.[b - this.#clean.first]?.slice(0, begin + count))
    const { architecture, weights, config } = this.#context.model
    const input = {
      tokens: tf.tensor2d(
        rows.map((row) => row.slice(begin, begin + count)),
        [rows.length, count],
        'int32',
      ),
      mask: tokens.mask && (masks as number[][]),
      past: this.#clean.past(this.#batch),
      stopAt,
    }
    if (start.entry === 'tokens') return architecture.forward(weights, config, input, at)
    return architecture.forward(weights, config, { ...input, from: this.#from(at) }, at)
  }

  /** Where the blocks begin, and with what. */
  #from(at: At): { layer: number; resid: tf.Tensor3D } {
    const { start } = this.#batch
    const { layer } = start
    if (layer === this.#context.model.config.nLayers) {
      return { layer, resid: this.#clean.rowsOf(this.#clean.final, this.#batch) as tf.Tensor3D }
    }
    if (start.entry !== 'end') {
      return { layer, resid: this.#clean.rows(`blocks.${layer}.hook_resid_pre`, this.#batch) as tf.Tensor3D }
    }
    const name = `blocks.${layer}.hook_resid_post`
    const behind = this.#clean.rows(name, this.#batch)
    const added = this.#added()
    return { layer: layer + 1, resid: at(name, added ? behind.add(added) : behind) as tf.Tensor3D }
  }

  #attentionOut(): readonly [string, tf.Tensor] {
    const name = `blocks.${this.#batch.start.layer}.hook_attn_out`
    const out = this.#clean.rows(name, this.#batch)
    const added = this.#added()
    return [name, added ? out.add(added) : out]
  }

  /** What the edits that are not run write to the residual stream [R,Q,D], where it arrives further on. */
  #added(): tf.Tensor | undefined {
    const { write } = this.#batch.start
    return write && !this.#replaces ? this.#written() : undefined
  }

  #written(): tf.Tensor {
    return written(this.#context, this.#clean, this.#values, this.#batch)
  }

  /** Whether what is written goes on in the place of the value at an SAE's point, rather than through a matrix. */
  get #replaces(): boolean {
    const { write } = this.#batch.start
    return write?.sae !== undefined && /\.hook_(resid_(pre|mid|post)|attn_out)$/.test(write.site)
  }

  /** The edits that are run, as hooks. */
  #hooks(rows: RowsAt): Map<string, readonly HookFunction[]> {
    const { start, edits } = this.#batch
    const done = new Set(start.write?.points)
    const hooks = new Map<string, readonly HookFunction[]>()
    if (this.#replaces) {
      const { site } = start.write!
      const replacement = () => this.#clean.rows(`${site}.hook_sae_output`, rows).add(this.#written())
      hooks.set(site, [replacement])
    }
    for (const name of new Set(edits.flat().map((edit) => edit.point.name))) {
      if (done.has(name)) continue
      const own = edits.map((all) => all.filter((edit) => edit.point.name === name))
      const edit: HookFunction = (x: tf.Tensor) =>
        tf.tidy(() => editRows(x, this.#context.points.get(name)!, own, rows, this.#values))
      hooks.set(name, [...(hooks.get(name) ?? []), edit])
    }
    return hooks
  }

  #readHook(hook: string, reading: Reading): tf.Tensor3D {
    const seen: tf.Tensor[] = []
    const see = <T extends tf.Tensor>(_: string, x: T): T => {
      seen.push(tf.keep(x.clone()))
      return x
    }
    try {
      this.#run([{ names: new Set([hook]), see }], stopFor(hook))
      // a point that did not fire lies before the start: it is as in the clean run
      return pickedOf(seen.at(-1) ?? this.#clean.rows(hook, this.#batch), reading, this.#batch)
    } finally {
      tf.dispose(seen)
    }
  }

  #readLogits(resid: tf.Tensor3D): tf.Tensor3D {
    const { reading } = this.#context
    const { prompts, begin, count, last } = this.#batch
    // positions before `begin` are those of the clean run
    const before = () => this.#clean.rowsOf(this.#clean.final, { prompts, begin: 0, count: begin })
    const single = reading && reading.positions[0]!.length === 1
    const whole = single || begin === 0 ? resid : (tf.concat([before(), resid], 1) as tf.Tensor3D)
    const rows = single ? this.#batch : { prompts, begin: 0, count: begin + count }
    const own = reading?.positions[prompts[0]!]
    const local = own ? { prompts, begin: single ? last : own[0]!, count: own.length } : rows
    using taps = viewTaps(this.#view, [])
    return unembedded(this.#context, rows, whole, makeAt({ ...taps, hooks: this.#hooks(local) }))
  }
}

/** How many blocks run until a point has fired; undefined for the whole model. */
function stopFor(hook: string): number | undefined {
  const layer = layerOf(hook)
  if (layer !== undefined) return layer + 1
  return hook.startsWith('hook_') ? 0 : undefined
}

/** What is read of the residual stream behind all blocks [R,Q,D]: logits [R,n,C], or all [R,Q,V]. */
function unembedded({ model, reading, columns }: RowsContext, rows: RowsAt, resid: tf.Tensor3D, at: At): tf.Tensor3D {
  const some = reading ? pickedOf(resid, reading, rows) : resid
  const { architecture, weights, config } = model
  const tokens = tf.zeros<tf.Rank.R2>([some.shape[0], some.shape[1]], 'int32')
  const from = { layer: config.nLayers, resid: some }
  const logits = architecture.forward(weights, config, { tokens, from, columns }, at)
  if (columns || !reading?.columns) return logits
  return tf.gather(logits, tf.tensor1d([...reading.columns], 'int32'), 2)
}

/** The positions that are read, of x [R,Q,…] from `begin` on: [R,n,…features as one]. */
function pickedOf(x: tf.Tensor, reading: Reading, { prompts, begin }: RowsAt): tf.Tensor3D {
  const [rows, count] = x.shape as [number, number]
  const flat = x.reshape<tf.Tensor3D>([rows, count, -1])
  const positions = prompts.map((b) => reading.positions[b]!.map((p) => p - begin))
  const first = positions[0]!
  if (positions.every((own) => own[0] === first[0])) return flat.slice([0, first[0]!, 0], [-1, first.length, -1])
  const indices = positions.flatMap((own, r) => own.map((p) => r * count + p))
  const picked = tf.gather(flat.reshape([rows * count, -1]), tf.tensor1d(indices, 'int32'))
  return picked.reshape([rows, first.length, -1])
}
