/** One job, both sides in turn: from their answers to the line that is printed. */
import type { JsonObject } from '../../lib/report/result/json.js'
import { firstDisagreement, type Check, type Ties } from './agree.js'
import type { JobName } from './job-names.js'
import type { Answer, Side } from './side.js'
import { startOurs, startPeer } from './sides.js'

export interface BenchOptions {
  readonly folder: string
  readonly threads: number
  /** Runs of each side that count. */
  readonly repeat: number
  /** A Python with the peer. */
  readonly peer?: string
}

/**
 * Seconds up to which a job is run twice at each turn and the second run counts: a short one would begin with what the
 * other side's turn left of the caches, and be measured by that.
 */
const SHORT = 3

/** Runs a job on a fresh process of each side: A B A B …, the first of each dropped. Times are medians, in seconds. */
export async function measure(job: JobName, options: BenchOptions, limit: number): Promise<JsonObject> {
  const sides: Side[] = []
  try {
    const [ours, ready] = await startOurs(options.folder, options.threads)
    sides.push(ours)
    if (options.peer !== undefined) sides.push((await startPeer(options.peer, options.folder, options.threads))[0])
    const answers = await takeTurns(sides, job, options.repeat)
    return line(job, answers[0]!, answers[1], ready, limit)
  } finally {
    await Promise.all(sides.map((side) => side.stop()))
  }
}

/** All answers of each side, the dropped first ones too. */
async function takeTurns(sides: readonly Side[], job: JobName, repeat: number): Promise<Answer[][]> {
  const answers = sides.map((): Answer[] => [])
  for (let turn = 0; turn <= repeat; turn++) {
    for (const [i, side] of sides.entries()) {
      const answer = await side.ask(job)
      const isShort = turn > 0 && sides.length > 1 && (answer['seconds'] as number[])[0]! < SHORT
      answers[i]!.push(isShort ? await side.ask(job) : answer)
    }
  }
  return answers
}

function line(
  job: JobName,
  ours: readonly Answer[],
  peer: readonly Answer[] | undefined,
  ready: Answer,
  limit: number,
): JsonObject {
  const [oursRuns, peerRuns] = [runsOf(ours, 'seconds'), peer && runsOf(peer, 'seconds')]
  const [seconds, peerSeconds] = [median(oursRuns), peerRuns ? median(peerRuns) : null]
  const last = ours.at(-1)!
  const disagreement =
    peer && firstDisagreement(last['check'] as Check, peer.at(-1)!['check'] as Check, last['ties'] as Ties | undefined)
  const gflops = typeof last['flops'] === 'number' ? last['flops'] / seconds / 1e9 : undefined
  return {
    job,
    ours: seconds,
    peer: peerSeconds,
    ratio: peerSeconds === null ? null : digits(peerSeconds / seconds, 4),
    agree: peer ? disagreement === undefined : null,
    ...(disagreement !== undefined && { disagreement }),
    oursRuns,
    peerRuns: peerRuns ?? null,
    spread: { ours: spread(oursRuns), peer: peerRuns ? spread(peerRuns) : null },
    oursCpu: median(runsOf(ours, 'cpu_seconds')),
    peerCpu: peer ? median(runsOf(peer, 'cpu_seconds')) : null,
    oursPeakRssMb: peakOf(ours),
    peerPeakRssMb: peer ? peakOf(peer) : null,
    ...(gflops !== undefined && { gflops: digits(gflops, 4), share: digits(gflops / limit, 3) }),
    backend: ready['backend'],
    threads: ready['threads'],
    ...(peer && { peerThreads: peer[0]!['threads'], peerWait: peer[0]!['omp_wait_policy'] }),
    work: last['work'],
  }
}

/** Wall or processor seconds of the runs that count. */
function runsOf(answers: readonly Answer[], time: 'seconds' | 'cpu_seconds'): number[] {
  return answers.slice(1).map((answer) => digits((answer[time] as number[])[0]!, 5))
}

function peakOf(answers: readonly Answer[]): number {
  return Math.max(...answers.map((answer) => answer['peak_rss_mb'] as number))
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Slowest less fastest, as a share of the median. */
function spread(runs: readonly number[]): number {
  return digits((Math.max(...runs) - Math.min(...runs)) / median(runs), 3)
}

function digits(value: number, count: number): number {
  return Number(value.toPrecision(count))
}
