/** How much of a sweep runs at once: estimates of what a prompt's clean run and a batch's row take in memory. */
import type { ModelConfig } from '../../transformer/architecture.js'
import { ArgumentError } from '../../errors/errors.js'
import { axesOf, type HookPoint } from '../../core/hooks.js'
import type { Reading } from '../../core/metrics.js'
import { featureShape } from '../../core/axes.js'
import type { View } from '../../core/view.js'
import type { KeptPoints } from './kept-points.js'

/** Bytes of a number. */
const FLOAT = 4
/** 512 MiB. */
const DEFAULT_BUDGET = 2 ** 29
/** Rows beyond this make a batch no faster. */
const MOST_ROWS = 4096
/** Latents of an SAE whose number is not known, for each number it reads. */
const EXPANSION = 32

/** @throws ArgumentError for a budget that is no number of bytes */
export function checkBudget(kind: string, budget: number = DEFAULT_BUDGET): number {
  if (typeof budget === 'number' && budget > 0) return budget
  throw new ArgumentError(`${kind}: budget is ${String(budget)}. Give a number of bytes, such as 2 ** 29.`)
}

/** What memory depends on. */
export interface Sizes {
  readonly config: ModelConfig
  /** The view with the SAEs that are run. */
  readonly view: View
  readonly points: ReadonlyMap<string, HookPoint>
  /** P */
  readonly positions: number
  /** What the metric reads; undefined where it is a function of whole logits. */
  readonly reading: Reading | undefined
}

/** Prompts whose clean run takes at most half of the budget. */
export function promptsPerChunk(sizes: Sizes, kept: KeptPoints, budget: number): number {
  const { config, positions, points } = sizes
  const keysValues = 2 * config.nLayers * headsOfKeys(config) * config.dHead
  const activations = [...kept].map(([name, units]) => widthOf(points.get(name)!, sizes, units?.size))
  const width = activations.reduce((sum, own) => sum + own, keysValues + config.dModel) + passWidth(sizes)
  return Math.max(1, Math.floor(budget / 2 / (FLOAT * positions * width)))
}

/** Rows of positions [begin, end) that run together within half of the budget. */
export function rowsPerBatch(
  sizes: Sizes,
  { begin, end }: { readonly begin: number; readonly end: number },
  budget: number,
): number {
  const { config, reading } = sizes
  const count = end - begin
  const scores = 4 * config.nHeads * count * end
  const past = 4 * begin * headsOfKeys(config) * config.dHead
  const columns = reading?.columns?.length ?? config.dVocab
  const read = 4 * (reading?.positions[0]?.length ?? end) * (reading?.hook === undefined ? columns : 0)
  const row = FLOAT * (count * passWidth(sizes) + scores + past + read)
  return Math.min(MOST_ROWS, Math.max(1, Math.floor(budget / 2 / row)))
}

const headsOfKeys = ({ nHeads, nKeyValueHeads = nHeads }: ModelConfig): number => nKeyValueHeads

/** Numbers that live at once for each position of a pass. */
function passWidth({ config, view }: Sizes): number {
  return 16 * config.dModel + 6 * config.dMlp + view.attached.length * 3 * EXPANSION * config.dModel
}

/** Numbers of an activation for each position, of some units alone where their count is given. */
function widthOf(point: HookPoint, { config, positions }: Sizes, units: number | undefined): number {
  const features = featureShape(point, config)
  const axes = axesOf(point.shape).filter((axis) => axis !== 'B' && axis !== 'P')
  const lengths = axes.map((axis, i) => {
    const chosen = 'HGSM'.includes(axis) ? units : undefined
    return chosen ?? features[i] ?? EXPANSION * config.dModel
  })
  const keys = point.shape.endsWith('P,P]') ? positions : 1
  return lengths.reduce((product, n) => product * n, keys)
}
