/** The benchmark: its lines, its words, who is asked when, and what counts as agreement. Times are never judged. */
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { Command } from 'commander'
import { firstDisagreement, type Check, type Ties } from './agree.js'
import { forwardFlops, gradientFlops } from './flops.js'
import { largest, logitTie } from './job.js'
import { JOB_NAMES } from './job-names.js'
import { jobs } from './jobs.js'
import { register } from './main.js'
import { Material } from './material.js'
import { limitSizes } from './matmul-limit.js'
import { median } from './measure.js'
import { makeOurModels } from './sides.js'
import { withTypeScript } from '../support/loader.js'
import { refusalOf } from '../support/refusal.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

interface Line {
  readonly [key: string]: unknown
  readonly job: string
  readonly error?: string
}

interface Run {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** The lines of JSON. */
  readonly lines: Line[]
  /** What it left in its temporary folder. */
  readonly left: string[]
}

/** The command `bench …`, in a temporary folder of its own that must be empty again at the end. */
async function bench(...args: string[]): Promise<Run> {
  const TMPDIR = mkdtempSync(join(tmpdir(), 'bench-spec-'))
  const command = [...withTypeScript, 'spec/commands.ts', 'bench', ...args]
  const env = { ...process.env, TMPDIR, TF_NUM_INTRAOP_THREADS: '1' }
  const child = spawn(process.execPath, command, { cwd: ROOT, env })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  const left = readdirSync(TMPDIR).filter((name) => name.startsWith('tfjs-lens-bench-'))
  rmSync(TMPDIR, { recursive: true })
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'))
  return { code, lines: lines.map((line) => JSON.parse(line) as Line), stdout, stderr, left }
}

