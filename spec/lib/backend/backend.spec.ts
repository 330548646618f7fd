/** Choosing a backend: each case in a process and project of its own, as one process keeps what it has loaded. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { backendInfo, useBackend } from '../../../lib/backend/backend.js'
import { BackendError } from '../../../lib/errors/errors.js'
import { withTypeScriptAlone } from '../../support/loader.js'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const require = createRequire(import.meta.url)

/** A package that stands in for tfjs-node: computes on the cpu backend, and says what it found when it was loaded. */
const STAND_IN = `
  const tf = require('@tensorflow/tfjs'), util = require('util')
  globalThis.found = [util.isNullOrUndefined(0), util.isArray([]), process.env.TF_CPP_MIN_LOG_LEVEL, process.env.TF_ENABLE_ONEDNN_OPTS]
  const Cpu = tf.findBackend('cpu').constructor
  tf.registerBackend('tensorflow', () => Object.assign(new Cpu(), { firstUse: false, binding: { TF_Version: '9.8.7' } }))`

/** The beginning of each script: prints what a promise gives, or the words of its BackendError. */
const PRELUDE = `
  import * as tf from '@tensorflow/tfjs'
  import { backendInfo, backendNotice, checkCapacity, useBackend } from '../lib/backend/backend.js'
  import { BackendError } from '../lib/errors/errors.js'
  const show = async (get) => {
    try { console.log(JSON.stringify(await get())) }
    catch (e) { console.log(JSON.stringify(e instanceof BackendError ? e.message : 'not ours: ' + e.stack)) }
  }\n`

