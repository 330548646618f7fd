/** Products and copies against loops over plain arrays. On wasm the kernels are this library's, elsewhere the backend's. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { expectClose, tolerances } from '../../../support/close.js'
import { normalTensor } from '../../../support/slope.js'

/** A tensor whose number at each index is made of the index. */
function indexed(shape: readonly number[], value: (...index: number[]) => number): tf.Tensor {
  const sizes = [...shape]
  const numbers = Array.from({ length: sizes.reduce((n, size) => n * size, 1) }, (_, flat) =>
    value(...tf.util.indexToLoc(flat, sizes.length, tf.util.computeStrides(sizes).concat(1))),
  )
  return tf.tensor(numbers, sizes)
}

/** 0, 1, 2, … in this shape. */
const counting = (shape: number[]): tf.Tensor => tf.range(0, tf.util.sizeFromShape(shape)).reshape(shape)

const at = (x: tf.Tensor): ((...index: number[]) => number) => {
  const values = x.dataSync()
  return (...index) => values[tf.util.locToIndex(index, x.rank, tf.util.computeStrides(x.shape).concat(1))]!
}

function expectSame(x: tf.Tensor, wanted: tf.Tensor): void {
  expect(x.shape).to.deep.equal(wanted.shape)
  expect(Array.from(x.dataSync())).to.deep.equal(Array.from(wanted.dataSync()))
}