describe('bench', function () {
  this.timeout(300_000) // each job is a process of its own

  it('runs its jobs on models of its own, prints a line for each and removes the models', async () => {
    const withFlops = ['forward_8x64', 'cache_all_8x64', 'cache_resid_8x64', 'grad_8x64']
    const names = [...withFlops, 'latent_ablation_50'] // a few, as each is a process of its own; all are run below
    const { code, lines, left, stderr } = await bench('--size', 'tiny', '--repeat', '1', '--jobs', names.join(','))
    expect(code, stderr).to.equal(0)
    expect(lines.map(({ job }) => job)).to.deep.equal(['matmul_limit', ...names])
    const limit = lines[0]!['gflops'] as Record<string, number>
    expect(limit['512x24x96']).to.be.greaterThan(0)
    expect(limit['64']).to.be.greaterThan(0)
    for (const line of lines.slice(1)) {
      expect(line, line.job).to.include({ peer: null, ratio: null, agree: null, peerRuns: null, peerPeakRssMb: null })
      expect(line['ours'], line.job).to.be.greaterThan(0)
      expect(line['oursRuns'], line.job).to.deep.equal([line['ours']])
      expect(line['oursCpu'], line.job).to.be.greaterThan(0)
      expect(line['oursPeakRssMb'], line.job).to.be.greaterThan(20)
      expect(Object.keys(line['work'] as object), line.job).to.have.length.greaterThan(0)
      expect(line['backend'], line.job).to.be.a('string')
    }
    for (const job of withFlops) {
      const line = lines.find((l) => l.job === job)!
      expect(line['gflops'], job).to.be.greaterThan(0)
      // the share is printed with three digits (at most 5e-3 off), the number with four (5e-4)
      const gflops = line['gflops'] as number
      const share = gflops / Math.max(...Object.values(limit))
      expect(line['share'], job).to.be.closeTo(share, 5.6e-3 * share)
    }
    expect(lines.find(({ job }) => job === 'latent_ablation_50')!['work']).to.deep.equal({ prompts: [8, 16], runs: 51 })
    expect(left).to.deep.equal([])
  })

  it('lists its jobs', async () => {
    const { stdout, code } = await bench('--list')
    expect(stdout.trim().split('\n')).to.deep.equal([...JOB_NAMES])
    expect(code).to.equal(0)
  })

  it('says what it refuses on stderr alone, and ends with 1', async () => {
    const { code, stdout, stderr } = await bench('--repeat', '0')
    expect(stderr).to.equal("bench: --repeat is '0'. It must be a whole number from 1.\n")
    expect([stdout, code]).to.deep.equal(['', 1])
  })

  const refused: Record<string, [args: string[], words: string]> = {
    'an unknown job': [
      ['--jobs', 'load,forward_8x46'],
      "bench: there is no job 'forward_8x46'. Did you mean 'forward_8x64'? The jobs are load, load_sae, forward_8x64,",
    ],
    'no job': [['--jobs', ','], "bench: there is no job ','. The jobs are load,"],
    'a folder without inputs': [['--models', 'spec'], "bench: there is no inputs.json in 'spec'. Make the folder with"],
    'no runs': [['--repeat', '0'], "bench: --repeat is '0'. It must be a whole number from 1."],
    'an unknown size': [['--size', 'big'], "bench: --size is 'big'. It must be small or tiny."],
    'a size beside models': [['--size', 'tiny', '--models', 'x'], 'bench: --size tiny beside --models.'],
  }
  for (const [title, [args, words]] of Object.entries(refused)) {
    it(`refuses ${title}`, async () => {
      const program = new Command()
      register(program)
      expect(await refusalOf(() => program.parseAsync(['bench', ...args], { from: 'user' }))).to.include(words)
    })
  }

  describe('with a folder of models', () => {
    let folder: string
    let log: string
    let peer: string

    /** A peer that knows load_sae alone; it writes down what it is asked, and takes 1, 2, 3 … seconds. */
    const script = () => `#!${process.execPath}
const { appendFileSync } = require('node:fs')
const note = (text) => appendFileSync(${JSON.stringify(log)}, text + '\\n')
note(process.argv.slice(3).join(' '))
console.log('a library says hello')
console.log(JSON.stringify({ ready: true }))
let count = 0
require('node:readline').createInterface({ input: process.stdin }).on('line', (job) => {
  note(job)
  if (job !== 'load_sae') return console.log(JSON.stringify({ job, error: 'no such job' }))
  const check = { W_enc: [0, 0, 0], W_dec: [0, 0, 0], b_enc: [0, 0, 0] }
  count++
  const about = { threads: 1, omp_wait_policy: 'PASSIVE' }
  const times = { seconds: [count], cpu_seconds: [2 * count] }
  console.log(JSON.stringify({ job, ...times, check, peak_rss_mb: 100 + count, ...about }))
})
`

    before(async () => {
      folder = mkdtempSync(join(tmpdir(), 'bench-spec-'))
      mkdirSync(join(folder, 'models'))
      await makeOurModels(join(folder, 'models'), 'tiny', 1)
      log = join(folder, 'log')
      peer = join(folder, 'peer')
      writeFileSync(peer, script())
      chmodSync(peer, 0o755)
    })
    after(() => rmSync(folder, { recursive: true }))

    it('does each job, and reads finite numbers out of what it gives', async () => {
      const material = await Material.open(join(folder, 'models'))
      for (const name of JOB_NAMES) {
        const ready = await jobs[name](material)
        const result = await ready.run()
        const { work, check } = ready.report(result)
        ready.dispose(result)
        expect(Object.keys(work), name).to.have.length.greaterThan(0)
        expect(JSON.stringify(check), name).to.match(/[0-9]/).and.not.include('null')
      }
      const loaded = [material.model(), material.sae('gpt2-small-sae'), material.sae('gpt2-small-sae-z')]
      for (const one of await Promise.all(loaded)) one.dispose()
    })

    it('takes turns with a peer, drops the first runs and those before short ones, and reports both', async () => {
      const models = join(folder, 'models')
      const { code, lines } = await bench('--models', models, '--peer', peer, '--jobs', 'load_sae', '--repeat', '3')
      expect(code).to.equal(0)
      const line = lines[1]!
      expect(line['peerRuns']).to.deep.equal([3, 4, 5]) // the second run took 2 s, so it was followed by another
      expect(line['peer']).to.equal(4)
      expect(line['oursRuns']).to.have.length(3)
      expect(line['ratio']).to.be.closeTo(4 / (line['ours'] as number), 1e-3 * (4 / (line['ours'] as number)))
      expect(line['peerCpu']).to.equal(8)
      expect(line['peerPeakRssMb']).to.equal(105)
      expect([line['threads'], line['peerThreads']]).to.deep.equal([1, 1])
      expect(line['peerWait']).to.equal('PASSIVE')
      expect(line['agree']).to.equal(false)
      expect(line['disagreement']).to.match(/^W_enc\[0\]: -?[\d.e-]+, the peer has 0 /)
      const asked = readFileSync(log, 'utf8').trim().split('\n')
      expect(asked).to.deep.equal([`--models ${models} --serve --threads 1`, ...Array<string>(5).fill('load_sae')])
    })

    it('says which job failed, does the others and ends with 1', async () => {
      const models = join(folder, 'models')
      const { code, lines } = await bench(
        '--models',
        models,
        '--peer',
        peer,
        '--jobs',
        'load,load_sae',
        '--repeat',
        '1',
      )
      expect(code).to.equal(1)
      expect(lines[1]).to.deep.equal({ job: 'load', error: 'peer: no such job' })
      expect(lines[2]!.job).to.equal('load_sae')
      expect(lines[2]!['ratio']).to.be.a('number')
    })

    it('says why a peer cannot be started', async () => {
      const nowhere = join(folder, 'nowhere')
      const { code, lines } = await bench('--models', join(folder, 'models'), '--peer', nowhere, '--jobs', 'load_sae')
      expect(code).to.equal(1)
      expect(lines[1]!.error).to.equal(`peer: the process ended. spawn ${nowhere} ENOENT`)
    })
  })
})

