/** How far a job has come, for the caller or on a bar. */
import { progress } from '../report/terminal/progress.js'
import type { JobOptions } from './job-options.js'

/** Where a job reports to. Dispose it, also after an error: a bar ends then. */
export interface JobProgress extends Disposable {
  /** Says that so many steps are done. */
  (done: number): void
}

/**
 * Where a job reports to: the caller's function, nobody for `false`, else a bar on stderr.
 *
 * @example
 * using report = jobProgress('latentDensity: rows', options, data.limit)
 * report(rows)
 * @param label what the bar is called
 * @param total steps in all @default Infinity, for a number that nobody knows
 */
export function jobProgress(
  label: string,
  { onProgress }: Pick<JobOptions, 'onProgress'>,
  total = Infinity,
): JobProgress {
  if (onProgress === false) return disposable(() => undefined)
  if (onProgress) return disposable((done) => onProgress(done, total))
  const bar = progress(label, total)
  let shown = 0
  const report = (done: number) => {
    bar.tick(done - shown)
    shown = done
    if (done >= total) bar.done()
  }
  return disposable(report, () => bar.done())
}

function disposable(report: (done: number) => void, end: () => void = () => undefined): JobProgress {
  return Object.assign((done: number) => report(done), { [Symbol.dispose]: end })
}