describe('lib/wasm', () => {
  beforeEach(() => tf.engine().startScope())
  afterEach(() => tf.engine().endScope())

  // small and large ones, which go different ways
  for (const [batch, rows, inner, columns] of [
    [[], 3, 4, 5],
    [[], 40, 30, 20],
    [[3], 2, 3, 4],
    [[3], 20, 16, 18],
    [[2, 3], 17, 19, 23],
  ] as const) {
    for (const [transposeA, transposeB] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ] as const) {
      it(`multiplies [${batch}] matrices of ${rows} × ${inner} × ${columns}, transposed: ${transposeA}, ${transposeB}`, () => {
        const a = normalTensor([...batch, ...(transposeA ? [inner, rows] : [rows, inner])], 1)
        const b = normalTensor([...batch, ...(transposeB ? [columns, inner] : [inner, columns])], 2)
        const [readA, readB] = [at(a), at(b)]
        const wanted = indexed([...batch, rows, columns], (...index) => {
          const [i, j] = index.slice(-2) as [number, number]
          const lead = index.slice(0, -2)
          let sum = 0
          for (let k = 0; k < inner; k++) {
            sum += readA(...lead, ...(transposeA ? [k, i] : [i, k])) * readB(...lead, ...(transposeB ? [j, k] : [k, j]))
          }
          return sum
        })
        const held = tf.memory().numDataBuffers
        const product = tf.matMul(a, b, transposeA, transposeB)
        expect(tf.memory().numDataBuffers).to.equal(held + 1)
        expect(product.shape).to.deep.equal(wanted.shape)
        expectClose(product, wanted, tolerances.op)
      })
    }
  }

  it('multiplies matrices by one that all share, and refuses those that do not fit', () => {
    const a = normalTensor([4, 20, 16], 1)
    const b = normalTensor([1, 16, 18], 2)
    const one = tf.matMul(a.reshape<tf.Tensor2D>([80, 16]), b.reshape<tf.Tensor2D>([16, 18])).reshape([4, 20, 18])
    expectClose(tf.matMul(a, b), one, tolerances.op)
    expect(() => tf.matMul(a, normalTensor([4, 17, 18], 3))).to.throw(/inner|match|incompatible/i)
  })

  for (const [shape, begin, size] of [
    [[7], [2], [3]],
    [
      [5, 6],
      [1, 2],
      [3, 4],
    ],
    [
      [5, 6],
      [1, 0],
      [3, 6],
    ],
    [
      [2, 5, 6],
      [0, 1, 2],
      [2, 3, 1],
    ],
    [
      [3, 4, 5, 6],
      [1, 0, 2, 0],
      [2, 4, 2, 6],
    ],
    [
      [2, 3, 2, 3, 2],
      [0, 1, 0, 1, 0],
      [2, 2, 2, 2, 1],
    ],
    [
      [4, 3],
      [4, 0],
      [0, 3],
    ],
  ]) {
    it(`cuts [${size}] at [${begin}] out of [${shape}]`, () => {
      const x = counting(shape!)
      const read = at(x)
      const cut = tf.slice(x, begin!, size)
      expectSame(
        cut,
        indexed(size!, (...index) => read(...index.map((n, i) => n + begin![i]!))),
      )
    })
  }

  it('refuses a cut beyond the edge', () => {
    expect(() => tf.slice(counting([3, 4]), [1, 2], [2, 3])).to.throw()
  })

  for (const axis of [0, 1, 2, -1]) {
    it(`splits along axis ${axis}`, () => {
      const x = counting([4, 6, 8])
      const axes = [0, 1, 2].at(axis)!
      const widths = [1, x.shape[axes]! - 3, 2]
      let start = 0
      const parts = tf.split(x, widths, axis)
      expect(parts).to.have.length(3)
      parts.forEach((part, i) => {
        const begin = [0, 1, 2].map((i) => (i === axes ? start : 0))
        start += widths[i]!
        expectSame(
          part,
          tf.slice(
            x,
            begin,
            x.shape.map((n, j) => (j === axes ? widths[i]! : n)),
          ),
        )
      })
    })
  }

  for (const [shape, axis] of [
    [[6, 40], 0],
    [[6, 3], 0],
    [[6, 2, 20], 0],
    [[4, 6, 5], 1],
  ] as const) {
    it(`gathers from axis ${axis} of [${shape}], indices of any shape, also twice`, () => {
      const x = counting([...shape])
      const read = at(x)
      const indices = [[5, 0, 5], [1, 2, 3]] // prettier-ignore
      const wanted = indexed([...shape.slice(0, axis), 2, 3, ...shape.slice(axis + 1)], (...index) => {
        const [i, j] = index.splice(axis, 2) as [number, number]
        index.splice(axis, 0, indices[i]![j]!)
        return read(...index)
      })
      expectSame(tf.gather(x, tf.tensor2d(indices, [2, 3], 'int32'), axis), wanted)
    })
  }

  for (const reps of [
    [1, 1, 1],
    [3, 1, 1],
    [1, 5, 1],
    [1, 1, 7],
    [2, 3, 4],
    [1, 0, 1],
  ]) {
    it(`tiles by [${reps}]`, () => {
      const x = counting([2, 3, 4])
      const read = at(x)
      const shape = x.shape.map((n, i) => n * reps[i]!)
      const wanted = indexed(shape, (...index) => read(...index.map((n, i) => n % x.shape[i]!)))
      expectSame(tf.tile(x, reps), wanted)
    })
  }

  it('copies whole numbers, truths and text too', () => {
    const whole = tf.tensor2d([1, 2, 3, 4], [2, 2], 'int32')
    const truths = tf.tensor2d([1, 0, 0, 1], [2, 2], 'bool')
    const text = tf.tensor2d(['a', 'b', 'c', 'd'], [2, 2], 'string')
    const right = (x: tf.Tensor) => [x.dtype, Array.from(tf.slice(x, [0, 1], [2, 1]).dataSync() as ArrayLike<unknown>)]
    expect([whole, truths, text].map(right)).to.deep.equal([['int32', [2, 4]], ['bool', [0, 1]], ['string', ['b', 'd']]]) // prettier-ignore
    expect(Array.from(tf.tile(whole, [2, 1]).dataSync())).to.deep.equal([1, 2, 3, 4, 1, 2, 3, 4])
  })

  it('lets a clone outlive what it was made of, and gives all back', () => {
    const { numTensors, numDataBuffers } = tf.memory()
    const x = tf.tensor1d([1, 2, 3])
    const clone = x.clone()
    x.dispose()
    tf.zeros([3]).dispose()
    expect(Array.from(clone.dataSync())).to.deep.equal([1, 2, 3])
    clone.dispose()
    expect(tf.memory()).to.include({ numTensors, numDataBuffers })
  })
})
