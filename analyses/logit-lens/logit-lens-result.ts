/** Trajectories of a prediction through the layers: what `logitLens` returns. */
import { z } from 'zod'
import { FileError } from '../../lib/errors/errors.js'
import type { JsonObject } from '../../lib/report/result/json.js'
import { lines, type Figure } from '../../lib/report/figure/figure.js'
import { Result } from '../../lib/report/result/result.js'
import { axisColumns, cellColumns, floatColumn, type Rows } from '../../lib/report/result/rows.js'
import { ResultRecord } from '../../lib/report/result/result-record.js'
import { readSaved, savedSchema } from '../../lib/report/result/saved.js'
import type { Table } from '../../lib/report/table/table.js'

/** What a `LogitLens` is made of. */
export interface LogitLensInit {
  readonly logProb: Result
  readonly rank: Result
  readonly entropy: Result
  readonly top: readonly (readonly number[])[]
}

const measures = ['logProb', 'rank', 'entropy'] as const

/** Plain data over the states `0_pre`, …, `final_post`: each a Result with axes [state, prompt]. */
export class LogitLens extends ResultRecord implements LogitLensInit {
  static readonly format = 'tfjs-lens-logit-lens'
  /** log p(answer), in nats. */
  readonly logProb: Result
  /** How many tokens have a higher logit than the answer: 0 is the top. */
  readonly rank: Result
  /** Entropy of the prediction, in nats. */
  readonly entropy: Result
  /** The top token of each state and prompt, [state][prompt] ids. */
  readonly top: readonly (readonly number[])[]

  constructor({ logProb, rank, entropy, top }: LogitLensInit) {
    super()
    ;[this.logProb, this.rank, this.entropy, this.top] = [logProb, rank, entropy, top]
  }

  /** All three: axes [measure, state, prompt]. */
  toResult(): Result {
    const { logProb } = this
    return new Result({
      ...logProb,
      title: 'logit lens',
      unit: '',
      axes: [{ name: 'measure', labels: measures }, ...logProb.axes],
      values: Float32Array.from(measures.flatMap((measure) => [...this[measure].values])),
    })
  }

  toTable(): Table {
    return this.logProb.toTable()
  }

  /** The log probability of each prompt's answer from state to state, one line a prompt. */
  override plot(): Figure {
    const [states, prompts] = this.logProb.axes.map(({ labels }) => labels)
    const series = (prompts ?? []).map((name, b) => ({ name, y: this.logProb.select('prompt', b).values }))
    return lines({ title: this.logProb.title, series, labels: states, xTitle: 'state', yTitle: 'nats' })
  }

  /** The three results, one after the other. */
  toString(): string {
    return measures.map((measure) => this[measure].toString()).join('\n')
  }

  /** A row a state and prompt: the three measures and the top token's id. */
  toRows(): Rows {
    const { values, axes } = this.logProb
    const ids = this.top.flat().map((id) => [id])
    const columns = [
      ...axisColumns(axes),
      ...measures.map((measure) => floatColumn(measure, this[measure].values)),
      ...cellColumns(['top'], ids),
    ]
    return { columns, length: values.length, header: { format: LogitLens.format } }
  }

  toJSON(): JsonObject {
    const results = measures.map((measure) => [measure, this[measure].toJSON()])
    return { format: LogitLens.format, version: 1, top: this.top, ...(Object.fromEntries(results) as JsonObject) }
  }

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static fromJSON(value: unknown): LogitLens {
    const { top, ...json } = readSaved('LogitLens', schema, value)
    const results = {
      logProb: Result.fromJSON(json.logProb),
      rank: Result.fromJSON(json.rank),
      entropy: Result.fromJSON(json.entropy),
    }
    const shape = [top.length, top[0]?.length ?? 0]
    const fits = measures.every((measure) => String(results[measure].shape) === String(shape))
    if (fits && top.every((ids) => ids.length === shape[1])) return new LogitLens({ ...results, top })
    throw new FileError('fromJSON: the results and the top tokens have other shapes. All are [state, prompt].')
  }
}

const schema = savedSchema(LogitLens.format, {
  top: z.array(z.array(z.int())),
  logProb: z.unknown(),
  rank: z.unknown(),
  entropy: z.unknown(),
})
