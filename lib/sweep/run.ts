/** A sweep at work: chunks of prompts, each with a clean run, and batches of interventions behind it. */
import * as tf from '@tensorflow/tfjs'
import type { HookPoint } from '../core/hooks.js'
import { checkMetric } from '../core/metrics.js'
import type { Tokens } from '../tokens/tokens.js'
import { columnsOf, type Columns } from '../transformer/unembed.js'
import { blocksNeeded, crossesBlocks, type LoadedModel, type View } from '../core/view.js'
import { range } from '../stats/range.js'
import { promptsAtOnce, rowsAtOnce, type Sizes } from './budget.js'
import { Changes } from './changes.js'
import { activationsOf, CleanRun, FINAL, keptPoints } from './clean.js'
import type { ResolvedEdit, ResolvedIntervention } from './edits.js'
import type { Judge } from './judge.js'
import { Landing, neededSaes, startsBehindHooks } from './landing.js'
import { Ledger, type SweepValues } from './ledger.js'
import type { PartialFile } from './partial.js'
import { plan, type Group } from './plan.js'
import { readClean, readUnedited, type RowsContext } from './reads.js'
import { runWave, type Joining } from './rows.js'
import { wavesOf, type Wave } from './waves.js'
import { meansOf, sourcedOf, ValueSource, type Activations, type Sources } from './values.js'
import { WholeRuns } from './whole.js'

export interface SweepSetup {
  readonly model: LoadedModel
  readonly view: View
  readonly tokens: Tokens
  readonly points: readonly HookPoint[]
  readonly judge: Judge
  readonly sources: Sources
  readonly budget: number
  readonly report: (done: number, total: number) => void
  readonly signal: AbortSignal | undefined
  readonly file: PartialFile | undefined
}

export class SweepRun {
  readonly #setup: SweepSetup
  readonly #interventions: readonly ResolvedIntervention[]
  readonly #edits: readonly ResolvedEdit[]
  readonly #byName: ReadonlyMap<string, HookPoint>
  readonly #ledger: Ledger

  constructor(setup: SweepSetup, interventions: readonly ResolvedIntervention[]) {
    this.#setup = setup
    this.#interventions = interventions
    this.#edits = interventions.flatMap((intervention) => intervention.edits)
    this.#byName = new Map(setup.points.map((point) => [point.name, point]))
    this.#ledger = new Ledger(interventions.length, setup.tokens.batch, setup.report, setup.file)
  }

  async result(): Promise<SweepValues> {
    await this.#ledger.resume()
    try {
      await this.#run()
    } finally {
      await this.#ledger.save(true)
    }
    return this.#ledger.result
  }

