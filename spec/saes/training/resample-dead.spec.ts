/** Resampling: dead latents get the directions of what is badly reconstructed, and nothing else moves. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { resampleDead } from '../../../saes/training/resample-dead.js'
import { trainStep, type Training } from '../../../saes/training/step.js'
import { expectClose, tolerances } from '../../support/close.js'
import { S } from '../../support/losses.js'
import { rowsOf } from '../../support/saes.js'
import { inputsOf, trainingOf } from '../../support/training.js'

const dead = [1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1]
const living = dead.flatMap((one, s) => (one === 1 ? [] : [s]))
const gone = dead.flatMap((one, s) => (one === 1 ? [s] : []))

/** A training some steps in, so that moments are not 0, in which these latents are dead. */
async function withDead(options: Parameters<typeof trainingOf>[0] = {}): Promise<Training> {
  const training = trainingOf({ deadAfter: 5, ...options })
  const x = inputsOf(7)
  await trainStep(training, x)
  training.state.progress.step = 50
  tf.tidy(() => training.state.since.assign(tf.tensor1d(dead).mul(9)))
  x.dispose()
  return training
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
const norm = (row: readonly number[]) => Math.sqrt(dot(row, row))
const columns = (rows: number[][]) => rows[0]!.map((_, s) => rows.map((row) => row[s]!))

/** Every variable, a line for each latent. */
function byLatent({ state }: Training): Record<string, number[][]> {
  const lines = [...state.variables()].flatMap(([name, variable]): [string, number[][]][] => {
    if (name.startsWith('b_dec')) return []
    const rows = rowsOf(variable)
    if (variable.rank === 1) return [[name, rows[0]!.map((value) => [value])]]
    return [[name, name.startsWith('W_enc') ? columns(rows) : rows]]
  })
  return Object.fromEntries(lines)
}

describe('resampleDead', () => {
  it('leaves latents that live as they are, bit for bit, with their moments', async () => {
    const training = await withDead({ architecture: 'jumprelu' })
    const x = inputsOf(8)
    const before = byLatent(training)
    await resampleDead(training, x)
    const after = byLatent(training)
    for (const [name, lines] of Object.entries(before)) {
      expect(
        living.map((s) => after[name]![s]),
        name,
      ).to.deep.equal(living.map((s) => lines[s]))
    }
    training.state.dispose()
    x.dispose()
  })

  it('aims each dead latent at what is left over of an input, with fresh bias, threshold and moments', async () => {
    const training = await withDead({ architecture: 'jumprelu', initialThreshold: 0.2 })
    const x = inputsOf(8)
    const left = tf.tidy(() => {
      const terms = { sparsity: 0, dead: tf.zeros<tf.Rank.R1>([S]), deadCount: 0 }
      return rowsOf(training.objective(training.state.weights, x, terms).error.neg())
    })
    const column = byLatent(training)['W_enc']!
    const length = 0.2 * (living.reduce((sum, s) => sum + norm(column[s]!), 0) / living.length)
    await resampleDead(training, x)
    const after = byLatent(training)
    for (const s of gone) {
      const row = after['W_dec']![s]!
      const best = Math.max(...left.map((rest) => dot(row, rest) / norm(rest)))
      expect(best, 'an input it points at').to.be.closeTo(1, 1e-5)
      expect(norm(row)).to.be.closeTo(1, 1e-5)
      expectClose(after['W_enc']![s]!, row.map((value) => value * length), tolerances.layer) // prettier-ignore
      expect(after['b_enc']![s]).to.deep.equal([0])
      expect(after['log_threshold']![s]![0]).to.be.closeTo(Math.log(0.2), 1e-6)
      expect(after['since']![s], 'it lives again').to.deep.equal([0])
      for (const name of ['W_enc', 'b_enc', 'W_dec', 'log_threshold']) {
        for (const moment of [after[`${name}.first`], after[`${name}.second`]]) {
          expect(
            moment![s]!.every((value) => value === 0),
            name,
          ).to.equal(true)
        }
      }
    }
    training.state.dispose()
    x.dispose()
  })

  it('draws inputs by their squared error, from seed and step alone', async () => {
    const [one, same, other] = [await withDead({ seed: 3 }), await withDead({ seed: 3 }), await withDead({ seed: 4 })]
    const x = inputsOf(8)
    for (const training of [one, same, other]) await resampleDead(training, x)
    expect(byLatent(same)).to.deep.equal(byLatent(one))
    expect(byLatent(other)['W_dec']).to.not.deep.equal(byLatent(one)['W_dec'])
    // where one input has nearly all of the error, all of them are aimed at it
    const far = tf.tidy(() => x.mul<tf.Tensor2D>(tf.tensor2d([1e3, ...Array<number>(9).fill(1e-3)], [10, 1])))
    const aimed = await withDead()
    await resampleDead(aimed, far)
    const [first, ...others] = gone.map((s) => byLatent(aimed)['W_dec']![s]!)
    for (const row of others) expect(row).to.deep.equal(first)
    for (const { state } of [one, same, other, aimed]) state.dispose()
    tf.dispose([x, far])
  })
})
