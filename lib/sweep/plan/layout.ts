/** How a sweep is laid out: what of the view is run, what of clean runs is kept, how many prompts are run at once. */
import type { Reading } from '../../core/metrics.js'
import { blocksNeeded, crossesBlocks, type View } from '../../core/view.js'
import type { ResolvedIntervention } from '../edits/index.js'
import type { SweepSubject } from '../subject.js'
import type { BatchLimits } from './batches.js'
import { promptsPerChunk, rowsPerBatch, type Sizes } from './budget.js'
import { keptPoints, type KeptPoints } from './kept-points.js'
import { editsAfterHooks, neededView } from './needed-view.js'

export interface SweepLayout {
  /** Whether interventions can resume from a clean run: else each is a run of the whole batch of prompts. */
  readonly canResume: boolean
  /** The view with the SAEs that have to be run. */
  readonly view: View
  /** What clean runs keep. */
  readonly kept: KeptPoints
  readonly sizes: Sizes
  /**
   * Whether logits of one position of each prompt are read and nothing else, so that the last block is run for it alone. A
   * transcoder that reads in an earlier block needs all of its positions.
   */
  readonly readsOne: boolean
  /** Prompts that are run at once, from the clean run to the metric. */
  readonly chunk: number
  /** Source prompts that are run at once for their means. */
  readonly sourceChunk: number
}

export interface LayoutOptions {
  /** What the metric reads; undefined where it is a function of whole logits. */
  readonly reading: Reading | undefined
  /** Bytes. */
  readonly budget: number
}

export function layoutOf(
  { model, view, points, tokens }: SweepSubject,
  interventions: readonly ResolvedIntervention[],
  { reading, budget }: LayoutOptions,
): SweepLayout {
  const edits = interventions.flatMap((intervention) => intervention.edits)
  const canResume = view.stopAt === undefined && editsAfterHooks(view, edits)
  const read = reading?.hook
  const names = [...edits.map(({ point }) => point), ...view.hooks].map(({ name }) => name)
  const needed = neededView(view, read === undefined ? names : [...names, read])
  const kept = keptPoints(edits, needed, { reached: points, read })
  const sizes = { config: model.config, view: needed, points, positions: tokens.positions, reading }
  // lazy tensors are made of runs of their own
  const runs = edits.some(({ value }) => value.kind === 'lazy') ? 2 : 1
  const perChunk = promptsPerChunk(sizes, kept, budget / runs)
  const hasHooks = view.hooks.length > 0 // hook functions see whole batches
  const hasFunctions = interventions.some(({ functions }) => functions.length > 0)
  const inChunks = canResume && reading !== undefined && !hasHooks && !hasFunctions
  const readsOne = reading !== undefined && read === undefined && reading.positions[0]?.length === 1
  return {
    ...{ canResume, view: needed, kept, sizes },
    readsOne: readsOne && !needed.attached.some(crossesBlocks),
    chunk: inChunks ? perChunk : tokens.batch,
    sourceChunk: hasHooks ? Infinity : perChunk,
  }
}

/** The one position that is read of all these prompts, if nothing of the last block is looked at elsewhere. */
export function lastRead({ readsOne, kept, sizes }: SweepLayout, prompts: readonly number[]): number | undefined {
  const { reading, config } = sizes
  if (!reading || !readsOne || (blocksNeeded([...kept.keys()]) ?? Infinity) >= config.nLayers) return undefined
  const [last, ...others] = new Set(prompts.map((b) => reading.positions[b]?.[0]))
  return others.length === 0 ? last : undefined
}

/**
 * What batches are limited by.
 * @param batch B, prompts of the sweep
 * @param budget bytes
 */
export function batchLimits({ view, sizes }: SweepLayout, batch: number, budget: number): BatchLimits {
  return {
    together: !view.attached.some(crossesBlocks),
    step: sizes.reading ? 1 : batch,
    most: (positions) => rowsPerBatch(sizes, positions, budget),
  }
}
