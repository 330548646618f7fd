/** The tfjs backend: chooses, loads and reports it. The only file that imports a backend package. */
import * as tf from '@tensorflow/tfjs'
import { BackendError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import { node } from './node.js'
import { registerCopies } from './wasm/copies.js'
import { registerProducts } from './wasm/products.js'
import { wantedThreads, withThreads } from './wasm/threads.js'

export type BackendName = 'tfjs-node-gpu' | 'tfjs-node' | 'wasm' | 'cpu' | 'webgpu' | 'webgl'

/** What computes. */
export interface BackendInfo {
  readonly name: BackendName
  /** Version of tfjs. */
  readonly tf: string
  /** For a reader, e.g. `TensorFlow 2.21.0, 2 threads`. */
  readonly detail: string
}

/** The order of choice when none is named. */
const ORDER: readonly BackendName[] = node
  ? ['tfjs-node-gpu', 'tfjs-node', 'wasm', 'cpu']
  : ['webgpu', 'webgl', 'wasm', 'cpu']

/** Makes a backend the running one and describes it in a few words, or throws saying why it cannot be. */
const LOADERS: Record<BackendName, (numbers: number) => Promise<string>> = {
  'tfjs-node-gpu': () => loadNative('tfjs-node-gpu'),
  'tfjs-node': () => loadNative('tfjs-node'),
  wasm: loadWasm,
  cpu: loadCpu,
  webgpu: () => loadRegistered('webgpu'),
  webgl: () => loadRegistered('webgl'),
}

/** Tensors beyond this make the wasm backend abort the process. */
const WASM_BYTES = 2 * 1024 ** 3

const TFJS = '@tensorflow/tfjs'
const CORE = '@tensorflow/tfjs-core'

let running: BackendInfo | undefined
/** The last call's end: calls take turns, or two at once would both start a backend. */
let turn: Promise<unknown> = Promise.resolve()

/**
 * Starts a backend, once; later calls answer with the one that runs, or switch to the one they name.
 *
 * The order of choice: `name`, the environment's TFJS_LENS_BACKEND, tfjs-node-gpu, tfjs-node, wasm, cpu (in a browser
 * webgpu, webgl, wasm, cpu). A backend nobody named is passed over silently when it cannot be loaded.
 * @param numbers how many the weights have that are about to be loaded: for large ones wasm runs several threads
 * @throws BackendError for an unknown name, and for a named backend that cannot be loaded.
 */
export function useBackend(name?: BackendName, numbers = 0): Promise<BackendInfo> {
  const info = turn.then(() => {
    const goesOn = running && (name === undefined || name === running.name)
    return goesOn ? running! : choose(name ?? fromEnvironment(), numbers)
  })
  turn = info.catch(() => undefined)
  return info
}

/** The backend that `useBackend` started, or undefined before that. */
export function backendInfo(): BackendInfo | undefined {
  return running
}

/** One line: what runs, and how to get the native backend where it does not. */
export function backendNotice(info: BackendInfo): string {
  const what = `${info.name} (${info.detail}), tfjs ${info.tf}`
  return !node || info.name.startsWith('tfjs-node')
    ? what
    : `${what}. The native backend is faster: ${remedy('tfjs-node')}`
}

/**
 * Refuses a set of tensors that the running backend cannot hold; call it before making them.
 * @param bytes size of the tensors about to be made, beside those that live already
 * @param what names them in the message, e.g. `loadModel: gpt2-xl`
 * @throws BackendError on wasm, where going past about 2 GB would abort the process.
 */
export function checkCapacity(bytes: number, what: string): void {
  const inUse = tf.memory().numBytes
  if (running?.name !== 'wasm' || inUse + bytes <= WASM_BYTES) return
  throw new BackendError(
    `${what} needs ${gigabytes(bytes)} of tensors beside the ${gigabytes(inUse)} in use, and the wasm backend holds ` +
      `about ${gigabytes(WASM_BYTES)}. Use the native backend: ${remedy('tfjs-node')}.`,
  )
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(2)} GB`
}

function remedy(name: BackendName): string {
  if (!name.startsWith('tfjs-node')) return 'npm install'
  const flag = name === 'tfjs-node-gpu' ? ' -- --gpu' : ''
  return `npm install @tensorflow/${name} (in a clone of tfjs-lens: npm run native${flag})`
}

function fromEnvironment(): BackendName | undefined {
  return (node?.env['TFJS_LENS_BACKEND'] || undefined) as BackendName | undefined
}

async function choose(name: BackendName | undefined, numbers: number): Promise<BackendInfo> {
  if (name !== undefined) return chooseNamed(name, numbers)
  const reasons: string[] = []
  for (const candidate of ORDER) {
    try {
      return await start(candidate, numbers)
    } catch (error) {
      if (error instanceof BackendError) throw error // a wrong setting: the next backend is no answer to it
      reasons.push(`${candidate}: ${reasonOf(error)}`)
    }
  }
  throw new BackendError(`useBackend: no backend can be loaded (${reasons.join('; ')}). Reinstall: npm install.`)
}

async function chooseNamed(name: BackendName, numbers: number): Promise<BackendInfo> {
  const known = Object.keys(LOADERS)
  if (!known.includes(name)) {
    throw new BackendError(
      `useBackend: unknown backend '${name}'. Known: ${known.join(', ')}.${didYouMean(name, known)}`,
    )
  }
  try {
    return await start(name, numbers)
  } catch (error) {
    if (error instanceof BackendError) throw error
    const fix = name.startsWith('web') ? 'Use wasm or cpu' : `Install it: ${remedy(name)}`
    const message = `useBackend: ${name} cannot be loaded (${reasonOf(error)}). ${fix}, or name another of ${ORDER.join(', ')}.`
    throw new BackendError(message, { cause: error })
  }
}

async function start(name: BackendName, numbers: number): Promise<BackendInfo> {
  const detail = await LOADERS[name](numbers)
  return (running = { name, tf: tf.version_core, detail })
}

/** The first line of what went wrong: Node's own messages go on with the whole require stack. */
function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.replace(/\.$/, '')
}

async function activate(registered: string): Promise<void> {
  if (!(await tf.setBackend(registered))) throw new Error('its initialization failed')
  await tf.ready()
}

async function loadCpu(): Promise<string> {
  await activate('cpu')
  // On its first tensor in Node this backend would print a banner that advertises tfjs-node.
  ;(tf.backend() as { firstUse?: boolean }).firstUse = false
  return 'plain JavaScript'
}

async function loadWasm(numbers: number): Promise<string> {
  const wasm = await import('@tensorflow/tfjs-backend-wasm')
  if (node) await startWasmInNode(node, wasm, numbers)
  else await activate('wasm')
  registerProducts()
  registerCopies()
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')
  const threads = Math.max(wasm.getThreadsCount(), 1)
  return `${simd ? 'SIMD' : 'no SIMD'}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`
}

async function startWasmInNode(
  node: NodeJS.Process,
  wasm: { setWasmPaths(folder: string): void; setThreadsCount(n: number): void },
  numbers: number,
): Promise<void> {
  const { dirname, sep } = node.getBuiltinModule('node:path')
  const files = dirname(findPackage('@tensorflow/tfjs-backend-wasm'))
  const threads = wantedThreads(node, numbers)
  const start = (): Promise<void> => withoutCrashListeners(node, () => activate('wasm'))
  wasm.setWasmPaths(files + sep)
  wasm.setThreadsCount(threads)
  return threads > 1 ? withThreads(node, dirname(files), threads, start) : start()
}

/**
 * Keeps wasm's start-up from hanging its listeners for uncaught errors on the process: at a prompt, Node forbids them,
 * and elsewhere they would print a crash as a page of minified code.
 */
async function withoutCrashListeners(node: NodeJS.Process, load: () => Promise<void>): Promise<void> {
  const { on } = node
  const crashes: (string | symbol)[] = ['uncaughtException', 'unhandledRejection']
  const listen: typeof node.on = (event, listener) => (crashes.includes(event) ? node : on.call(node, event, listener))
  try {
    node.on = listen
    await load()
  } finally {
    node.on = on
  }
}

async function loadRegistered(name: 'webgpu' | 'webgl'): Promise<string> {
  if (node) throw new Error('it runs in browsers')
  if (!tf.findBackendFactory(name)) throw new Error(`no @tensorflow/tfjs-backend-${name} is imported`)
  await activate(name)
  return 'GPU of the browser'
}

/** What of tfjs-node's backend is read here. */
interface NativeBackend {
  readonly binding?: { TF_Version?: string }
  readonly isUsingGpuDevice?: boolean
}

async function loadNative(name: 'tfjs-node-gpu' | 'tfjs-node'): Promise<string> {
  if (!node) throw new Error('it runs in Node')
  if (running?.name.startsWith('tfjs-node'))
    throw new Error(`${running.name} runs already, one process holds one of them`)
  prepareNode(node)
  const path = findPackage(`@tensorflow/${name}`, true)
  requireFrom(path)(path)
  await activate('tensorflow')
  const backend = tf.backend() as NativeBackend
  const threads = node.env['TF_NUM_INTRAOP_THREADS'] ?? node.getBuiltinModule('node:os').availableParallelism()
  const device = name === 'tfjs-node-gpu' ? (backend.isUsingGpuDevice ? ', GPU' : ', no GPU found') : ''
  return `TensorFlow ${backend.binding?.TF_Version ?? 'of unknown version'}, ${threads} threads${device}`
}

/**
 * tfjs-node 4.22 calls two functions that Node 22 warns of and Node 23 no longer has, and is noisy unless told. Its
 * memory is pooled: else each tensor of more than 32 MB is mapped anew and freed again, which costs more than filling it.
 * Graphs run in the calling thread: handing one over costs more than most of them take.
 */
function prepareNode({ env, getBuiltinModule }: NodeJS.Process): void {
  const util = getBuiltinModule('node:util') as unknown as Record<string, (value: unknown) => boolean>
  util['isNullOrUndefined'] = (value) => value === null || value === undefined
  util['isArray'] = Array.isArray
  env['TF_CPP_MIN_LOG_LEVEL'] ??= '3'
  env['TF_ENABLE_ONEDNN_OPTS'] ??= '0'
  env['TF_CPU_ALLOCATOR_USE_BFC'] ??= 'true'
  env['TF_NUM_INTEROP_THREADS'] ??= '-1'
}

function requireFrom(path: string): NodeJS.Require {
  return node!.getBuiltinModule('node:module').createRequire(path)
}

/**
 * The main file of an installed package, seen from this library or else from the user's project.
 * @param viaTfjs whether the package reaches tfjs-core through @tensorflow/tfjs
 * @throws Error when it is absent, or brings a copy of tfjs-core of its own: tensors of two copies do not mix.
 */
function findPackage(name: string, viaTfjs = false): string {
  const found = resolve(name)
  const ours = follow(import.meta.url, TFJS, CORE)
  const its = viaTfjs ? follow(found, TFJS, CORE) : follow(found, CORE)
  if (its !== ours) throw new Error(`it brings its own ${CORE}, ${its}, beside ${ours}: run npm dedupe`)
  return found
}

/** From a file to the main file of a package it sees, from there to the next, and so on. */
function follow(file: string, ...packages: string[]): string {
  return packages.reduce((from, name) => requireFrom(from).resolve(name), file)
}

function resolve(name: string): string {
  const places = [import.meta.url, `${node!.cwd()}/package.json`]
  for (const place of places) {
    try {
      return follow(place, name)
    } catch {
      // the next place may have it
    }
  }
  throw new Error(`${name} is not installed`)
}
