/** From what is read of runs to the metric's numbers, which go into the sweep's progress. */
import * as tf from '@tensorflow/tfjs'
import { checkMetric, type MetricFunction, type Reading } from '../../core/metrics.js'
import type { Tokens } from '../../tokens/tokens.js'
import { promptIndices } from '../edits/index.js'
import type { SweepMetric } from './sweep-metric.js'
import type { SweepProgress } from './sweep-progress.js'

/** What the metric reads of a run of some prompts without edits. */
export interface Unedited {
  /** [b,n,C], or logits [B,P,V] for a function of whole logits. */
  readonly read: tf.Tensor3D
  readonly prompts: readonly number[]
}

export class MetricReader {
  readonly #metric: SweepMetric
  readonly #tokens: Tokens
  readonly #progress: SweepProgress

  constructor(metric: SweepMetric, tokens: Tokens, progress: SweepProgress) {
    this.#metric = metric
    this.#tokens = tokens
    this.#progress = progress
  }

  /** The metric without interventions, and of what is read of the source prompts, which is disposed. */
  async baseline({ read, prompts }: Unedited, source?: tf.Tensor3D): Promise<void> {
    const { reading, onLogits } = this.#metric
    const metricOf = (x: tf.Tensor3D) =>
      reading ? numbersOf(() => reading.of(x, prompts, read)) : this.#ofLogits(onLogits, () => x.clone())
    try {
      this.#progress.setBaseline(await metricOf(read), prompts)
      if (source) this.#progress.setSource(await metricOf(source), prompts)
    } finally {
      source?.dispose()
    }
  }

  /** Records what the metric makes of what was read of rows, row i · B + b being intervention i on prompt b. */
  async record(read: tf.Tensor3D, rows: readonly number[], unedited: Unedited): Promise<void> {
    const { reading, onLogits } = this.#metric
    if (reading) await this.#recordRows(reading, { read, rows }, unedited)
    else await this.#recordBatches(onLogits, { read, rows })
  }

  async #recordRows(reading: Reading, { read, rows }: RowsRead, unedited: Unedited): Promise<void> {
    const prompts = rows.map((row) => row % this.#tokens.batch)
    const numbers = await numbersOf(() => {
      const before = reading.needsClean
        ? tf.gather(unedited.read, promptIndices(prompts, unedited.prompts[0] ?? 0))
        : undefined
      return reading.of(read, prompts, before)
    })
    this.#progress.record(rows, numbers)
  }

  /** Logits [n·B,P,V] of n interventions, by a function of [B,P,V]. */
  async #recordBatches(metric: MetricFunction, { read, rows }: RowsRead): Promise<void> {
    const { batch } = this.#tokens
    for (let at = 0; at < rows.length; at += batch) {
      const logits = () => (rows.length === batch ? read.clone() : read.slice<tf.Tensor3D>([at, 0, 0], [batch, -1, -1]))
      this.#progress.record(rows.slice(at, at + batch), await this.#ofLogits(metric, logits))
    }
  }

  /** A function of whole logits [B,P,V]. @throws ShapeError for something that is no metric */
  #ofLogits(metric: MetricFunction, logits: () => tf.Tensor3D): Promise<Float32Array> {
    return numbersOf(() => {
      const value: unknown = metric(logits())
      checkMetric('metric', value, this.#tokens)
      return value.flatten()
    })
  }
}

/** What is read of some rows. */
interface RowsRead {
  readonly read: tf.Tensor3D
  readonly rows: readonly number[]
}

/** The numbers of a tensor that is made in a tidy of its own. */
async function numbersOf(make: () => tf.Tensor): Promise<Float32Array> {
  const numbers = tf.tidy(make)
  try {
    return Float32Array.from(await numbers.data())
  } finally {
    numbers.dispose()
  }
}
