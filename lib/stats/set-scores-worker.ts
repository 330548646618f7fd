/** `SetScores` of many rows, on a second thread as well where there is one. */
import { node } from '../backend/node.js'
import { SetScores } from './set-scores.js'
import { DONE, FREE, FULL, PLACES, REFUSED, sharedRows, TAKEN, viewRows, type ThreadData } from './shared-rows.js'

/** Numbers in all rows from which on a thread is worth its start: a second or two of ranking. */
const WORTH_IT = 2 ** 25

/** Milliseconds that a row is waited for: it takes a few. */
const PATIENCE = 10_000

/** Takes the scores of a row by its number; undefined where the row holds NaN. Rows come in any order. */
export type TakeScores = (scores: Float64Array | undefined, number: number) => void

/** What is scored. */
export interface ScoredRows {
  /** V */
  readonly elements: number
  /** Sets of elements from 0 to V − 1, none twice in a set. */
  readonly sets: readonly ArrayLike<number>[]
  /** How many rows are to come: for few no thread is started. */
  readonly rows: number
}

/**
 * Rows are handed over one by one: the second thread takes them while it has room, the caller's computes the others.
 * Both compute the same. Dispose it, also after an error.
 *
 * @example
 * using worker = new SetScoresWorker({ elements: 50257, sets, rows: 24576 }, (scores, row) => { all[row] = scores })
 * for (const [row, numbers] of rows.entries()) await worker.add(numbers, row)
 * worker.finish()
 */
export class SetScoresWorker implements Disposable {
  readonly #own: SetScores
  readonly #take: TakeScores
  readonly #shared: ReturnType<typeof viewRows>
  readonly #thread: Thread | undefined
  /** The numbers of the rows that the places hold. */
  readonly #numbers = new Int32Array(PLACES)
  /** Where the next row goes. The thread looks at the places in the same turn. */
  #next = 0

  constructor({ elements, sets, rows }: ScoredRows, take: TakeScores) {
    const shared = sharedRows(elements, sets.length)
    this.#own = new SetScores(elements, sets)
    this.#take = take
    this.#shared = viewRows(shared)
    if (rows * elements >= WORTH_IT) this.#thread = startThread({ elements, sets, shared })
  }

  /** @param row [V], copied where it is handed over */
  async add(row: Float32Array, number: number): Promise<void> {
    const { states, row: placeOf } = this.#shared
    const place = this.#next
    this.#collect(place)
    if (!this.#thread?.runs || Atomics.load(states, place) !== FREE) {
      this.#take(this.#own.of(row), number)
      if (this.#thread?.starts) await new Promise((resolve) => setImmediate(resolve)) // Node starts it in between
      return
    }
    placeOf(place).set(row)
    this.#numbers[place] = number
    Atomics.store(states, place, FULL)
    Atomics.notify(states, place)
    this.#next = (place + 1) % PLACES
  }

  /** What is left. Rows that the thread has not begun, or does not give back, are computed here. */
  finish(): void {
    const { states, row } = this.#shared
    for (let place = 0; place < PLACES; place++) {
      const begun = Atomics.compareExchange(states, place, FULL, FREE)
      const lost = begun === TAKEN && Atomics.wait(states, place, TAKEN, PATIENCE) === 'timed-out'
      if (begun === FULL || lost) this.#take(this.#own.of(row(place)), this.#numberAt(place))
      else this.#collect(place)
    }
  }

  #collect(place: number): void {
    const { states, scores } = this.#shared
    const state = Atomics.load(states, place)
    if (state !== DONE && state !== REFUSED) return
    this.#take(state === DONE ? scores(place).slice() : undefined, this.#numberAt(place))
    Atomics.store(states, place, FREE)
  }

  #numberAt(place: number): number {
    return this.#numbers[place] ?? -1
  }

  [Symbol.dispose](): void {
    this.#thread?.[Symbol.dispose]()
  }
}

interface Thread extends Disposable {
  readonly starts: boolean
  readonly runs: boolean
}

/** Undefined where there are no threads or only one processor. */
function startThread(data: ThreadData): Thread | undefined {
  if (!node || node.getBuiltinModule('node:os').availableParallelism() < 2) return undefined
  const { Worker } = node.getBuiltinModule('node:worker_threads')
  const file = import.meta.url.replace('-worker.', '-thread.')
  const isSource = file.endsWith('.ts')
  const options = { workerData: data, execArgv: [], eval: isSource }
  const worker = new Worker(isSource ? importing(file) : new URL(file), options)
  const thread = { starts: true, runs: false, [Symbol.dispose]: () => void worker.terminate() }
  const become = (runs: boolean) => () => Object.assign(thread, { starts: false, runs })
  worker.on('message', become(true)).on('error', become(false)).on('exit', become(false)).unref()
  return thread
}

/** In a clone, run from its own folder, the file is TypeScript, which a thread cannot read by itself. */
function importing(file: string): string {
  const from = JSON.stringify(file)
  return `import('tsx/esm/api').then(({ tsImport }) => tsImport(${from}, ${from}))`
}
