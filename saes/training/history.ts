/** The course of a training as a result, and as a figure. */
import { ArgumentError } from '../../lib/errors/errors.js'
import { didYouMean } from '../../lib/errors/nearest.js'
import { lines, type Figure } from '../../lib/report/figure/figure.js'
import type { JsonObject } from '../../lib/report/result/json.js'
import type { Provenance } from '../../lib/report/result/provenance.js'
import { Result } from '../../lib/report/result/result.js'

/** What an entry of the history holds; means over the steps since the entry before, `dead` and the last two as they are. */
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
  /** Weight of the sparsity loss. */
  readonly sparsity: number
  readonly learningRate: number
}

const quantities = ['loss', 'mse', 'explainedVariance', 'l0', 'dead', 'sparsity', 'learningRate'] as const
export type TrainingQuantity = (typeof quantities)[number]

/** As a row of plain numbers, and back. */
export const entryRow = (entry: TrainingEntry): number[] => [entry.step, ...quantities.map((name) => entry[name])]
export const entryOf = ([step, ...values]: readonly number[]): TrainingEntry =>
  ({ step, ...Object.fromEntries(quantities.map((name, i) => [name, values[i]!])) }) as unknown as TrainingEntry

/** Axes [quantity, step]. */
export function historyResult(rows: readonly (readonly number[])[], provenance: Provenance, extra: JsonObject): Result {
  return new Result({
    kind: 'sae-training',
    title: `training of an SAE at ${String(extra['hook'])}`,
    unit: '',
    values: Float32Array.from(quantities.flatMap((_, i) => rows.map((row) => row[i + 1]!))),
    axes: [
      { name: 'quantity', labels: quantities },
      { name: 'step', labels: rows.map(([step]) => String(step)) },
    ],
    provenance,
    extra,
  })
}

/** Lines of a training's history: `drawFigure(trainingFigure(history))`. @throws ArgumentError of an unknown quantity */
export function trainingFigure(history: Result, names: readonly TrainingQuantity[] = ['loss', 'mse']): Figure {
  const [quantity, step] = history.axes
  const unknown = names.find((name) => !quantity?.labels.includes(name))
  if (history.kind !== 'sae-training' || unknown !== undefined) {
    const what = unknown === undefined ? `the result is of kind '${history.kind}'` : `there is no '${unknown}'`
    throw new ArgumentError(
      `trainingFigure: ${what}. Give the history of a training, and of ${quantities.join(', ')}.${didYouMean(unknown ?? '', quantities)}`,
    )
  }
  return lines({
    title: history.title,
    xTitle: 'step',
    x: step!.labels.map(Number),
    series: names.map((name) => ({ name, y: history.select('quantity', name).values })),
  })
}