describe('agreement of results', () => {
  // each pair at the two sides of its tolerance, which spec/bench/README.md gives
  const cases: [title: string, ours: Check, peer: Check, ties: Ties, disagreement: string | undefined][] = [
    ['equal', { loss: 10.5, W_E_row_mean: true }, { loss: 10.5, W_E_row_mean: true }, {}, undefined],
    ['values within 1e-3 of their size', { loss: 10.009 }, { loss: 10 }, {}, undefined],
    ['values beyond it', { loss: 10.02 }, { loss: 10 }, {}, 'loss: 10.02, the peer has 10 (± 0.01002)'],
    ['logits within 1e-3', { last_logits: [0.0109] }, { last_logits: [0.01] }, {}, undefined],
    [
      'logits beyond it',
      { last_logits: [5, 90.0015] },
      { last_logits: [5, 90] },
      {},
      'last_logits[1]: 90.0015, the peer has 90 (± 0.001)',
    ],
    ['effects within 1e-5', { effects: [2.9e-5] }, { effects: [2e-5] }, {}, undefined],
    ['effects as four digits print them', { effects: [1.23449] }, { effects: [1.234] }, {}, undefined],
    [
      'effects beyond it',
      { effects: [0, 3.2e-5] },
      { effects: [0, 2e-5] },
      {},
      'effects[1]: 0.000032, the peer has 0.00002',
    ],
    ['entries near zero of a list of large ones', { last: [100, 0.0005] }, { last: [100, 0] }, {}, undefined],
    ['such entries beyond rounding', { last: [100, 0.002] }, { last: [100, 0] }, {}, 'last[1]: 0.002, the peer has 0'],
    ['a sum of logits that cancels', { sum: 0.0005 }, { sum: 0 }, {}, undefined],
    ['a large sum of logits', { sum: 1000.5 }, { sum: 1000 }, {}, undefined],
    ['a sum beyond both', { sum: 1002 }, { sum: 1000 }, {}, 'sum: 1002, the peer has 1000'],
    ['another id', { argmax_last: [3, 8] }, { argmax_last: [3, 9] }, {}, 'argmax_last[1]: 8, the peer has 9'],
    [
      'another id where it ties',
      { argmax_last: [3, 8] },
      { argmax_last: [3, 9] },
      { argmax_last: [false, true] },
      undefined,
    ],
    [
      'another id beside the tie',
      { argmax_last: [4, 8] },
      { argmax_last: [3, 9] },
      { argmax_last: [false, true] },
      'argmax_last[0]: 4,',
    ],
    ['a place that ties', { largest_change: [3, 1] }, { largest_change: [0, 1] }, { largest_change: true }, undefined],
    [
      'ids that are as near as values may be',
      { top_latents: [24000] },
      { top_latents: [24001] },
      {},
      'top_latents[0]: 24000,',
    ],
    ['named values', { top: { L0H1: 1.0005 } }, { top: { L0H1: 1 } }, {}, undefined],
    ['named values beyond 1e-3', { top: { L0H1: 1.002 } }, { top: { L0H1: 1 } }, {}, 'top.L0H1: 1.002, the peer has 1'],
    ['another name', { top: { a: 2, b: 1 } }, { top: { a: 2, c: 1 } }, {}, 'top.c: undefined, the peer has 1'],
    ['another name where the last ties', { top: { a: 2, b: 1 } }, { top: { a: 2, c: 1 } }, { top: true }, undefined],
    [
      'another value although the last ties',
      { top: { a: 3, b: 1 } },
      { top: { a: 2, c: 1 } },
      { top: true },
      'top.a: 3,',
    ],
    ['a gap of logits within 1e-3', { smallest_gap: 0.0109 }, { smallest_gap: 0.01 }, {}, undefined],
    [
      'other tokens from a tie on',
      { new_tokens: [5, 8, 1] },
      { new_tokens: [5, 9, 2] },
      { new_tokens: [false, true, true] },
      undefined,
    ],
    ['places of examples', { '7': { acts: [2], at: [[3, 40]] } }, { '7': { acts: [2], at: [[3, 40]] } }, {}, undefined],
    [
      'another place of an example',
      { '7': { acts: [2000], at: [[3, 4000]] } },
      { '7': { acts: [2000], at: [[3, 4001]] } },
      {},
      '7.at[0][1]: 4000, the peer has 4001',
    ],
    [
      'another place of an example that ties',
      {
        '7': {
          acts: [2, 1.9999],
          at: [
            [3, 40],
            [0, 12],
          ],
        },
      },
      {
        '7': {
          acts: [2, 1.9999],
          at: [
            [0, 12],
            [3, 40],
          ],
        },
      },
      { '7': [true, true] },
      undefined,
    ],
    ['a list of another length', { effects: [1] }, { effects: [1, 2] }, {}, 'effects: 1 entries, the peer has 2'],
    ['a value that is missing here', {}, { loss: 1 }, {}, 'loss: undefined, the peer has 1'],
    ['a value that is missing there', { loss: 1 }, {}, {}, 'loss: 1, the peer has undefined'],
    ['NaN', { loss: NaN }, { loss: 1 }, {}, 'loss: NaN, the peer has 1'],
    ['NaN beside NaN', { loss: NaN }, { loss: NaN }, {}, 'loss: NaN, the peer has NaN'],
    ['what is true and what is false', { W_E_row_mean: false }, { W_E_row_mean: true }, {}, 'W_E_row_mean: false'],
  ]
  for (const [title, ours, peer, ties, disagreement] of cases) {
    it(`${disagreement === undefined ? 'takes' : 'refuses'} ${title}`, () => {
      const found = firstDisagreement(ours, peer, ties)
      if (disagreement === undefined) expect(found).to.equal(undefined)
      else expect(found?.slice(0, disagreement.length)).to.equal(disagreement)
    })
  }

  it('knows which of the largest could change places', () => {
    const values = [1, 5, 3, 4.9999, 2]
    expect(largest(values, 1, logitTie)).to.deep.equal({ indices: [1], tied: [true] })
    expect(largest(values, 3, logitTie)).to.deep.equal({ indices: [1, 3, 2], tied: [true, true, false] })
    expect(largest([1, 1.0001, 3], 2, logitTie)).to.deep.equal({ indices: [2, 1], tied: [false, true] })
  })
})

