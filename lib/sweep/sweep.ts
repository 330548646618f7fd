/**
 * Many interventions at once, as one declared computation, in seven steps:
 *
 *   1 resolve    edits/   names, units, positions and values are looked up, or refused
 *   2 clean run  run/     residual streams, keys and values, and what edits look at
 *   3 compare    plan/    which edits change anything, and from which position on
 *   4 plan       plan/    where each (intervention, prompt) resumes from the clean run, and what it runs
 *   5 batch      plan/    rows that run together within the budget
 *   6 run        run/     block by block, rows joining at their layer
 *   7 read       run/     the metric of the rows, into the results and the resume file
 *
 * What is run for an intervention whose first edit is in block 1 at position 3, and a metric of the last position:
 *
 *   position   0 1 2 3 4 5
 *   block 0    ░ ░ ░ ░ ░ ░    ░ the clean run, the same for all interventions
 *   block 1    ░ ░ ░ ▓ ▓ ▓    ▓ the intervention's own run, as a row of a batch with others
 *   block 2    ░ ░ ░ ▓ ▓ ▓
 *   block 3    ░ ░ ░ ▒ ▒ ▓    ▒ keys and values alone
 *   unembed              ▓    and of the logits those that the metric reads
 */
import * as tf from '@tensorflow/tfjs'
import { promptAxis } from '../core/labels.js'
import { describeMetric } from '../core/metrics.js'
import { EffectResult } from '../report/result/effect-result.js'
import { range } from '../stats/range.js'
import type { Prompts } from '../tokens/tokens.js'
import { columnsOf, type Columns } from '../transformer/unembed.js'
import { describeIntervention, EditValues, meanActivations, SourceActivations } from './edits/index.js'
import type { ActivationsOf } from './edits/index.js'
import type { SweepOptions } from './options.js'
import { batchesOf, batchLimits, compareEdits, lastRead, layoutOf, planGroups, ResumePoints } from './plan/index.js'
import type { Differences, Group, SweepLayout } from './plan/index.js'
import { wholeActivations, CleanRun, editedRows, FINAL, FullRuns, MetricReader, readClean } from './run/index.js'
import { readUnedited, runBatch, type RunContext, type Unedited } from './run/index.js'
import { resolveTask, type SweepHost, type SweepTask } from './task.js'

export type { SweepOptions }

/** The change of a metric under each intervention; see `HookedModel.sweep`. */
export async function sweep(host: SweepHost, prompts: Prompts, options: SweepOptions): Promise<EffectResult> {
  const task = await resolveTask(host, prompts, options) // 1
  const { tokens, kind, provenance } = task
  using progress = task.progress
  await progress.resume()
  try {
    await new SweepRun(task).run()
  } finally {
    await progress.save(true)
  }
  const { values, baseline, source } = progress.result
  const { name, unit } = describeMetric(options.metric)
  return new EffectResult({
    kind,
    title: `change of ${name}`,
    unit,
    values,
    axes: [
      { name: 'intervention', labels: options.interventions.map(describeIntervention) },
      promptAxis(host.host, tokens, baseline.length),
    ],
    provenance,
    extra: { metric: name, baseline: [...baseline], ...(source && { source: [...source] }) },
  })
}

/** A sweep at work. */
class SweepRun {
  readonly #task: SweepTask
  readonly #layout: SweepLayout
  readonly #reader: MetricReader

  constructor(task: SweepTask) {
    const { interventions, metric, budget, tokens, progress } = task
    this.#task = task
    this.#layout = layoutOf(task, interventions, { reading: metric.reading, budget })
    this.#reader = new MetricReader(metric, tokens, progress)
  }

