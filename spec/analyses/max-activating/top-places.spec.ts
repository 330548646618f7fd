/** Candidates from the device and the choice among them: the same as sorting everything. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { topPlaces } from '../../../analyses/max-activating/top-places.js'
import { useBackend } from '../../../lib/backend/backend.js'
import { kLargestIndices } from '../../../lib/stats/k-largest.js'
import { random } from '../../../lib/stats/random.js'

describe('top places', () => {
  before(async () => void (await useBackend()))

  it('are those of sorting whole columns, with ties and crowds, in any number of candidates', async () => {
    const { next, integer } = random(5)
    for (let trial = 0; trial < 40; trial++) {
      const [rows, width, latents] = [1 + integer(4), 9 + integer(20), 1 + integer(5)]
      const options = { k: 1 + integer(6), buffer: integer(5), noOverlap: integer(3) > 0 }
      const steps = [3, 40, 1e6][trial % 3]! // coarse values tie often
      const crowd = integer(width)
      const value = (_row: number, p: number) =>
        Math.round(steps * next()) / steps + (Math.abs(p - crowd) < 4 && trial % 2 === 0 ? 2 : 0)
      const columns = Array.from({ length: latents }, () =>
        Array.from({ length: rows }, (_, r) => Array.from({ length: width }, (_, p) => Math.fround(value(r, p)))),
      )
      const inner = (p: number) => p >= options.buffer && p < width - options.buffer
      const numbers = Array.from({ length: rows * width }, (_, i) =>
        columns.map((column) => (inner(i % width) ? column[Math.floor(i / width)]![i % width]! : -Infinity)),
      )
      const thresholds = columns.map(() => Math.fround(next() - 0.3))
      const acts = tf.tensor2d(numbers)
      const found = await topPlaces(acts, thresholds, { ...options, width })
      acts.dispose()
      columns.forEach((column, f) => {
        const all = kLargestIndices(column, options).map(([r, p]) => ({ index: r * width + p, value: column[r]![p]! }))
        const above = all.filter((place) => place.value > thresholds[f]!)
        expect(found.get(f) ?? [], `trial ${trial}, latent ${f}`).to.deep.equal(above)
      })
    }
  })

  it('come from more candidates where the first few crowd together', async () => {
    // 60 large neighbours in one row hide the second best place from the first 8 candidates
    const row = Array.from({ length: 100 }, (_, p) => (p < 60 ? 10 + p / 100 : p === 90 ? 3 : 1))
    const acts = tf.tensor2d(row.map((value) => [value, -value]))
    const found = await topPlaces(acts, [0, 0], { width: 100, k: 2, buffer: 59, noOverlap: true })
    acts.dispose()
    expect([...found.keys()]).to.deep.equal([0])
    expect(found.get(0)!.map(({ index }) => index)).to.deep.equal([59])
    const two = tf.tensor2d([...row, ...row.map((value) => value / 100)], [200, 1])
    const both = await topPlaces(two, [0], { width: 100, k: 2, buffer: 59, noOverlap: true })
    two.dispose()
    expect(both.get(0)!.map(({ index }) => index)).to.deep.equal([59, 159])
  })
})
