/** What a sweep has found so far, and which interventions are done. */
import type { PartialFile, Progress } from './partial.js'

/** Metrics minus the baseline, [interventions · columns], and the baseline [columns]: a column a prompt, or one. */
export interface SweepValues {
  readonly values: Float32Array
  readonly baseline: Float32Array
  /** The metric on the source prompts, where edits take anything from them and the metric is data: one number a prompt. */
  readonly source: Float32Array | undefined
}

/** Row i · B + b is intervention i on prompt b. */
export class Ledger {
  readonly #progress: Progress
  readonly #batch: number
  readonly #report: (done: number, total: number) => void
  readonly #file: PartialFile | undefined
  /** Prompts of each intervention that are still to be done. */
  readonly #left: Int32Array
  #finished = 0
  #before: Float32Array | undefined
  #source: Float32Array | undefined

  constructor(
    interventions: number,
    batch: number,
    report: (done: number, total: number) => void,
    file: PartialFile | undefined,
  ) {
    const size = interventions * batch
    this.#progress = { values: new Float32Array(size), done: new Uint8Array(size), baseline: new Float32Array(batch) }
    this.#left = new Int32Array(interventions).fill(batch)
    this.#batch = batch
    this.#report = report
    this.#file = file
  }

  /** Takes over what an earlier sweep left in the file. */
  async resume(): Promise<void> {
    this.#before = await this.#file?.read(this.#progress)
    this.#progress.done.forEach((done, row) => done && this.#countOff(row))
  }

  isDone(row: number): boolean {
    return this.#progress.done[row] === 1
  }

  /** The metric of the clean run: of some prompts, or one for all. @throws MismatchError where the file has another */
  setBaseline(numbers: Float32Array, prompts: readonly number[]): void {
    if (numbers.length < prompts.length) this.#progress.baseline = numbers
    else this.#progress.baseline.set(numbers, prompts[0])
    const known = this.#before?.slice(prompts[0], prompts[0]! + numbers.length)
    if (known) this.#file!.check(known, numbers)
  }

  /** The metric on the source prompts of some prompts. */
  setSource(numbers: Float32Array, prompts: readonly number[]): void {
    this.#source ??= new Float32Array(this.#batch)
    this.#source.set(numbers, prompts[0])
  }

  /** Rows' metrics, or one number for all of them. */
  record(rows: readonly number[], numbers: Float32Array): void {
    const { values, baseline } = this.#progress
    const one = baseline.length !== this.#batch
    rows.forEach((row, i) => (values[row] = numbers[one ? 0 : i]! - baseline[one ? 0 : row % this.#batch]!))
    this.finish(rows)
  }

  /** Rows that are done; without `record`, they change nothing. */
  finish(rows: readonly number[]): void {
    for (const row of rows) {
      this.#progress.done[row] = 1
      this.#countOff(row)
    }
  }

  #countOff(row: number): void {
    const intervention = Math.floor(row / this.#batch)
    if (--this.#left[intervention]! === 0) this.#report(++this.#finished, this.#left.length)
  }

  /** Writes what there is to the file, if the last time was a while ago or it has to be. */
  async save(always = false): Promise<void> {
    await this.#file?.write(this.#progress, always)
  }

  get result(): SweepValues {
    const { values, baseline } = this.#progress
    const source = this.#source
    if (baseline.length === this.#batch) return { values, baseline, source }
    return { values: values.filter((_, i) => i % this.#batch === 0), baseline, source } // one number for all prompts
  }
}
