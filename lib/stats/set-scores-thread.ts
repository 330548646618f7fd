/** What the second thread of `SetScoresWorker` runs, in Node: rows as they come, until it is ended. */
import { SetScores } from './set-scores.js'
import { DONE, FULL, PLACES, REFUSED, TAKEN, viewRows, type ThreadData } from './shared-rows.js'

const { parentPort, workerData } = process.getBuiltinModule('node:worker_threads')
const { elements, sets, shared } = workerData as ThreadData
const [{ states, row, scores }, compute] = [viewRows(shared), new SetScores(elements, sets)]

parentPort?.postMessage('started')
for (let place = 0; ; place = (place + 1) % PLACES) {
  for (let state = Atomics.load(states, place); state !== FULL; state = Atomics.load(states, place)) {
    Atomics.wait(states, place, state)
  }
  if (Atomics.compareExchange(states, place, FULL, TAKEN) !== FULL) continue // it was taken back
  const result = compute.of(row(place))
  if (result) scores(place).set(result)
  Atomics.store(states, place, result ? DONE : REFUSED)
  Atomics.notify(states, place)
}
