/** Products with frozen matrices: numbers and gradients of plain matMul, one transpose. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { linear, linearPerHead } from '../../../lib/ops/linear.js'
import { matMul } from '../../../lib/ops/products.js'
import { Matrix, TransposedMatrix, WideMatrix } from '../../../lib/ops/weight-matrix.js'
import { isNativeCpu } from '../../../lib/backend/native/ops.js'
import { expectClose, tolerances } from '../../support/close.js'
import { refusalOf } from '../../support/refusal.js'
import { normalTensor } from '../../support/slope.js'

/** Runs with a matrix of seeded random numbers and frees what it keeps. */
function withMatrix(shape: [number, number], body: (W: Matrix, value: tf.Tensor2D) => void): void {
  tf.tidy(() => {
    const value = normalTensor(shape, 7) as tf.Tensor2D
    const W = new Matrix(value)
    try {
      body(W, value)
    } finally {
      W.dispose()
    }
  })
}

describe('lib/ops/linear', () => {
  for (const lead of [[5], [2, 3], [2, 3, 2], []]) {
    it(`is x · W + b over the last axis of [${[...lead, 4]}], with the gradient of matMul`, () => {
      withMatrix([4, 6], (W, value) => {
        const x = normalTensor([...lead, 4], 1)
        const b = normalTensor([6], 2)
        const plain = (v: tf.Tensor) =>
          tf
            .matMul(v.reshape<tf.Tensor2D>([-1, 4]), value)
            .add(b)
            .reshape([...lead, 6])
        const y = linear(x, W, b)
        expect(y.shape).to.deep.equal([...lead, 6])
        expectClose(y, plain(x), tolerances.op)
        const dy = normalTensor([...lead, 6], 3)
        const gradient = tf.grad((v) => linear(v, W, b))(x, dy)
        expect(gradient.shape).to.deep.equal(x.shape)
        expectClose(gradient, tf.grad(plain)(x, dy), tolerances.op)
      })
    })
  }

  it('leaves the bias out when there is none', () => {
    withMatrix([2, 2], (W, value) => {
      expectClose(linear(tf.tensor1d([1, 0]), W), value.slice([0, 0], [1, 2]), 0)
    })
  })

  it('has the gradient of matMul for few rows and for many', () => {
    withMatrix([1500, 1400], (W, value) => {
      for (const rows of [3, 300]) {
        const [x, dy] = [normalTensor([rows, 1500], 1), normalTensor([rows, 1400], 2)]
        const plain = (v: tf.Tensor) => tf.matMul(v as tf.Tensor2D, value)
        const largest = (y: tf.Tensor) => y.abs().max().dataSync()[0]!
        const [gradient, expected] = [tf.grad((v) => linear(v, W))(x, dy), tf.grad(plain)(x, dy)]
        expect(largest(gradient.sub(expected)) / largest(expected)).to.be.lessThan(1e-5) // sums of 1400 float32 products
      }
    })
  })

  for (const [transposeA, transposeB] of [
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ] as const) {
    it(`multiplies two matrices${transposeA ? ', the first transposed' : ''}${transposeB ? ', the second transposed' : ''}, with a gradient`, () => {
      tf.tidy(() => {
        const a = normalTensor(transposeA ? [4, 3] : [3, 4], 1) as tf.Tensor2D
        const b = normalTensor(transposeB ? [5, 4] : [4, 5], 2) as tf.Tensor2D
        const ours = (x: tf.Tensor2D, y: tf.Tensor2D) => matMul(x, y, { a: transposeA, b: transposeB })
        expectClose(ours(a, b), tf.matMul(a, b, transposeA, transposeB), tolerances.op)
        const gradientOf = (multiply: (a: tf.Tensor2D, b: tf.Tensor2D) => tf.Tensor) =>
          tf.grad((v) => multiply(v as tf.Tensor2D, b).square())(a)
        expectClose(
          gradientOf(ours),
          gradientOf((x, y) => tf.matMul(x, y, transposeA, transposeB)),
          tolerances.op,
        )
      })
    })
  }

  for (const lead of [[5], [2, 3], [40], []]) {
    it(`is the same product of [${[...lead, 4]}] by a matrix that is stored transposed, and keeps nothing`, () => {
      withMatrix([4, 6], (W, value) => {
        const transposed = new TransposedMatrix(value.transpose())
        expect(transposed.shape).to.deep.equal([4, 6])
        const [x, b, dy] = [normalTensor([...lead, 4], 1), normalTensor([6], 2), normalTensor([...lead, 6], 3)]
        const before = tf.memory().numTensors
        tf.tidy(() => {
          expect(transposed.times(x).shape).to.deep.equal([...lead, 6])
          expectClose(transposed.times(x), W.times(x), tolerances.op)
          expectClose(transposed.times(x, b), W.times(x, b), tolerances.op)
          const gradientOf = (by: Matrix | TransposedMatrix) => tf.grad((v) => linear(v, by, b))(x, dy)
          expectClose(gradientOf(transposed), gradientOf(W), tolerances.op)
          W.dispose()
        })
        expect(tf.memory().numTensors).to.equal(before)
      })
    })
  }

  it('of very many outputs multiplies some rows by a kept transpose, where that is faster', () => {
    tf.tidy(() => {
      const value = normalTensor([600, 4096], 7) as tf.Tensor2D
      const [wide, plain] = [new WideMatrix(value), new Matrix(value)]
      const keptFor = (rows: number): number => {
        const x = normalTensor([rows, 600], rows)
        const before = tf.memory().numTensors
        tf.tidy(() => expectClose(wide.times(x), plain.times(x), 1e-4)) // sums of 600 products, some 25 large
        return tf.memory().numTensors - before
      }
      expect([1, 300, 3, 40, 256].map(keptFor)).to.deep.equal([0, 0, isNativeCpu() ? 1 : 0, 0, 0])
      wide.dispose()
    })
  })

  it('says both shapes when the last axis does not fit', async () => {
    const matrix = new Matrix(tf.zeros([4, 6]))
    const x = tf.zeros([2, 6])
    expect(await refusalOf(() => linear(x, matrix))).to.equal(
      'ShapeError: linear: x has shape [2,6], the matrix [4,6]. The last axis of x must be 4.',
    )
    tf.dispose([x, matrix.value])
  })

  it('makes the transpose at the first backward pass, once, and frees it', () => {
    withMatrix([4, 6], (W) => {
      const x = normalTensor([3, 4], 1)
      const before = tf.memory().numTensors
      const gradientOf = () => tf.tidy(() => void tf.grad((v) => linear(v, W))(x))
      tf.tidy(() => void linear(x, W))
      expect(tf.memory().numTensors, 'after a forward pass').to.equal(before)
      gradientOf()
      expect(tf.memory().numTensors, 'after a backward pass').to.equal(before + 1)
      gradientOf()
      expect(tf.memory().numTensors, 'after another').to.equal(before + 1)
      W.dispose()
      expect(tf.memory().numTensors, 'after dispose').to.equal(before)
    })
  })

  it('keeps no transpose of a matrix of more than 2^21 numbers, with the same gradient', () => {
    tf.tidy(() => {
      const value = tf
        .range(0, 1500 * 1500)
        .sin()
        .reshape<tf.Tensor2D>([1500, 1500])
      const W = new Matrix(value)
      const before = tf.memory().numTensors
      tf.tidy(() => {
        const columns = tf.tensor1d([0, 7, 1499], 'int32')
        const dy = tf.oneHot(columns, 1500).toFloat() as tf.Tensor2D // nothing to round: the columns themselves
        expectClose(W.back(dy), tf.gather(value, columns, 1).transpose(), 0)
      })
      expect(tf.memory().numTensors).to.equal(before)
    })
  })

  it('reads a variable anew after it was assigned to', () => {
    const variable = tf.tidy(() => tf.variable(tf.tensor2d([1, 2, 3, 4], [2, 2])))
    const W = new Matrix(variable)
    tf.tidy(() => {
      expectClose(tf.grad((x) => linear(x, W))(tf.tensor1d([0, 0]), tf.tensor1d([1, 0])), [1, 3], 0)
      variable.assign(tf.tensor2d([5, 6, 7, 8], [2, 2]))
      expectClose(tf.grad((x) => linear(x, W))(tf.tensor1d([0, 0]), tf.tensor1d([1, 0])), [5, 7], 0)
    })
    W.dispose()
    variable.dispose()
  })

  it('multiplies over the last axis of any shape and leaves nothing but what it gives', () => {
    withMatrix([3, 5], (W, value) => {
      const b = normalTensor([5], 2)
      for (const lead of [[], [4], [2, 3], [2, 1, 3]]) {
        const x = normalTensor([...lead, 3], 1)
        const before = tf.memory().numTensors
        const y = linear(x, W, b)
        expect(tf.memory().numTensors).to.equal(before + 1)
        expect(y.shape).to.deep.equal([...lead, 5])
        expectClose(y, tf.matMul(x.reshape([-1, 3]), value).add(b), tolerances.op)
      }
    })
  })

  it('gives each head a product of its own, with the gradient of plain products', () => {
    tf.tidy(() => {
      const x = normalTensor([2, 3, 4, 5], 1) as tf.Tensor4D
      const W = normalTensor([4, 5, 6], 2) as tf.Tensor3D
      const b = normalTensor([4, 6], 3) as tf.Tensor2D
      const heads = (v: tf.Tensor) =>
        tf.stack(
          [0, 1, 2, 3].map((h) => {
            const rows = v.slice([0, 0, h, 0], [-1, -1, 1, -1]).reshape<tf.Tensor2D>([6, 5])
            const matrix = W.slice([h, 0, 0], [1, -1, -1]).reshape<tf.Tensor2D>([5, 6])
            return tf.matMul(rows, matrix).reshape([2, 3, 6])
          }),
          2,
        )
      expect(linearPerHead(x, W).shape).to.deep.equal([2, 3, 4, 6])
      expectClose(linearPerHead(x, W), heads(x), tolerances.op)
      expectClose(linearPerHead(x, W, b), heads(x).add(b), tolerances.op)
      const dy = normalTensor([2, 3, 4, 6], 4)
      const gradient = tf.grad((v) => linearPerHead(v as tf.Tensor4D, W, b))(x, dy)
      expectClose(gradient, tf.grad(heads)(x, dy), tolerances.op)
    })
  })
})
