/**
 * Installs what package-lock.json lists and node_modules lacks: npm's pre-scripts call this before every command, so
 * that a fresh clone needs no other step. Plain JavaScript for a Node with nothing installed; prints to stderr only.
 */
import { spawnSync } from 'child_process'
import { existsSync, readFileSync, realpathSync } from 'fs'
import { dirname, join } from 'path'
import { fileURLToPath } from 'url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..')

/** The packages of package-lock.json that node_modules lacks or has in another version; optional ones may be absent. */
export function missingPackages(root) {
  const wanted = readPackages(join(root, 'package-lock.json'))
  const installed = readPackages(join(root, 'node_modules/.package-lock.json'))
  return Object.keys(wanted).filter((path) => {
    if (path === '' || (wanted[path].optional && !installed[path])) return false
    return installed[path]?.version !== wanted[path].version || !existsSync(join(root, path))
  })
}

/** What is wrong with this version of Node, or undefined. `engines` is package.json's, of the form `>=20.19`. */
export function oldNode(version, engines) {
  const [major, minor] = version.replace('v', '').split('.').map(Number)
  const [needMajor, needMinor] = engines.replace('>=', '').split('.').map(Number)
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return undefined
  return `tfjs-lens: this is Node ${version}. It needs Node ${needMajor}.${needMinor} or newer: https://nodejs.org`
}

/** Runs npm with its output on stderr, so that a command's stdout stays its own; true when it went well. */
export function npm(...args) {
  const script = process.env.npm_execpath
  const stdio = ['ignore', 2, 2]
  const ran = script?.endsWith('.js')
    ? spawnSync(process.execPath, [script, ...args], { cwd: ROOT, stdio })
    : spawnSync('npm', args, { cwd: ROOT, stdio, shell: process.platform === 'win32' })
  return ran.status === 0
}

function readPackages(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : {}
}

function main() {
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const old = oldNode(process.version, engines.node)
  if (old) fail(old)
  if (missingPackages(ROOT).length === 0) return
  const natives = ['tfjs-node', 'tfjs-node-gpu'].filter((name) =>
    existsSync(join(ROOT, 'node_modules/@tensorflow', name)),
  )
  console.error('tfjs-lens: installing the packages of package-lock.json')
  if (!npm('ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'))
    fail('tfjs-lens: npm ci failed, see above')
  const missing = missingPackages(ROOT)
  if (missing.length > 0) fail(`tfjs-lens: npm ci left out ${missing.join(', ')}`)
  for (const name of natives) restoreNative(name)
}

/** `npm ci` removes the native backend, which is in no lockfile. Its build is cached; without it all else works. */
function restoreNative(name) {
  const script = join(ROOT, 'lib/cli/setup/native.mjs')
  spawnSync(process.execPath, [script, ...(name === 'tfjs-node-gpu' ? ['--gpu'] : [])], { stdio: ['ignore', 2, 2] })
}

function fail(message) {
  console.error(message)
  process.exit(1)
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) main()
