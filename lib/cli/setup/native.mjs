/**
 * Installs the native backend into node_modules: `npm run native`, or `npm run native -- --gpu`.
 *
 * The package's own installer downloads a prebuilt library. Where that cannot be reached, the package is installed
 * without its scripts and lib/cli/setup/build-tfjs-node builds the addon from what pip and npm have. package.json and
 * package-lock.json stay as they are: the native backend is an optional peer.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { npm } from './install.mjs'

const VERSION = '4.22.0'
const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const BUILD = fileURLToPath(new URL('build-tfjs-node', import.meta.url))
const PACKAGES = ['@tensorflow/tfjs-node', '@tensorflow/tfjs-node-gpu']

/** A few ops whose answers are known, run in a process of their own: a broken addon can kill the process. */
const SMOKE_TEST = `
  const util = require('util'), assert = require('assert')
  util.isNullOrUndefined = (x) => x == null
  util.isArray = Array.isArray
  const tf = require(process.argv[1])
  assert.equal(tf.getBackend(), 'tensorflow')
  assert.deepEqual([...tf.matMul([[1, 2]], [[3], [4]]).dataSync()], [11])
  assert.deepEqual([...tf.topk([1, 3, 2], 2).indices.dataSync()], [1, 2])
  const gradient = tf.grad((x) => tf.gather(x, tf.tensor1d([1, 1], 'int32')))
  assert.deepEqual([...gradient(tf.tensor1d([5, 6])).dataSync()], [0, 2])
  const { binding, isGPUPackage, isUsingGpuDevice } = tf.backend()
  const device = isGPUPackage ? (isUsingGpuDevice ? ', on the GPU' : ', no GPU found: on the CPU') : ''
  console.log('TensorFlow ' + binding.TF_Version + device)
`

const folder = (name) => join(ROOT, 'node_modules', name)

/** What the installed package runs on, e.g. `TensorFlow 2.21.0`, or undefined when it does not work. */
function smokeTest(name) {
  const env = { TF_CPP_MIN_LOG_LEVEL: '3', TF_ENABLE_ONEDNN_OPTS: '0', ...process.env }
  const ran = spawnSync(process.execPath, ['-e', SMOKE_TEST, folder(name)], { env, encoding: 'utf8' })
  return ran.status === 0 ? ran.stdout.trim().split('\n').at(-1) : undefined
}

/** The native packages that are installed, and this one. */
function withOthers(name) {
  return PACKAGES.filter((each) => each === name || existsSync(folder(each)))
}

/**
 * Adds packages to node_modules and to nothing else. Those that are there already are to be named too, or npm would
 * prune them; without `--save-prod` npm takes them all for optional peers and leaves them out.
 */
function add(names, ...options) {
  const only = ['--save-prod', '--no-save', '--no-audit', '--no-fund']
  return npm('install', ...only, ...options, ...names.map((name) => `${name}@${VERSION}`))
}

function build(name) {
  return smokeTest(name) || spawnSync('sh', [BUILD, folder(name)], { stdio: ['ignore', 2, 2] }).status === 0
}

/** Installs by the package's own installer or else by building, and says what works in the end. */
function install(name) {
  const present = existsSync(folder(name)) && smokeTest(name)
  if (present) return present
  const names = withOthers(name)
  console.error(`native: installing ${name} ${VERSION} with its prebuilt library`)
  if (add(names, '--loglevel=silent') && names.every(smokeTest)) return smokeTest(name)
  console.error("native: the prebuilt library did not come (npm's log says why), building it instead")
  return add(names, '--ignore-scripts', '--loglevel=error') && names.every(build) ? smokeTest(name) : undefined
}

const name = process.argv.includes('--gpu') ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node'
const works = install(name)
if (works) {
  console.log(`backend: ${name} ${VERSION} (${works})`)
} else {
  console.error(`native: ${name} could not be installed; everything still works on the wasm backend`)
  process.exit(1)
}
