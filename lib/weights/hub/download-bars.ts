/** Downloads as progress bars on stderr. */
import type { DownloadEvent } from './download-events.js'
import { progress, type Progress, type ProgressOutput } from '../../report/terminal/progress.js'

/** Smaller files come too fast for a bar (bytes). */
const WORTH_A_BAR = 5e6

/** Takes the events of downloads and shows a bar, in megabytes, for each large file. */
export function downloadBars(output: Partial<ProgressOutput> = {}): (event: DownloadEvent) => void {
  const bars = new Map<string, { bar: Progress; shown: number }>()
  return (event) => {
    const key = `${event.name}/${event.file}`
    if (event.status === 'done') bars.get(key)?.bar.done()
    if (event.status !== 'progress' || event.total < WORTH_A_BAR) return
    const megabytes = (bytes: number) => Math.round(bytes / 1e6)
    const one = bars.get(key) ?? { bar: progress(`${key} (MB)`, megabytes(event.total), output), shown: 0 }
    bars.set(key, one)
    one.bar.tick(megabytes(event.loaded) - one.shown)
    one.shown = megabytes(event.loaded)
  }
}
