/** The options of everything that takes long. */

export interface JobOptions {
  /** Called after each step; `false` for silence. @default a bar or a line with the time left, on stderr */
  readonly onProgress?: ((done: number, total: number) => void) | false
  /** Stops the job between two steps: it throws the signal's reason. */
  readonly signal?: AbortSignal
  /** A file for what is done so far. The same call, made again, continues from what is there. @default none */
  readonly checkpoint?: string
}