describe('measures', () => {
  it('takes the middle of the runs', () => {
    expect(median([3, 1, 2])).to.equal(2)
    expect(median([4, 1, 2, 10])).to.equal(3)
  })

  it('takes the limit at sizes of GPT-2 small where the models have them', () => {
    expect(limitSizes(768)).to.deep.equal({ '512x768x3072': [512, 768, 3072], '2048': [2048, 2048, 2048] })
  })

  it('counts the products of GPT-2 small', () => {
    const config = {
      modelType: 'gpt2',
      nLayers: 12,
      dModel: 768,
      nHeads: 12,
      dHead: 64,
      dMlp: 3072,
      nCtx: 1024,
      dVocab: 50257,
      normalization: 'LN',
      eps: 1e-5,
    } as const
    // 84,934,656 numbers in the blocks' matrices, 38,597,376 in W_U; attention 2 products of [16,64] × [64,16] a head
    const [blocks, unembed, attention] = [2 * 16 * 84934656, 2 * 16 * 38597376, 2 * 2 * 16 * 16 * 64 * 144]
    const shape = { batch: 1, positions: 16 }
    expect(forwardFlops(config, shape)).to.equal(blocks + unembed + attention)
    expect(forwardFlops(config, shape, false)).to.equal(blocks + attention)
    expect(gradientFlops(config, shape)).to.equal(2 * blocks + 2 * unembed + 3 * attention)
  })
})