describe('lib/backend/backend', () => {
  let folder: string

  /** A project with the library's backend, tfjs and wasm, but no native package. */
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tfjs-lens-backend-'))
    for (const name of ['backend', 'errors'])
      cpSync(join(ROOT, 'lib', name), join(folder, 'lib', name), { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    mkdirSync(join(folder, 'user'))
    for (const name of ['tfjs', 'tfjs-core', 'tfjs-backend-wasm']) link(name, 'node_modules')
  })

  afterEach(() => rmSync(folder, { recursive: true }))

  function link(name: string, modules: string): void {
    mkdirSync(join(folder, modules, '@tensorflow'), { recursive: true })
    const target = dirname(require.resolve(`@tensorflow/${name}/package.json`))
    symlinkSync(target, join(folder, modules, '@tensorflow', name), 'dir')
  }

  function addPackage(path: string, code: string): void {
    mkdirSync(join(folder, path), { recursive: true })
    writeFileSync(join(folder, path, 'package.json'), '{ "type": "commonjs" }')
    writeFileSync(join(folder, path, 'index.js'), code)
  }

  /** Runs a script in the project's folder `user`; what it printed on stdout, as JSON lines. stderr has to stay empty. */
  function run(script: string, env: Record<string, string> = {}): unknown[] {
    writeFileSync(join(folder, 'user/script.ts'), PRELUDE + script)
    const {
      TFJS_LENS_BACKEND: _,
      TFJS_LENS_WASM_THREADS: _threads,
      TF_CPP_MIN_LOG_LEVEL: _level,
      TF_ENABLE_ONEDNN_OPTS: _opts,
      ...clean
    } = process.env
    const ran = spawnSync(process.execPath, [...withTypeScriptAlone, 'script.ts'], {
      cwd: join(folder, 'user'),
      env: { ...clean, ...env },
      encoding: 'utf8',
    })
    expect(ran.stderr).to.equal('')
    return ran.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
  }

  it('starts none on import, then silently wasm where no native package is, and answers with it again', () => {
    const printed = run(`
      await show(() => [tf.engine().backendName ?? null, backendInfo() ?? null])
      const infos = await Promise.all([useBackend(), useBackend()])
      await show(() => [infos[0], infos[0] === infos[1], backendInfo() === infos[0], tf.getBackend()])
      await show(() => tf.tensor([1, 2]).add(1).array())
      await show(() => backendNotice(infos[0]))`)
    const wasm = { name: 'wasm', tf: '4.22.0', detail: 'SIMD, 1 thread' }
    expect(printed).to.deep.equal([
      [null, null],
      [wasm, true, true, 'wasm'],
      [2, 3],
      'wasm (SIMD, 1 thread), tfjs 4.22.0. The native backend is faster: npm install @tensorflow/tfjs-node ' +
        '(in a clone of tfjs-lens: npm run native)',
    ])
  })

  it('takes the one that TFJS_LENS_BACKEND names, without the banner of tfjs; an argument goes before it', () => {
    const script = `
      await show(async () => [(await useBackend()).name, tf.getBackend(), await tf.tensor([1]).add(1).array()])
      await show(async () => [(await useBackend('wasm')).name, tf.getBackend(), (await useBackend()).name])`
    expect(run(script, { TFJS_LENS_BACKEND: 'cpu' })).to.deep.equal([
      ['cpu', 'cpu', [2]],
      ['wasm', 'wasm', 'wasm'],
    ])
  })

  it('refuses an unknown name, and recovers', () => {
    const script = `
      await show(() => useBackend())
      await show(async () => (await useBackend('wasm')).name)`
    expect(run(script, { TFJS_LENS_BACKEND: 'wsm' })).to.deep.equal([
      "useBackend: unknown backend 'wsm'. Known: tfjs-node-gpu, tfjs-node, wasm, cpu, webgpu, webgl. Did you mean 'wasm'?",
      'wasm',
    ])
  })

  it('says why a named one cannot be loaded and what to do; nobody hears of one that was not named', () => {
    addPackage(
      'node_modules/@tensorflow/tfjs-node',
      `throw new Error('libtensorflow.so.2: no such file\\nRequire stack')`,
    )
    const printed = run(`
      await show(() => useBackend('tfjs-node'))
      await show(() => useBackend('tfjs-node-gpu'))
      await show(() => useBackend('webgl'))
      await show(async () => (await useBackend()).name)`)
    const others = 'or name another of tfjs-node-gpu, tfjs-node, wasm, cpu.'
    expect(printed).to.deep.equal([
      'useBackend: tfjs-node cannot be loaded (libtensorflow.so.2: no such file). ' +
        `Install it: npm install @tensorflow/tfjs-node (in a clone of tfjs-lens: npm run native), ${others}`,
      'useBackend: tfjs-node-gpu cannot be loaded (@tensorflow/tfjs-node-gpu is not installed). ' +
        `Install it: npm install @tensorflow/tfjs-node-gpu (in a clone of tfjs-lens: npm run native -- --gpu), ${others}`,
      `useBackend: webgl cannot be loaded (it runs in browsers). Use wasm or cpu, ${others}`,
      'wasm',
    ])
  })

  it("finds tfjs-node in the user's project, prepares Node for it, and keeps to one native package", () => {
    addPackage('user/node_modules/@tensorflow/tfjs-node', STAND_IN)
    addPackage('user/node_modules/@tensorflow/tfjs-node-gpu', STAND_IN)
    const script = `
      await show(() => useBackend('tfjs-node'))
      await show(() => [globalThis.found, backendNotice(backendInfo())])
      await show(() => useBackend('tfjs-node-gpu'))`
    const [info, rest, refused] = run(script, { TF_NUM_INTRAOP_THREADS: '3', TF_ENABLE_ONEDNN_OPTS: '1' })
    expect(info).to.deep.equal({ name: 'tfjs-node', tf: '4.22.0', detail: 'TensorFlow 9.8.7, 3 threads' })
    expect(rest).to.deep.equal([[false, true, '3', '1'], 'tfjs-node (TensorFlow 9.8.7, 3 threads), tfjs 4.22.0'])
    expect(refused).to.include('(tfjs-node runs already, one process holds one of them)')
  })

  it('prefers tfjs-node-gpu, and says whether it found a GPU', () => {
    for (const name of ['tfjs-node', 'tfjs-node-gpu']) addPackage(`node_modules/@tensorflow/${name}`, STAND_IN)
    const [info] = run('await show(() => useBackend())', { TF_NUM_INTRAOP_THREADS: '3' })
    const detail = 'TensorFlow 9.8.7, 3 threads, no GPU found'
    expect(info).to.deep.equal({ name: 'tfjs-node-gpu', tf: '4.22.0', detail })
  })

  it('refuses a native package with a tfjs-core of its own, before that is loaded', () => {
    addPackage('node_modules/@tensorflow/tfjs-node', "throw new Error('loaded')")
    addPackage('node_modules/@tensorflow/tfjs-node/node_modules/@tensorflow/tfjs', '')
    addPackage('node_modules/@tensorflow/tfjs-node/node_modules/@tensorflow/tfjs-core', '')
    const [message] = run("await show(() => useBackend('tfjs-node'))")
    expect(message).to.match(/\(it brings its own @tensorflow\/tfjs-core, .*: run npm dedupe\)/)
  })

  it('refuses tensors that wasm cannot hold, and only there', () => {
    const printed = run(`
      await useBackend('wasm')
      tf.zeros([1024, 1024])
      const free = 2 * 1024 ** 3 - 4 * 1024 ** 2
      await show(() => checkCapacity(free, 'loadModel: big') ?? 'fits')
      await show(() => checkCapacity(free + 1, 'loadModel: big') ?? 'fits')
      await useBackend('cpu')
      await show(() => checkCapacity(free + 1, 'loadModel: big') ?? 'fits')`)
    expect(printed).to.deep.equal([
      'fits',
      'loadModel: big needs 2.00 GB of tensors beside the 0.00 GB in use, and the wasm backend holds about 2.00 GB. ' +
        'Use the native backend: npm install @tensorflow/tfjs-node (in a clone of tfjs-lens: npm run native).',
      'fits',
    ])
  })

  it('starts wasm without listeners for uncaught errors, which a prompt would forbid, and keeps those of others', () => {
    const printed = run(`
      await useBackend('wasm')
      const count = () => ['uncaughtException', 'unhandledRejection', 'exit'].map((name) => process.listenerCount(name))
      const before = count()
      for (const name of ['uncaughtException', 'exit']) process.on(name, () => {})
      await show(() => [before.slice(0, 2), count().map((n, i) => n - before[i]!)])`)
    expect(printed).to.deep.equal([
      [
        [0, 0],
        [1, 0, 1],
      ],
    ])
  })

  it('runs wasm on several threads when told to, with equal numbers, and leaves nothing behind', () => {
    const script = `
      const os = (await import('node:os')).default
      const before = [os.cpus().length, typeof globalThis.Worker]
      await show(async () => (await useBackend('wasm')).detail)
      const x = tf.randomNormal([64, 300], 0, 1, 'float32', 1), W = tf.randomNormal([300, 200], 0, 1, 'float32', 2)
      await show(async () => [...new Float32Array((await tf.matMul(x, W).data()))].slice(0, 500))
      await show(() => [os.cpus().length, typeof globalThis.Worker].map((value, i) => value === before[i]))`
    const [one, numbers, tidy] = run(script, { TFJS_LENS_WASM_THREADS: '1' })
    expect([one, tidy]).to.deep.equal(['SIMD, 1 thread', [true, true]])
    expect(run(script, { TFJS_LENS_WASM_THREADS: '3' })).to.deep.equal(['SIMD, 3 threads', numbers, [true, true]])
  })

  it('runs wasm on all processors for large weights', () => {
    const all = Math.min(8, availableParallelism())
    const script = "await show(async () => (await useBackend('wasm', 163e6)).detail)"
    expect(run(script)).to.deep.equal([`SIMD, ${all} ${all === 1 ? 'thread' : 'threads'}`])
  })

  it('refuses a number of threads that it cannot give, rather than run another backend', () => {
    const wrong = ['0', '9', '1.5', 'all']
    const script = `
      for (const asked of ${JSON.stringify(wrong)}) {
        process.env.TFJS_LENS_WASM_THREADS = asked
        await show(() => useBackend())
      }`
    expect(run(script)).to.deep.equal(
      wrong.map((asked) => `TFJS_LENS_WASM_THREADS is '${asked}'. It must be a whole number from 1 to 8.`),
    )
  })

  it('keeps what runs when it is asked for something it cannot start', async () => {
    const before = backendInfo()
    const refused = await useBackend('webgpu').catch((error: unknown) => error)
    expect(refused).to.be.instanceOf(BackendError).with.property('code', 'E_BACKEND')
    expect(refused).to.have.property('cause').that.is.instanceOf(Error)
    expect(await useBackend()).to.equal(before)
  })
})
