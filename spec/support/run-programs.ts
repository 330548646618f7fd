/**
 * Runs the modules of the command line, each a JSON list of its path and its arguments, and prints after each how it
 * ended.
 */
import { pathToFileURL } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { MARK } from './doc-blocks.js'

for (const [i, command] of process.argv.slice(2).entries()) {
  const [path, ...args] = JSON.parse(command) as [string, ...string[]]
  process.argv.splice(1, Infinity, path, ...args)
  const before = tf.memory().numTensors
  let end = 'ok'
  try {
    await import(`${pathToFileURL(path).href}?run=${i}`) // a module runs once for each address
    const left = tf.memory().numTensors - before
    if (left !== 0) end = `leaves ${left} tensors: dispose them, or declare their owner with using`
  } catch (error) {
    end = error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  console.log(`${MARK} end ${JSON.stringify(end)}`)
}
