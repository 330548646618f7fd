/** Installing on demand: in a made-up project, with a stand-in for npm that writes down how it was called. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

const SCRIPT = new URL('../../../../lib/cli/setup/install.mjs', import.meta.url)

interface Install {
  missingPackages(root: string): string[]
  oldNode(version: string, engines: string): string | undefined
}

const LOCKED = {
  '': { version: '1.0.0' },
  'node_modules/a': { version: '1.2.3' },
  'node_modules/a/node_modules/b': { version: '2.0.0', dev: true },
  'node_modules/for-another-system': { version: '1.0.0', optional: true },
}

const INSTALLED = { ...LOCKED, 'node_modules/for-another-system': undefined }

/** Does what `npm ci` would, and is noisy on stdout. */
const NPM = `
  const fs = require('fs')
  fs.appendFileSync('npm.log', process.argv.slice(2).join(' ') + '\\n')
  console.log('added 2 packages')
  if (fs.existsSync('npm-fails')) process.exit(1)
  fs.rmSync('node_modules', { recursive: true, force: true })
  fs.cpSync('to-install', 'node_modules', { recursive: true })`

describe('lib/cli/install', () => {
  let install: Install
  let root: string

  before(async () => {
    install = (await import(SCRIPT.href)) as Install
  })

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'tfjs-lens-install-'))
    write('package.json', { engines: { node: '>=20.19' } })
    write('package-lock.json', { packages: LOCKED })
    write('to-install/.package-lock.json', { packages: INSTALLED })
    write('to-install/a/node_modules/b/package.json', {})
    writeFileSync(join(root, 'npm.js'), NPM)
    mkdirSync(join(root, 'lib/cli'), { recursive: true })
    cpSync(fileURLToPath(SCRIPT), join(root, 'lib/cli/setup/install.mjs'))
    const native = `import fs from 'fs'; console.log('backend'); fs.appendFileSync('npm.log', ['native', ...process.argv.slice(2)].join(' ') + '\\n')`
    writeFileSync(join(root, 'lib/cli/setup/native.mjs'), native)
  })

  afterEach(() => rmSync(root, { recursive: true }))

  function write(path: string, content: unknown): void {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), JSON.stringify(content))
  }

  function run() {
    const env = { ...process.env, npm_execpath: join(root, 'npm.js') }
    const { status, stdout, stderr } = spawnSync(process.execPath, ['lib/cli/setup/install.mjs'], {
      cwd: root,
      env,
      encoding: 'utf8',
    })
    const log = existsSync(join(root, 'npm.log')) ? readFileSync(join(root, 'npm.log'), 'utf8') : ''
    return { status, stdout, stderr, log }
  }

  const CI = 'ci --include=dev --no-audit --no-fund --loglevel=error\n'

  it('installs what a fresh clone lacks, with nothing on stdout, and nothing in a second run', () => {
    const message = 'tfjs-lens: installing the packages of package-lock.json\nadded 2 packages\n'
    expect(run()).to.deep.equal({ status: 0, stdout: '', stderr: message, log: CI })
    expect(run()).to.deep.equal({ status: 0, stdout: '', stderr: '', log: CI })
  })

  it('finds a package of another version, one that is not listed, and one whose folder is gone', () => {
    run()
    expect(install.missingPackages(root)).to.deep.equal([])
    const other = { ...LOCKED, 'node_modules/a': { version: '1.2.4' }, 'node_modules/c': { version: '1.0.0' } }
    write('package-lock.json', { packages: other })
    expect(install.missingPackages(root)).to.deep.equal(['node_modules/a', 'node_modules/c'])
    write('package-lock.json', { packages: LOCKED })
    rmSync(join(root, 'node_modules/a/node_modules/b'), { recursive: true })
    expect(install.missingPackages(root)).to.deep.equal(['node_modules/a/node_modules/b'])
  })

  it('leaves alone what was added beside the lockfile, such as the native backend', () => {
    run()
    write('node_modules/.package-lock.json', { packages: { ...INSTALLED, 'node_modules/extra': { version: '9.0.0' } } })
    write('node_modules/@tensorflow/tfjs-node/package.json', {})
    expect(run()).to.include({ status: 0, log: CI })
    expect(existsSync(join(root, 'node_modules/@tensorflow/tfjs-node'))).to.equal(true)
  })

  it('puts the native backends back that npm ci removes', () => {
    for (const name of ['tfjs-node', 'tfjs-node-gpu']) write(`node_modules/@tensorflow/${name}/package.json`, {})
    expect(run()).to.include({ status: 0, stdout: '', log: `${CI}native\nnative --gpu\n` })
  })

  it('fails with npm, and when npm leaves something out', () => {
    write('npm-fails', '')
    expect(run())
      .to.include({ status: 1, stdout: '' })
      .and.have.property('stderr')
      .that.includes('npm ci failed, see above')
    rmSync(join(root, 'npm-fails'))
    rmSync(join(root, 'to-install/a/node_modules/b'), { recursive: true })
    expect(run())
      .to.include({ status: 1 })
      .and.have.property('stderr')
      .that.includes('npm ci left out node_modules/a/node_modules/b')
  })

  it('refuses a Node older than engines asks for, in a line', () => {
    const words = 'tfjs-lens: this is Node v20.18.9. It needs Node 20.19 or newer: https://nodejs.org'
    expect(install.oldNode('v20.18.9', '>=20.19')).to.equal(words)
    expect(install.oldNode('v18.20.0', '>=20.19')).to.include('v18.20.0')
    for (const fine of ['v20.19.0', 'v22.0.0', 'v24.1.0']) expect(install.oldNode(fine, '>=20.19')).to.equal(undefined)
    write('package.json', { engines: { node: '>=99.0' } })
    expect(run())
      .to.deep.include({ status: 1, stdout: '', log: '' })
      .and.have.property('stderr')
      .that.includes('It needs Node 99.0')
  })
})
