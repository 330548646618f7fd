/** What a sweep has found so far, and which interventions are done. */
import type { JobProgress } from '../../core/job-progress.js'
import type { ResumeFile, SweepState } from './resume-file.js'

/** Metrics minus the baseline, [interventions · columns], and the baseline [columns]: a column a prompt, or one. */
export interface SweepValues {
  readonly values: Float32Array
  readonly baseline: Float32Array
  /** The metric on the source prompts, where edits take anything from them and the metric is data: one number a prompt. */
  readonly source: Float32Array | undefined
}

export interface SweepProgressInit {
  /** How many there are. */
  readonly interventions: number
  /** B, prompts. */
  readonly batch: number
  /** Is told how many interventions are done. */
  readonly report: JobProgress
  readonly file: ResumeFile | undefined
}

/** Row i · B + b is intervention i on prompt b. Dispose it: a bar ends then. */
export class SweepProgress implements Disposable {
  readonly #options: SweepProgressInit
  readonly #state: SweepState
  /** Prompts of each intervention that are still to be done. */
  readonly #left: Int32Array
  #finished = 0
  /** The baseline that the file has. */
  #stored: Float32Array | undefined
  #source: Float32Array | undefined

  constructor(options: SweepProgressInit) {
    const { interventions, batch } = options
    const size = interventions * batch
    this.#options = options
    this.#state = { values: new Float32Array(size), done: new Uint8Array(size), baseline: new Float32Array(batch) }
    this.#left = new Int32Array(interventions).fill(batch)
  }

  /** Takes over what an earlier sweep left in the file. @throws FileError, MismatchError for a file of something else */
  async resume(): Promise<void> {
    this.#stored = await this.#options.file?.read(this.#state)
    this.#state.done.forEach((done, row) => done && this.#countOff(row))
  }

  isDone(row: number): boolean {
    return this.#state.done[row] === 1
  }

  /** The metric of the clean run: of some prompts, or one for all. @throws MismatchError where the file has another */
  setBaseline(numbers: Float32Array, prompts: readonly number[]): void {
    const [first = 0] = prompts
    if (numbers.length < prompts.length) this.#state.baseline = numbers
    else this.#state.baseline.set(numbers, first)
    const stored = this.#stored?.slice(first, first + numbers.length)
    if (stored) this.#options.file?.check(stored, numbers)
  }

  /** The metric on the source prompts of some prompts. */
  setSource(numbers: Float32Array, prompts: readonly number[]): void {
    this.#source ??= new Float32Array(this.#options.batch)
    this.#source.set(numbers, prompts[0])
  }

  /** Rows' metrics, or one number for all of them. */
  record(rows: readonly number[], numbers: Float32Array): void {
    const { values, baseline } = this.#state
    const one = this.#isOne
    rows.forEach((row, i) => (values[row] = numbers[one ? 0 : i]! - baseline[one ? 0 : row % this.#options.batch]!))
    this.finish(rows)
  }

  /** Rows that are done; without `record`, they change nothing. */
  finish(rows: readonly number[]): void {
    for (const row of rows) {
      this.#state.done[row] = 1
      this.#countOff(row)
    }
  }

  #countOff(row: number): void {
    const intervention = Math.floor(row / this.#options.batch)
    if (--this.#left[intervention]! === 0) this.#options.report(++this.#finished)
  }

  /** Writes what there is to the file, if the last time was a while ago or it has to be. */
  async save(always = false): Promise<void> {
    await this.#options.file?.write(this.#state, always)
  }

  /** Whether the metric gives one number for all prompts. */
  get #isOne(): boolean {
    return this.#state.baseline.length !== this.#options.batch
  }

  [Symbol.dispose](): void {
    this.#options.report[Symbol.dispose]()
  }

  get result(): SweepValues {
    const { values, baseline } = this.#state
    const all = this.#isOne ? values.filter((_, i) => i % this.#options.batch === 0) : values
    return { values: all, baseline, source: this.#source }
  }
}