  /** Chunks of prompts, one after another. */
  async run(): Promise<void> {
    const { tokens, edits, sources, model, points, metric } = this.#task
    const { view, canResume, readsOne, chunk, sourceChunk } = this.#layout
    const activations: ActivationsOf = (names, some) => wholeActivations({ model, view, points }, names, some)
    const means = meanActivations(activations, edits, { source: sources.source, chunk: sourceChunk })
    using columns = canResume ? this.#columns() : undefined
    const context = { model, view, points, reading: metric.reading, columns, readsOne }
    try {
      for (let first = 0; first < tokens.batch; first += chunk) {
        const prompts = range(first, Math.min(tokens.batch, first + chunk))
        const taken = SourceActivations.of(activations, edits, { ...sources, prompts, read: this.#readOfSource })
        using values = new EditValues({ config: model.config, means, sources: taken }, prompts, tokens.positions)
        await this.#runFull(values)
        if (canResume) await this.#runRows(context, prompts, values)
      }
    } finally {
      tf.dispose([...means.values()])
    }
  }

  /** Steps 2 to 7 for some prompts: interventions as rows of batches. */
  async #runRows(context: RunContext, prompts: readonly number[], values: EditValues): Promise<void> {
    const { tokens, interventions, edits, budget } = this.#task
    const some = { tokens: tokens.pick(prompts), first: prompts[0] ?? 0 }
    const last = lastRead(this.#layout, prompts)
    using clean = new CleanRun(context, { kept: this.#layout.kept, last, isCompared: values.isSourced }, some) // 2
    const unedited = { read: readClean(context, clean), prompts }
    try {
      await this.#reader.baseline(unedited, this.#readSource(context, prompts, values))
      const differences = await compareEdits(clean, edits, values) // 3
      const groups = this.#plan(differences, prompts) // 4
      await this.#finishUnchanged(groups, prompts)
      const batches = batchesOf(groups, batchLimits(this.#layout, tokens.batch, budget)) // 5
      for (const batch of batches) {
        const read = runBatch({ ...context, clean, values }, editedRows(batch, interventions, tokens.batch)) // 6
        await this.#record(
          read,
          batch.groups.flatMap(({ rows }) => rows),
          unedited,
        ) // 7
      }
    } finally {
      unedited.read.dispose()
    }
  }

  /** The groups of interventions that change what the metric reads, and are still to be done. */
  #plan(differences: Differences, prompts: readonly number[]): Group[] {
    const { points, model, tokens, metric, progress, interventions } = this.#task
    const { nLayers } = model.config
    const shortcuts = metric.reading?.hook === undefined
    const resumePoints = new ResumePoints({ points, nLayers, attached: this.#layout.view.attached, shortcuts })
    const { batch, positions } = tokens
    const isWanted = (row: number) => !progress.isDone(row)
    const context = { nLayers, resumePoints, differences, reading: metric.reading, batch, positions, isWanted }
    return planGroups(context, interventions, prompts)
  }

  /** What is in no group changes nothing. */
  async #finishUnchanged(groups: readonly Group[], prompts: readonly number[]): Promise<void> {
    const { tokens, interventions, progress } = this.#task
    const running = new Set(groups.flatMap(({ rows }) => rows))
    for (const [i, { functions }] of interventions.entries()) {
      if (functions.length > 0) continue
      const rows = prompts.map((b) => i * tokens.batch + b)
      progress.finish(rows.filter((row) => !running.has(row) && !progress.isDone(row)))
    }
    await this.#pause()
  }

  /** Records the metric of rows by what was read of them, which is disposed. */
  async #record(read: tf.Tensor3D, rows: readonly number[], unedited: Unedited): Promise<void> {
    try {
      await this.#reader.record(read, rows, unedited)
    } finally {
      read.dispose()
    }
    await this.#pause()
  }

  /** Between two batches: lets timers and signals in, writes what there is, stops where that is asked for. */
  async #pause(): Promise<void> {
    await tf.nextFrame()
    await this.#task.progress.save()
    this.#task.signal?.throwIfAborted()
  }

  /** The general case: a run of all prompts for each intervention that cannot resume from a clean run. */
  async #runFull(values: EditValues): Promise<void> {
    const { tokens, metric, sources, progress, interventions } = this.#task
    const { canResume } = this.#layout
    const full = [...interventions.entries()].filter(
      ([, { edits, functions }]) => functions.length > 0 || (!canResume && edits.length > 0),
    )
    if (canResume && full.length === 0) return
    const prompts = range(tokens.batch)
    using runs = new FullRuns({ ...this.#task, reading: metric.reading })
    const unedited = { read: runs.clean(full.map(([, intervention]) => intervention)), prompts }
    try {
      await this.#reader.baseline(unedited, values.ofSource(this.#readOfSource) && runs.cleanOf(sources.source))
      for (const [i, intervention] of full) {
        const rows = prompts.map((b) => i * tokens.batch + b)
        if (rows.every((row) => progress.isDone(row))) continue
        await this.#record(runs.under(intervention, values), rows, unedited)
      }
      if (!canResume) await this.#finishUnchanged([], prompts)
    } finally {
      unedited.read.dispose()
    }
  }

  // ---- what the metric reads

  /** The columns of the unembedding that are read, where they are few, unless an edit looks at all logits. */
  #columns(): (Columns & Disposable) | undefined {
    const { metric, model, edits } = this.#task
    const columns = metric.reading?.columns
    if (!columns || edits.some((edit) => edit.point.name === 'unembed.hook_out')) return undefined
    return columnsOf(model.weights, columns)
  }

  /** The name of what is read of the source prompts; undefined for a function of whole logits. */
  get #readOfSource(): string | undefined {
    const { reading } = this.#task.metric
    return reading && (reading.hook ?? FINAL)
  }

  /** What is read of the source prompts, where edits take anything from them. The caller owns it. */
  #readSource(context: RunContext, prompts: readonly number[], values: EditValues): tf.Tensor3D | undefined {
    const source = values.ofSource(this.#readOfSource)
    return source && readUnedited(context, source, { prompts, begin: 0, count: this.#task.tokens.positions })
  }
}
