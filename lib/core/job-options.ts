/** The options of everything that takes long. */
import type { OptionNames } from '../errors/options.js'

export interface JobOptions {
  /**
   * Called after each step with what is done and all there is to do (`Infinity` where nobody knows); `false` for
   * silence. @default a bar or a line with the time left, on stderr
   */
  readonly onProgress?: ((done: number, total: number) => void) | false
  /** Stops the job between two steps: it throws the signal's reason. */
  readonly signal?: AbortSignal
  /** A file for what is done so far. The same call, made again, continues from what is there. @default none */
  readonly checkpoint?: string
}

/** The options of a job that keeps nothing between two calls. */
export type ProgressOptions = Pick<JobOptions, 'onProgress' | 'signal'>

/** The names of `ProgressOptions`, for `checkOptions`. */
export const progressOptionNames: OptionNames<ProgressOptions> = { onProgress: true, signal: true }

/** The names of `JobOptions`, for `checkOptions`. */
export const jobOptionNames: OptionNames<JobOptions> = { ...progressOptionNames, checkpoint: true }
