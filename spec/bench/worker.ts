/**
 * Our side of the benchmark, a process of its own that is spoken to as spec/bench/peer.py --serve is: a first line
 * `{"ready": true, …}`, then one line of JSON for each line `JOB` of stdin. Started as `worker.ts FOLDER`.
 */
import { createInterface } from 'node:readline'
import { useBackend } from '../../lib/backend/backend.js'
import type { JobName } from './job-names.js'
import type { Prepared } from './job.js'
import { jobs } from './jobs.js'
import { Material } from './material.js'
import { matmulLimit } from './matmul-limit.js'
import { forgetPeak, peakRssMb } from './process-memory.js'

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
console.log = console.error // JSON alone on stdout

const prepared = new Map<string, Prepared<unknown>>()

/** One timed run. What the job needs is loaded before, and numbers are read out after. */
async function runOnce(material: Material, name: JobName): Promise<object> {
  const ready = prepared.get(name) ?? (await jobs[name](material))
  prepared.set(name, ready)
  globalThis.gc?.()
  forgetPeak()
  const [start, startCpu] = [performance.now(), process.cpuUsage()]
  const result = await ready.run()
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(startCpu)
  const peak = peakRssMb()
  const report = ready.report(result)
  ready.dispose(result)
  return { job: name, seconds: [seconds], cpu_seconds: [(user + system) / 1e6], peak_rss_mb: peak, ...report }
}

async function answer(folder: string, line: string): Promise<object> {
  try {
    const material = await Material.open(folder)
    if (line === 'matmul_limit') return { job: line, gflops: matmulLimit(await material.width()) }
    return await runOnce(material, line as JobName)
  } catch (error) {
    return { job: line, error: error instanceof Error ? error.message : String(error) }
  }
}

const { name, detail } = await useBackend()
// the other backends compute on one thread of the CPU, whatever they are told
const threads = name.startsWith('tfjs-node') ? Number(process.env['TF_NUM_INTRAOP_THREADS']) : 1
say({ ready: true, backend: name, detail, threads })
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'quit') break
  say(await answer(process.argv[2] ?? '', line))
}
process.exit(0)
