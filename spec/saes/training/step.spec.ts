/** One step of a training: where the weights go, what is measured, which latents are dead. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { deadMask, densitySteps, trainStep, type Training } from '../../../saes/training/step.js'
import { expectClose, tolerances } from '../../support/close.js'
import { N, S } from '../../support/losses.js'
import { rowsOf } from '../../support/saes.js'
import { inputsOf, trainingOf } from '../../support/training.js'

/** Copies of all weights, in ordinary memory. */
const copies = ({ state }: Training) =>
  new Map(state.named.map(([name, { value }]) => [name, value.dataSync().slice()]))

/** The gradients of the first step, whose sparsity is still warming up. */
function firstGradients({ state, objective }: Training, x: tf.Tensor2D): Record<string, Float32Array> {
  return tf.tidy(() => {
    const { gradients } = objective(state.weights, x, { sparsity: 0, dead: tf.zeros([S]), deadCount: 0 })
    return Object.fromEntries(
      Object.entries(gradients).map(([name, g]) => [name, (g as tf.Tensor).dataSync<'float32'>().slice()]),
    )
  })
}

describe('trainStep', () => {
  it("moves free weights by Adam's first step, which is the learning rate of the gradient's sign", async () => {
    const training = trainingOf({ decoderNorm: 'free', learningRate: 1e-2, learningRateWarmUp: 0 })
    const x = inputsOf(3)
    const [before, gradients] = [copies(training), firstGradients(training, x)]
    await trainStep(training, x)
    for (const [name, values] of copies(training)) {
      const old = before.get(name)!
      const wanted = [...gradients[name]!].map((g, i) => old[i]! - (1e-2 * g) / (Math.abs(g) + 1e-8))
      expectClose(values, wanted, tolerances.layer, name)
    }
    training.state.dispose()
    x.dispose()
  })

  it('keeps decoder rows at norm 1, and moves them across themselves only', async () => {
    const training = trainingOf({ learningRate: 1e-3, learningRateWarmUp: 0 })
    const x = inputsOf(4)
    const before = rowsOf(training.state.weights.W_dec)
    await trainStep(training, x)
    const after = rowsOf(training.state.weights.W_dec)
    const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
    after.forEach((row, s) => {
      expect(dot(row, row), `norm of row ${s}`).to.be.closeTo(1, 1e-6)
      expect(dot(row, before[s]!), `row ${s} turned a little`).to.be.within(1 - 1e-4, 1 + 1e-6)
    })
    expect(after.flat()).to.not.deep.equal(before.flat())
    training.state.dispose()
    x.dispose()
  })

  it('measures loss, squared error, variance, L0 and the smallest activation, means over tokens', async () => {
    const training = trainingOf({ sparsityWarmUp: 0, sparsity: 0.3 })
    const x = inputsOf(5)
    const { acts, error, l1 } = tf.tidy(() => {
      const { acts, error, other } = training.objective(training.state.weights, x, {
        sparsity: 0.3,
        dead: tf.zeros([S]),
        deadCount: 0,
      })
      return { acts: rowsOf(acts), error: rowsOf(error), l1: other.dataSync()[0]! }
    })
    const numbers = await trainStep(training, x)
    const rows = rowsOf(x)
    const mean = rows[0]!.map((_, d) => rows.reduce((sum, row) => sum + row[d]!, 0) / N)
    const squares = (values: number[][]) => values.flat().reduce((sum, value) => sum + value * value, 0) / N
    const firing = acts.flat().filter((value) => value > 0)
    const wanted = [
      squares(error) + l1,
      squares(error),
      squares(rows.map((row) => row.map((value, d) => value - mean[d]!))),
      firing.length / N,
      0,
      Math.min(...firing),
    ]
    const { loss, squaredError, variance, l0, dead, smallest } = numbers
    expectClose([loss, squaredError, variance, l0, dead, smallest], wanted, tolerances.layer)
    training.state.dispose()
    x.dispose()
  })

  it('counts the steps since each latent fired, from which it is dead, and how often it fires towards the end', async () => {
    const training = trainingOf({ steps: 8, deadAfter: 3, decoderNorm: 'free', learningRate: 1e-9 })
    const { state, plan } = training
    const x = inputsOf(6)
    const acts = tf.tidy(() =>
      rowsOf(training.objective(state.weights, x, { sparsity: 0, dead: tf.zeros([S]), deadCount: 0 }).acts),
    )
    const times = acts[0]!.map((_, s) => acts.filter((row) => row[s]! > 0).length)
    const silent = times.map((count) => (count === 0 ? 1 : 0))
    const quiet = silent.filter((one) => one === 1).length
    expect(quiet, 'some never fire').to.be.within(1, S - 1)
    expect(densitySteps(plan)).to.equal(2)
    for (let step = 0; step < 8; step++) {
      state.progress.step = step
      const { dead } = await trainStep(training, x)
      expect(dead, `after step ${step + 1}`).to.equal(step + 1 >= 3 ? quiet : 0)
    }
    const mask = tf.tidy(() => deadMask(training).dataSync())
    expect([...mask]).to.deep.equal(silent)
    expect([...state.since.dataSync()]).to.deep.equal(silent.map((one) => 8 * one))
    expect([...state.fired.dataSync()]).to.deep.equal(times.map((count) => 2 * count))
    state.dispose()
    x.dispose()
  })
})
