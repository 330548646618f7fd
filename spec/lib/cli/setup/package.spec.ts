/**
 * The npm package, as a project that installs it has it. The tarball's declared dependencies are linked to those of
 * this repository, which needs no network; TFJS_LENS_CONSUMER=npm installs the tarball by npm instead.
 */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { publint } from 'publint'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))
const TSC = createRequire(import.meta.url).resolve('typescript/bin/tsc')

interface Manifest {
  readonly dependencies: Record<string, string>
  readonly bin: Record<string, string>
}

interface Packed {
  readonly filename: string
  readonly size: number
  readonly files: readonly { path: string }[]
}

/** Runs a command and returns its stdout. @throws Error with what it printed when it fails. */
function run(cwd: string, command: string, args: string[], input = ''): string {
  const env = { ...process.env, NO_COLOR: '1', TFJS_LENS_BACKEND: 'wasm' }
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, input, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
  return stdout
}

describe('the npm package', function () {
  // It compiles the whole library, and may install it.
  this.timeout(300_000)

  let consumer: string
  let packed: Packed
  const installed = () => join(consumer, 'node_modules/tfjs-lens')
  const write = (file: string, text: string) => writeFileSync(join(consumer, file), text)

  before(() => {
    consumer = mkdtempSync(join(tmpdir(), 'tfjs-lens-consumer-'))
    const printed = run(ROOT, 'npm', ['pack', '--silent', '--json', '--pack-destination', consumer])
    packed = (JSON.parse(printed) as [Packed])[0]
    write('package.json', '{ "type": "module", "private": true }')
    if (process.env['TFJS_LENS_CONSUMER'] === 'npm') install()
    else link()
  })

  after(() => rmSync(consumer, { recursive: true }))

  function install(): void {
    const { version } = createRequire(import.meta.url)('@tensorflow/tfjs/package.json') as { version: string }
    const quiet = ['--no-audit', '--no-fund', '--silent']
    run(consumer, 'npm', ['install', ...quiet, `./${packed.filename}`, `@tensorflow/tfjs@${version}`])
  }

  /** What npm would do: unpacks the tarball, and puts beside it what its package.json asks for, and its commands. */
  function link(): void {
    mkdirSync(installed(), { recursive: true })
    run(consumer, 'tar', ['xzf', packed.filename, '--strip-components=1', '-C', installed()])
    const { dependencies, bin } = JSON.parse(readFileSync(join(installed(), 'package.json'), 'utf8')) as Manifest
    for (const name of [...Object.keys(dependencies), '@tensorflow/tfjs', '@tensorflow/tfjs-core']) {
      const path = join(consumer, 'node_modules', name)
      mkdirSync(dirname(path), { recursive: true })
      symlinkSync(join(ROOT, 'node_modules', name), path, 'dir')
    }
    mkdirSync(join(consumer, 'node_modules/.bin'))
    for (const [name, file] of Object.entries(bin)) {
      chmodSync(join(installed(), file), 0o755)
      symlinkSync(join(installed(), file), join(consumer, 'node_modules/.bin', name))
    }
  }

  it('holds what was built, the embedded data and its papers, in less than 16 MB', () => {
    const paths = packed.files.map(({ path }) => path)
    const others = paths.filter((path) => !path.startsWith('dist/')).sort()
    expect(others).to.deep.equal(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'])
    expect(paths.filter((path) => /\.mjs$|(?<!\.d)\.ts$|^dist\/(spec|docs)/.test(path))).to.deep.equal([])
    for (const folder of ['models/pocket', 'saes/pocket']) {
      const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      const expected = files.filter((file) => statSync(join(ROOT, folder, file)).isFile())
      expect(paths).to.include.members(expected.map((file) => `dist/${folder}/${file}`))
    }
    expect(packed.size).to.be.lessThan(16e6)
  })

  it('has a package.json that publint finds nothing in', async () => {
    const { messages } = await publint({ pkgDir: installed(), pack: false })
    expect(messages).to.deep.equal([])
  })

  it('is imported from JavaScript by all its doors, and computes', () => {
    write(
      'script.js',
      `import { HookedModel, loadModel, loadSae, useBackend } from 'tfjs-lens'
      import { directLogitAttribution } from 'tfjs-lens/analyses'
      const model = await loadModel()
      const sae = await loadSae('pocket-res', 'blocks.2.hook_resid_pre')
      const logits = model.withSaes(sae).run('Mary')
      console.log(JSON.stringify([
        model instanceof HookedModel, (await useBackend()).name, typeof directLogitAttribution, logits.shape[2] === model.config.dVocab,
      ]))`,
    )
    expect(JSON.parse(run(consumer, process.execPath, ['script.js']))).to.deep.equal([true, 'wasm', 'function', true])
  })

  it('is required from CommonJS', () => {
    write('script.cjs', "console.log(typeof require('tfjs-lens').loadModel, typeof require('tfjs-lens/saes').saveSae)")
    expect(run(consumer, process.execPath, ['script.cjs'])).to.equal('function function\n')
  })

  it('is type-checked from TypeScript by all its doors', () => {
    write(
      'script.ts',
      `import { type BackendInfo, HookedModel, loadModel, loadSae, useBackend } from 'tfjs-lens'
      import { ablation } from 'tfjs-lens/analyses'
      export const info: BackendInfo = await useBackend('wasm')
      const model: HookedModel = await loadModel()
      export const view = model.withSaes(await loadSae('pocket-res', 'blocks.2.hook_resid_pre')).use({ ablation })
      // @ts-expect-error there is no such backend
      await useBackend('wsm')
      // @ts-expect-error the doors are typed: this is no option
      await loadModel('pocket-gpt2', { proces: true })\n`,
    )
    const compilerOptions = {
      strict: true,
      noEmit: true,
      module: 'nodenext',
      target: 'es2022',
      skipLibCheck: true,
      types: [],
    }
    write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['script.ts'] }))
    const found = run(consumer, process.execPath, [TSC])
    expect(found).to.equal('')
  })

  it('has a command line', () => {
    expect(run(consumer, 'npx', ['--no-install', 'tfjs-lens', '--help'])).to.include('Usage: tfjs-lens')
    expect(run(consumer, 'npx', ['--no-install', 'tfjs-lens', 'repl'], 'model.config.nLayers')).to.equal('4\n')
  })
})
