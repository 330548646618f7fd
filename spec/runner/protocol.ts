/** What the runner and its processes say to each other. */

/** Begins the line of stdout that ends a file: no spec prints a record separator. */
export const MARK = '\u001e'

/** What a process is started with, as JSON. */
export interface WorkerOptions {
  readonly grep: string | undefined
  readonly color: boolean
}

/** What a process says first: which backend it computes on. */
export interface Greeting {
  readonly backend: string
}

/** How a file ended. */
export interface FileReport {
  readonly passed: number
  readonly failed: number
  /** Mocha's list of failures, empty without any. */
  readonly failures: string
}
