/** Normalizations of an SAE's input against their formulas in float64. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { normalizeInput, type Normalized } from '../../saes/input.js'
import type { Normalization } from '../../saes/index.js'
import { expectClose, maxDifference, tolerances } from '../support/close.js'
import { rowsOf } from '../support/saes.js'

const rows = [
  [3, -1, 2, 0.5],
  [-0.25, 4, 1, 7],
  [0.01, 0.02, -0.03, 0.04],
]

/** The normalized row and what undoes it. */
type Plain = (row: number[]) => { value: number[]; undo: (y: number[]) => number[] }

const rescale: Plain = (row) => {
  const norm = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0))
  const factor = Math.sqrt(row.length) / norm
  return { value: row.map((v) => v * factor), undo: (y) => y.map((v) => v / factor) }
}

/** Unbiased std, with 1e-5 added to it (not to the variance) on the way in, and not on the way back. */
const layerNorm: Plain = (row) => {
  const mean = row.reduce((sum, v) => sum + v, 0) / row.length
  const std = Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (row.length - 1))
  return { value: row.map((v) => (v - mean) / (std + 1e-5)), undo: (y) => y.map((v) => v * std + mean) }
}

const identity: Plain = (row) => ({ value: row, undo: (y) => y })

describe('normalizeInput', () => {
  const plain: Record<Normalization, Plain> = {
    none: identity,
    expected_average_only_in: identity,
    constant_norm_rescale: rescale,
    layer_norm: layerNorm,
  }

  /** Runs a check with the rows as a [1,3,4] tensor, normalized. */
  function check(kind: Normalization, body: (normalized: Normalized, x: tf.Tensor) => void): void {
    tf.tidy(() => {
      const x = tf.tensor(rows.flat(), [1, 3, 4])
      body(normalizeInput(x, kind), x)
    })
  }

  for (const kind of Object.keys(plain) as Normalization[]) {
    it(`${kind} is its formula, over the last axis, and so is the way back`, () => {
      check(kind, ({ value, undo }) => {
        expect(value.shape).to.deep.equal([1, 3, 4])
        expectClose(
          value,
          rows.flatMap((row) => plain[kind](row).value),
          tolerances.layer,
          'value',
        )
        const other = tf.tensor([1, -2, 0.5, 3, 0, 0, 0, 0, 2, 2, -1, 5], [1, 3, 4])
        const back = rowsOf(other).flatMap((y, i) => plain[kind](rows[i]!).undo(y))
        expectClose(undo(other), back, tolerances.layer, 'way back')
      })
    })
  }

  it('constant_norm_rescale gives norm √d and is undone exactly', () => {
    check('constant_norm_rescale', ({ value, undo }, x) => {
      expectClose(value.norm('euclidean', -1), [2, 2, 2], tolerances.layer)
      expectClose(undo(value), x, tolerances.layer)
    })
  })

  it('layer_norm gives mean 0 and unbiased variance 1, and its way back is off by the 1e-5 alone', () => {
    check('layer_norm', ({ value, undo }, x) => {
      expectClose(value.mean(-1), [0, 0, 0], tolerances.layer)
      const variances = rowsOf(value).map((row) => row.reduce((sum, v) => sum + v * v, 0) / 3)
      // the third row has std 0.029, so the 1e-5 is 0.03 % of it
      expectClose(variances.slice(0, 2), [1, 1], 2e-5, 'variance')
      expect(variances[2]).to.be.within(0.999, 0.9995)
      expectClose(undo(value), x, 2e-5)
      expect(maxDifference(undo(value), x)).to.be.above(1e-6)
    })
  })
})
