/** The course of a training: a result that draws its quantities as lines. */
import { z } from 'zod'
import { ArgumentError } from '../../lib/errors/errors.js'
import { didYouMean } from '../../lib/errors/nearest.js'
import { lines, type Figure } from '../../lib/report/figure/figure.js'
import type { JsonObject } from '../../lib/report/result/json.js'
import type { Provenance } from '../../lib/report/result/provenance.js'
import { readResult } from '../../lib/report/result/result-json.js'
import { Result } from '../../lib/report/result/result.js'

/** An entry of the history: means over the steps since the entry before; `dead` and the last two as they are. */
export interface TrainingEntry {
  /** Steps done. */
  readonly step: number
  readonly loss: number
  /** Mean ‖x̂ − x‖² of scaled inputs. */
  readonly mse: number
  /** 1 − Σ ‖x̂ − x‖² / Σ ‖x − x̄‖², x̄ the mean of each batch. */
  readonly explainedVariance: number
  readonly l0: number
  readonly dead: number
  /** λ, the weight of the sparsity loss; 1 where there is none. */
  readonly sparsity: number
  readonly learningRate: number
}

const quantities = ['loss', 'mse', 'explainedVariance', 'l0', 'dead', 'sparsity', 'learningRate'] as const

/** What an entry has besides its step: the labels of the history's axis `quantity`. */
export type TrainingQuantity = (typeof quantities)[number]

/** An entry as plain numbers, step first. */
export const entryRow = (entry: TrainingEntry): number[] => [entry.step, ...quantities.map((name) => entry[name])]

/** What a history holds besides its numbers. */
type HistoryExtra = {
  readonly hook: string
  readonly config: JsonObject
  readonly data: JsonObject
}

/**
 * The course of a training, [quantity, step]: loss, squared error, explained variance, L0, dead latents, λ, learning
 * rate. In files it is a `Result` like any other: `loadResult(path, TrainingHistory)` reads it as a history.
 *
 * @example
 * const { history } = await trainSae(model, data, { hook: 'blocks.2.hook_resid_pre', dSae: 768, steps: 3000 })
 * history.at('explainedVariance', -1) // of the last steps
 * history.plot(['l0', 'dead'])
 */
export class TrainingHistory extends Result<HistoryExtra> {
  static readonly extraSchema = z.object({
    hook: z.string(),
    config: z.record(z.string(), z.json()),
    data: z.record(z.string(), z.json()),
  })

  /** The history that `toJSON` was called on. @throws FileError when the value is no such JSON. */
  static override fromJSON(value: unknown): TrainingHistory {
    return new TrainingHistory(readResult(value, TrainingHistory))
  }

  /** The hook point that was trained on. */
  get hook(): string {
    return this.extra.hook
  }
  /** What was trained, with every default. */
  get config(): JsonObject {
    return this.extra.config
  }
  /** What it was trained on. */
  get data(): JsonObject {
    return this.extra.data
  }

  /**
   * Lines of some quantities over the steps.
   * @param names @default ['loss', 'mse']
   * @throws ArgumentError of an unknown quantity
   */
  override plot(names: readonly TrainingQuantity[] = ['loss', 'mse']): Figure {
    const unknown = names.find((name) => !quantities.includes(name))
    if (unknown !== undefined) {
      throw new ArgumentError(
        `plot: there is no '${unknown}'. A training has ${quantities.join(', ')}.${didYouMean(unknown, quantities)}`,
      )
    }
    const steps = this.axes.find(({ name }) => name === 'step')?.labels ?? []
    return lines({
      title: this.title,
      xTitle: 'step',
      x: steps.map(Number),
      series: names.map((name) => ({ name, y: this.select('quantity', name).values })),
    })
  }
}

/** Of rows as `entryRow` gives them. */
export function historyOf(
  rows: readonly (readonly number[])[],
  extra: HistoryExtra,
  provenance: Provenance,
): TrainingHistory {
  return new TrainingHistory({
    kind: 'sae training',
    title: `training of an SAE at ${extra.hook}`,
    unit: '',
    values: Float32Array.from(quantities.flatMap((_, i) => rows.map((row) => row[i + 1] ?? NaN))),
    axes: [
      { name: 'quantity', labels: quantities },
      { name: 'step', labels: rows.map(([step]) => String(step)) },
    ],
    provenance,
    extra,
  })
}
