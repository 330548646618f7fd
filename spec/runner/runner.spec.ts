/** The runner: what it counts, what it prints in which order, and what fails a run. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { ROOT, slowestFirst, specFiles } from './files.js'
import { readOptions } from './options.js'
import { SLOW_PROOFS } from './proofs.js'
import { withTypeScript } from '../support/loader.js'

interface Run {
  readonly stdout: string
  readonly status: number | null
}

/** The runner on some of the files in fixtures, with wasm. */
function run(...args: string[]): Run {
  const command = [...withTypeScript, 'spec/runner/main.ts']
  const files = args.map((arg) => (arg.startsWith('-') ? arg : `spec/runner/fixtures/${arg}.ts`))
  const env = { ...process.env, TFJS_LENS_BACKEND: 'wasm' }
  return spawnSync(process.execPath, [...command, ...files], { cwd: ROOT, env, encoding: 'utf8' })
}

const lastLine = ({ stdout }: Run) => stdout.trimEnd().split('\n').at(-1)

describe('spec/runner', function () {
  this.timeout(120_000) // each run has processes of its own

  it('runs one file in its own process', () => {
    const passing = run('passes')
    expect([lastLine(passing), passing.status]).to.deep.equal(['2 passed, 0 failed', 0])
    const failing = run('fails')
    expect([lastLine(failing), failing.status]).to.deep.equal(['1 passed, 2 failed', 1])
  })

  it('sums up files, prints them by their names and lists the failures at the end', () => {
    const all = run('passes', 'fails', 'cannot-be-loaded', 'ends-the-process', '--jobs=2')
    expect([lastLine(all), all.status]).to.deep.equal(['3 passed, 4 failed', 1])
    const order = [
      'spec/runner/fixtures/cannot-be-loaded.ts (',
      'spec/runner/fixtures/ends-the-process.ts (',
      'the last words',
      'spec/runner/fixtures/fails.ts (',
      '1) fails',
      'spec/runner/fixtures/passes.ts (',
      'on stdout',
      'on stderr',
      'cannot be loaded:',
      'RangeError: out of range',
      'spec/runner/fixtures/ends-the-process.ts: the process ended (exit code 3)',
      'expected 1 to equal 2',
      'tensor leak: the test ends with +1 tensors',
    ]
    const places = order.map((words) => all.stdout.indexOf(words))
    expect(
      places.every((place) => place >= 0),
      all.stdout,
    ).to.equal(true)
    expect(places).to.deep.equal([...places].sort((a, b) => a - b))
  })

  it('runs the tests alone that --grep names, and is silent on files without', () => {
    const { stdout, status } = run('passes', 'fails', '--grep=twice')
    expect(stdout).to.include('add up twice').and.not.include('fails.ts')
    expect([stdout.trimEnd().split('\n').at(-1), status]).to.deep.equal(['1 passed, 0 failed', 0])
  })

  it('refuses a file that is not there', () => {
    expect(run('nowhere').status).to.equal(1)
    expect(() => specFiles(['spec/nowhere.spec.ts'], [])).to.throw('there is no spec/nowhere.spec.ts. Name a spec file')
  })

  it('finds all spec files, those of a folder, and leaves out what it is told to', () => {
    const all = specFiles([], [])
    expect(all).to.include.members(['spec/structure.spec.ts', 'spec/runner/runner.spec.ts'])
    expect(all.filter((file) => file.includes('fixtures'))).to.deep.equal([])
    expect(specFiles(['spec/runner', 'spec/runner/runner.spec.ts'], [])).to.deep.equal(['spec/runner/runner.spec.ts'])
    expect(specFiles([`${ROOT}spec/runner`], ['spec/runner/runner.spec.ts'])).to.deep.equal([])
  })

  it('starts those first that ask for the most time', () => {
    const files = ['spec/structure.spec.ts', 'spec/runner/runner.spec.ts']
    expect(slowestFirst(files)).to.deep.equal([...files].reverse())
  })

  it('leaves to .ci/run what its list says, and nothing else', () => {
    const asks = specFiles([], []).filter((file) => /isFull\(\) \?/.test(readFileSync(`${ROOT}${file}`, 'utf8')))
    const listed = SLOW_PROOFS.filter(({ isWhole }) => !isWhole).map(({ file }) => file)
    expect(asks).to.have.members(listed)
    expect(specFiles([], [])).to.include.members(SLOW_PROOFS.map(({ file }) => file))
  })

  it('explains its options', () => {
    expect(readOptions(['--jobs', '3', '-g', 'x', '--ignore', 'a', '--ignore', 'b', 'c'])).to.deep.include({
      paths: ['c'],
      ignored: ['a', 'b'],
      grep: 'x',
      jobs: 3,
    })
    expect(() => readOptions(['--jobs', '0'])).to.throw('npm run spec -- [options]')
    expect(() => readOptions(['--jbos', '1'])).to.throw("Unknown option '--jbos'")
  })
})
