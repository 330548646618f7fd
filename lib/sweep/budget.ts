/** How much of a sweep runs at once: estimates of what a prompt's clean run and a batch's row take in memory. */
import type { ModelConfig } from '../transformer/architecture.js'
import { ArgumentError } from '../errors/errors.js'
import { axesOf, type HookPoint } from '../core/hooks.js'
import type { Reading } from '../core/metrics.js'
import { featureShape, type View } from '../core/view.js'
import type { Kept } from './clean.js'
import type { Group } from './plan.js'

const FLOAT = 4
/** 512 MiB. */
const DEFAULT = 2 ** 29
/** Rows beyond this make a batch no faster. */
const MOST_ROWS = 4096
/** Latents of an SAE whose number is not known, for each number it reads. */
const EXPANSION = 32

/** @throws ArgumentError for a budget that is no number of bytes. */
export function checkBudget(kind: string, budget: number = DEFAULT): number {
  if (typeof budget === 'number' && budget > 0) return budget
  throw new ArgumentError(`${kind}: budget is ${String(budget)}. Give a number of bytes, such as 2 ** 29.`)
}

export interface Sizes {
  readonly config: ModelConfig
  readonly view: View
  readonly points: ReadonlyMap<string, HookPoint>
  readonly positions: number
  readonly reading: Reading | undefined
}

/** Prompts whose clean run takes at most half of the budget. */
export function promptsAtOnce(sizes: Sizes, kept: Kept, budget: number): number {
  const { config, positions, points } = sizes
  const widths = [...kept].map(([name, places]) => widthOf(points.get(name)!, sizes, places?.size))
  const keys = 2 * config.nLayers * (config.nKeyValueHeads ?? config.nHeads) * config.dHead
  const kepts = widths.reduce((sum, width) => sum + width, keys + config.dModel)
  return Math.max(1, Math.floor(budget / 2 / (FLOAT * positions * (kepts + passWidth(sizes)))))
}

/** Rows of a group that run together within half of the budget. */
export function rowsAtOnce(sizes: Sizes, { begin, end }: Pick<Group, 'begin' | 'end'>, budget: number): number {
  const { config, reading } = sizes
  const count = end - begin
  const scores = 4 * config.nHeads * count * end
  const past = 4 * begin * (config.nKeyValueHeads ?? config.nHeads) * config.dHead
  const columns = reading?.columns?.length ?? config.dVocab
  const read = 4 * (reading?.positions[0]!.length ?? end) * (reading?.hook === undefined ? columns : 0)
  const row = FLOAT * (count * passWidth(sizes) + scores + past + read)
  return Math.min(MOST_ROWS, Math.max(1, Math.floor(budget / 2 / row)))
}

/** Numbers that live at once for each position of a pass. */
function passWidth({ config, view }: Sizes): number {
  return 16 * config.dModel + 6 * config.dMlp + view.attached.length * 3 * EXPANSION * config.dModel
}

function widthOf(point: HookPoint, { config, positions }: Sizes, units: number | undefined): number {
  const features = featureShape(point, config)
  const letters = axesOf(point.shape).filter((axis) => axis !== 'B' && axis !== 'P')
  const sizes = letters.map((axis, i) => ('HGSM'.includes(axis) ? units : undefined) ?? features[i] ?? EXPANSION * config.dModel) // prettier-ignore
  const keys = point.shape.endsWith('P,P]') ? positions : 1
  return sizes.reduce((product, n) => product * n, keys)
}
