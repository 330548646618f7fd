/** For every spec: one backend, named on stderr, and no test that leaves tensors. */
import * as tf from '@tensorflow/tfjs'
import { backendNotice, useBackend } from '../../lib/backend/backend.js'

let before = 0

/** Fail a test that leaves tensors. */
export const leakHooks: Mocha.RootHookObject = {
  // What a file makes in its own before() lives at both counts, so it is no leak of a test.
  beforeEach() {
    before = tf.memory().numTensors
  },

  // A test that failed has its own message; the tensors it left are a consequence.
  afterEach(this: Mocha.Context) {
    const left = tf.memory().numTensors - before
    if (left === 0 || this.currentTest?.state !== 'passed') return
    // Not thrown: mocha would give up the rest of the file.
    ;(this.test as Mocha.Hook).error(new Error(`tensor leak: the test ends with ${signed(left)} tensors`))
  },
}

export const mochaHooks: Mocha.RootHookObject = {
  async beforeAll() {
    console.error(`backend: ${backendNotice(await useBackend())}`)
  },
  ...leakHooks,
}

function signed(count: number): string {
  return count > 0 ? `+${count}` : String(count)
}
