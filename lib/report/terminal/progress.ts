/** A progress bar on stderr, so that stdout holds results alone. */
import { shorten, visibleControls } from '../table/token-text.js'

export interface Progress {
  /** Counts `n` more steps as done. @default 1 */
  tick(n?: number): void
  /** Ends the bar, with the time it took. Safe to call twice. */
  done(): void
}

/** Where progress is written to and what time it is; replaced in specs. */
export interface ProgressOutput {
  readonly stream: { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown }
  /** Milliseconds. */
  readonly now: () => number
}

/** Milliseconds from which on it is worth telling. */
const LONG = 1000

/**
 * Shows how many of `total` steps are done: on a terminal a bar with the time left, redrawn at most ten times a
 * second; elsewhere (a log file, CI) one line after the first second and one at the end. What takes less than a second
 * leaves no line. Of a `total` of Infinity, which nobody knows, it shows how many are done.
 */
export function progress(label: string, total: number, output: Partial<ProgressOutput> = {}): Progress {
  const { stream = process.stderr, now = () => performance.now() } = output
  const name = visibleControls(label)
  const start = now()
  let [count, drawn, told, ended] = [0, -Infinity, false, false]
  const isLong = () => now() - start >= LONG
  const draw = () => {
    drawn = now()
    stream.write(`\r\x1b[K${shorten(barLine(name, count, total, drawn - start), (stream.columns ?? 80) - 1)}`)
  }
  if (stream.isTTY) draw()
  return {
    tick(n = 1) {
      count += n
      if (ended || (stream.isTTY ? now() - drawn < 100 : told || !isLong())) return
      told = true
      if (stream.isTTY) draw()
      else stream.write(`${name}: ${total === Infinity ? 'begun' : `${total} to do`}\n`)
    },
    done() {
      if (ended) return
      ended = true
      if (stream.isTTY) stream.write('\r\x1b[K')
      if (isLong()) stream.write(`${name}: ${share(count, total)} in ${duration(now() - start)}\n`)
    },
  }
}

const share = (count: number, total: number): string => (total === Infinity ? `${count}` : `${count} of ${total}`)

function barLine(name: string, count: number, total: number, elapsed: number): string {
  if (total === Infinity) return `${name} ${count}, ${duration(elapsed)}`
  const part = total > 0 ? Math.min(1, count / total) : 1
  const filled = Math.round(part * 24)
  const left = count > 0 && part < 1 ? `, ${duration((elapsed / part) * (1 - part))} left` : ''
  return `${name} ${'█'.repeat(filled)}${'░'.repeat(24 - filled)} ${count}/${total}${left}`
}

/** What an analysis calls after each of its runs. Where the number of runs is known, the bar is there before the first. */
export function progressOf(label: string, runs?: number): (done: number, total: number) => void {
  let bar = runs === undefined ? undefined : progress(label, runs)
  return (done, total) => {
    bar ??= progress(label, total)
    bar.tick()
    if (done === total) bar.done()
  }
}

/** 0.4 s, 12 s, 3 min 5 s, 2 h 10 min. */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
