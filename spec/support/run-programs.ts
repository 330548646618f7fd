/** Runs the modules named on the command line, one after the other, and prints after each how it ended. */
import { pathToFileURL } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { MARK } from './doc-blocks.js'

for (const path of process.argv.slice(2)) {
  const before = tf.memory().numTensors
  let end = 'ok'
  try {
    await import(pathToFileURL(path).href)
    const left = tf.memory().numTensors - before
    if (left !== 0) end = `leaves ${left} tensors: dispose them, or declare their owner with using`
  } catch (error) {
    end = error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  console.log(`${MARK} end ${JSON.stringify(end)}`)
}
