/**
 * Threads for the wasm backend in Node. tfjs has them in browsers alone, but its threaded module runs here as well once
 * its workers are started from files (tensorflow/tfjs#3830).
 */
import * as tf from '@tensorflow/tfjs'
import { BackendError } from '../../errors/errors.js'

/** How many workers the module makes: a thread beyond them would be waited for and never start. */
const POOL = 8

const NAME = 'tfjs-backend-wasm-threaded-simd'

/** Numbers of weights from which on products are worth several threads: GPT-2 small has 163 million, the embedded model 2. */
const WORTH_IT = 2e7

/**
 * How many threads TFJS_LENS_WASM_THREADS asks for. If it is silent, as many as there are processors where the weights at
 * hand have very many numbers, and one for others: starting each product on several costs more than it saves there.
 * @throws BackendError when that is no number of threads
 */
export function wantedThreads({ env, getBuiltinModule }: NodeJS.Process, numbers: number): number {
  const asked = env['TFJS_LENS_WASM_THREADS']
  if (!asked) return numbers < WORTH_IT ? 1 : Math.min(POOL, getBuiltinModule('node:os').availableParallelism())
  const threads = Number(asked)
  if (Number.isInteger(threads) && threads >= 1 && threads <= POOL) return threads
  throw new BackendError(`TFJS_LENS_WASM_THREADS is '${asked}'. It must be a whole number from 1 to ${POOL}.`)
}

/**
 * Starts the wasm backend with threads.
 * @param folder of the package @tensorflow/tfjs-backend-wasm
 * @param start starts it as the settings of this moment say
 */
export async function withThreads(
  { getBuiltinModule }: NodeJS.Process,
  folder: string,
  threads: number,
  start: () => Promise<void>,
): Promise<void> {
  const os = getBuiltinModule('node:os')
  const { cpus } = os
  const main = `${folder}/wasm-out/${NAME}.js`
  const code = workerCode(getBuiltinModule('node:module').createRequire(main), folder)
  const { Worker } = getBuiltinModule('node:worker_threads')

  /** One that runs the module's code, whatever address it is given, and reads the module from its file. */
  class ModuleWorker extends Worker {
    constructor() {
      super(code, { eval: true })
    }
    /** Nothing: once the module has let it go, no thread is to keep the process from its end. */
    override ref(): void {}
    override postMessage(message: { cmd?: string }): void {
      super.postMessage(message.cmd === 'load' ? { ...message, urlOrBlob: main } : message)
    }
  }

  const before = Object.getOwnPropertyDescriptor(globalThis, 'Worker')
  // the module sets this to Node's own, which takes no address of a blob
  Object.defineProperty(globalThis, 'Worker', { configurable: true, get: () => ModuleWorker, set: () => undefined })
  os.cpus = () => Array.from({ length: 2 * threads }, () => cpus()[0]!) // it uses half of the processors
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', true)
  try {
    await start()
  } catch (error) {
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false)
    throw error
  } finally {
    os.cpus = cpus
    if (before) Object.defineProperty(globalThis, 'Worker', before)
    else Reflect.deleteProperty(globalThis, 'Worker')
  }
}

/** The package has it as the text of a template, whose line ends stand for themselves. */
function workerCode(require: NodeJS.Require, folder: string): string {
  const { wasmWorkerContents } = require(`${folder}/wasm-out/${NAME}.worker.js`) as { wasmWorkerContents: string }
  return wasmWorkerContents.replaceAll('\n', '\\n')
}