  async #run(): Promise<void> {
    const { tokens, sources, view, model, judge } = this.#setup
    const fast = view.stopAt === undefined && startsBehindHooks(view, this.#edits)
    const hooked = view.hooks.length > 0 // hook functions see whole batches
    const inside = [...this.#edits.map(({ point }) => point), ...view.hooks].map(({ name }) => name)
    if (judge.reading?.hook !== undefined) inside.push(judge.reading.hook)
    const lean = { ...view, attached: neededSaes(view.attached, inside) }
    const kept = keptPoints(this.#edits, lean, new Set(this.#byName.keys()), judge.reading?.hook)
    const sizes: Sizes = { config: model.config, view: lean, points: this.#byName, positions: tokens.positions, reading: judge.reading } // prettier-ignore
    // what is made is made of runs of its own
    const made = this.#edits.some(({ value }) => value.kind === 'made')
    const atOnce = promptsAtOnce(sizes, kept, this.#setup.budget / (made ? 2 : 1))
    const apart =
      fast && !hooked && judge.reading !== undefined && this.#interventions.every(({ by }) => by.length === 0)
    const chunk = apart ? atOnce : tokens.batch
    const activations: Activations = (names, some) => activationsOf(model, lean, this.#byName, names, some)
    const means = meansOf(activations, sources.source, this.#edits, hooked ? sources.source.batch : atOnce)
    using columns = fast ? this.#columns() : undefined
    try {
      for (let first = 0; first < tokens.batch; first += chunk) {
        const prompts = range(first, Math.min(tokens.batch, first + chunk))
        const sourced = sourcedOf(activations, sources, prompts, this.#edits, this.#readOfSource)
        using values = new ValueSource({ config: model.config, means, sourced }, prompts, tokens.positions)
        const slow = fast ? this.#interventions.filter(({ by }) => by.length > 0) : this.#interventions
        if (slow.length > 0) await this.#runWhole(slow, values)
        if (!fast) return
        const context: RowsContext = { model, points: this.#byName, view: lean, kept, reading: judge.reading, columns, readsOne: this.#readsOne(lean) } // prettier-ignore
        await this.#runRows(context, sizes, prompts, values)
      }
    } finally {
      tf.dispose([...means.values()])
    }
  }

  /** A transcoder that reads in an earlier block needs all positions in the last. */
  #readsOne({ attached }: View): boolean {
    const { reading } = this.#setup.judge
    return reading !== undefined && reading.hook === undefined && reading.positions[0]!.length === 1 && !attached.some(crossesBlocks) // prettier-ignore
  }

  /** The name of what the metric reads of the source prompts; undefined for a function of whole logits. */
  get #readOfSource(): string | undefined {
    const { reading } = this.#setup.judge
    return reading && (reading.hook ?? FINAL)
  }

  /** The columns of the unembedding that the metric reads, unless an edit looks at all logits. */
  #columns(): (Columns & Disposable) | undefined {
    const { judge, model } = this.#setup
    if (!judge.reading?.columns || this.#edits.some((edit) => edit.point.name === 'unembed.hook_out')) return undefined
    return columnsOf(model.weights, judge.reading.columns)
  }

  // ---- the fast case: interventions as rows

  async #runRows(context: RowsContext, sizes: Sizes, prompts: readonly number[], values: ValueSource): Promise<void> {
    const { model, tokens, judge, points } = this.#setup
    const some = tokens.pick(prompts)
    const needed = { kept: context.kept, last: this.#lastRead(context, prompts), compared: values.isSourced }
    using clean = new CleanRun(model, context.view, this.#byName, needed, some, prompts[0]!)
    const before = readClean(context, clean)
    try {
      const source = values.ofSource(this.#readOfSource)
      const whole = { prompts, begin: 0, count: tokens.positions }
      await this.#setBaseline(before, prompts, source && readUnedited(context, source, whole))
      const changes = new Changes(clean, context.kept)
      await changes.compare(this.#edits, values)
      const landing = new Landing({
        points,
        nLayers: model.config.nLayers,
        attached: context.view.attached,
        skip: judge.reading?.hook === undefined,
      })
      const shape = { config: model.config, batch: tokens.batch, positions: tokens.positions }
      const groups = plan({ ...shape, landing, changes, reading: judge.reading }, this.#interventions, prompts, (row) => !this.#ledger.isDone(row)) // prettier-ignore
      await this.#settle(groups, prompts)
      for (const wave of this.#wavesOf(context, sizes, groups))
        await this.#runWave(context, clean, values, wave, before)
    } finally {
      before.dispose()
    }
  }

  /** The one position that is read of all these prompts, if nothing of the last block is looked at elsewhere. */
  #lastRead({ readsOne, kept, reading }: RowsContext, prompts: readonly number[]): number | undefined {
    const { nLayers } = this.#setup.model.config
    if (!readsOne || (blocksNeeded([...kept.keys()]) ?? Infinity) >= nLayers) return undefined
    const last = new Set(prompts.map((b) => reading!.positions[b]![0]!))
    return last.size === 1 ? [...last][0] : undefined
  }

  /** What is in no group changes nothing. */
  async #settle(groups: readonly Group[], prompts: readonly number[]): Promise<void> {
    const { batch } = this.#setup.tokens
    const running = new Set(groups.flatMap(({ rows }) => rows))
    this.#interventions.forEach(({ by }, i) => {
      if (by.length > 0) return
      this.#ledger.finish(
        prompts.map((b) => i * batch + b).filter((row) => !running.has(row) && !this.#ledger.isDone(row)),
      )
    })
    await this.#pause()
  }

  #wavesOf(context: RowsContext, sizes: Sizes, groups: readonly Group[]): Wave[] {
    const { tokens, budget } = this.#setup
    return wavesOf(groups, {
      together: !context.view.attached.some(crossesBlocks),
      step: context.reading ? 1 : tokens.batch,
      most: (span) => rowsAtOnce(sizes, span, budget),
    })
  }

  async #runWave(
    context: RowsContext,
    clean: CleanRun,
    values: ValueSource,
    { begin, end, last, members }: Wave,
    before: tf.Tensor3D,
  ): Promise<void> {
    const { batch } = this.#setup.tokens
    const joining = members.map(({ start, rows }): Joining => {
      const prompts = rows.map((row) => row % batch)
      const edits = rows.map((row) => this.#interventions[Math.floor(row / batch)]!.edits)
      return { start, begin, count: end - begin, prompts, edits }
    })
    const rows = members.flatMap((member) => member.rows)
    values.hold(joining.flatMap((member) => member.edits.flat()))
    const read = runWave(context, clean, values, { members: joining, last })
    try {
      const prompts = rows.map((row) => row % batch)
      if (context.reading) await this.#judgeRows(read, rows, prompts, before, clean.first)
      else await this.#judgeBatches(read, rows)
    } finally {
      read.dispose()
    }
    await this.#pause()
  }

  async #judgeRows(
    read: tf.Tensor3D,
    rows: readonly number[],
    prompts: readonly number[],
    before: tf.Tensor3D,
    first: number,
  ): Promise<void> {
    const reading = this.#setup.judge.reading!
    const numbers = tf.tidy(() => {
      const clean = reading.needsClean ? tf.gather(before, tf.tensor1d(prompts.map((b) => b - first), 'int32')) : undefined // prettier-ignore
      return reading.of(read, prompts, clean)
    })
    this.#ledger.record(rows, await dataOf(numbers))
  }

  /** Logits [n·B,P,V] of n interventions by a function of [B,P,V]. */
  async #judgeBatches(read: tf.Tensor3D, rows: readonly number[]): Promise<void> {
    const { batch } = this.#setup.tokens
    for (let at = 0; at < rows.length; at += batch) {
      const numbers = await this.#whole(tf.tidy(() => read.slice([at, 0, 0], [batch, -1, -1])))
      this.#ledger.record(rows.slice(at, at + batch), numbers)
    }
  }

  // ---- the general case: a run of all prompts for each

  async #runWhole(interventions: readonly ResolvedIntervention[], values: ValueSource): Promise<void> {
    const { model, view, tokens, judge, sources } = this.#setup
    const prompts = range(tokens.batch)
    using runs = new WholeRuns({ model, view, points: this.#byName, tokens, reading: judge.reading })
    const before = runs.clean(interventions)
    try {
      const ofSource = values.ofSource(this.#readOfSource) && runs.on(sources.source)
      await this.#setBaseline(before, prompts, ofSource)
      for (const [i, intervention] of this.#interventions.entries()) {
        const rows = prompts.map((b) => i * tokens.batch + b)
        if (!interventions.includes(intervention) || this.#ledger.isDone(rows[0]!)) continue
        const read = runs.under(intervention, values)
        try {
          if (judge.reading) await this.#judgeRows(read, rows, prompts, before, 0)
          else this.#ledger.record(rows, await this.#whole(read.clone()))
        } finally {
          read.dispose()
        }
        await this.#pause()
      }
    } finally {
      before.dispose()
    }
  }

  // ---- results

  /** The metric of logits [B,P,V], which are disposed. */
  async #whole(logits: tf.Tensor3D): Promise<Float32Array> {
    const { judge, tokens } = this.#setup
    try {
      const numbers = tf.tidy(() => {
        const value: unknown = judge.whole!(logits)
        checkMetric('metric', value, tokens)
        return value.flatten()
      })
      return await dataOf(numbers)
    } finally {
      logits.dispose()
    }
  }

  /** The metric without interventions, and of what is read of the source prompts, which is disposed. */
  async #setBaseline(before: tf.Tensor3D, prompts: readonly number[], source?: tf.Tensor3D): Promise<void> {
    const { reading } = this.#setup.judge
    const numbersOf = (read: tf.Tensor3D) => dataOf(tf.tidy(() => reading!.of(read, prompts, before)))
    try {
      this.#ledger.setBaseline(reading ? await numbersOf(before) : await this.#whole(before.clone()), prompts)
      if (source) this.#ledger.setSource(await numbersOf(source), prompts)
    } finally {
      source?.dispose()
    }
  }

  /** Between two batches: lets timers and signals in, writes what there is, stops where that is asked for. */
  async #pause(): Promise<void> {
    await tf.nextFrame()
    await this.#ledger.save()
    this.#setup.signal?.throwIfAborted()
  }
}

async function dataOf(numbers: tf.Tensor): Promise<Float32Array> {
  try {
    return Float32Array.from(await numbers.data())
  } finally {
    numbers.dispose()
  }
}
