/** Factored matrices against the products they stand for. */
import { expect } from 'chai'
import { Matrix, SVD } from 'ml-matrix'
import { FactoredMatrix } from '../../../lib/residual/factored-matrix.js'
import { random } from '../../../lib/stats/random.js'
import { expectClose } from '../../support/close.js'
import { refusalOf } from '../../support/refusal.js'

/** Float64 all through: what is left is rounding of sums of tens of products of numbers near 1. */
const ROUNDING = 1e-10

function normal(rows: number, columns: number, seed: number): Matrix {
  const draw = random(seed)
  return Matrix.from1DArray(
    rows,
    columns,
    Array.from({ length: rows * columns }, () => draw.normal()),
  )
}

describe('lib/residual/factored-matrix', () => {
  const m = new FactoredMatrix(normal(9, 3, 1), normal(3, 9, 2))

  it('has the product, its shape and its transpose', () => {
    expect([m.rows, m.inner, m.columns]).to.deep.equal([9, 3, 9])
    expectClose(m.transpose.AB.to1DArray(), m.AB.transpose().to1DArray(), ROUNDING)
  })

  it('has the Frobenius norm and the singular values of the product', () => {
    expect(m.norm()).to.be.closeTo(m.AB.norm('frobenius'), ROUNDING)
    expectClose([...m.svd().S], new SVD(m.AB).diagonal.slice(0, 3), ROUNDING)
  })

  it('is put together again by its singular vectors, which are orthonormal', () => {
    const { U, S, V } = m.svd()
    expectClose(
      U.mmul(Matrix.diag([...S]))
        .mmul(V.transpose())
        .to1DArray(),
      m.AB.to1DArray(),
      ROUNDING,
    )
    for (const side of [U, V]) expectClose(side.transpose().mmul(side).to1DArray(), Matrix.eye(3).to1DArray(), ROUNDING)
  })

  it('has the eigenvalues of the product: known ones, and sums that are traces', () => {
    const turn = new FactoredMatrix(
      Matrix.eye(2),
      new Matrix([
        [0, -2],
        [2, 0],
      ]),
    )
    expectClose(
      turn.eigenvalues().flatMap(({ re, im }) => [re, im]),
      [0, 2, 0, -2],
      ROUNDING,
    )
    const values = m.eigenvalues()
    expect(values.reduce((sum, { re }) => sum + re, 0)).to.be.closeTo(m.AB.trace(), ROUNDING)
    const squares = values.reduce((sum, { re, im }) => sum + re * re - im * im, 0)
    expect(squares).to.be.closeTo(m.AB.mmul(m.AB).trace(), 1e-9) // numbers in the hundreds
    const sizes = values.map(({ re, im }) => Math.hypot(re, im))
    expect(sizes).to.deep.equal([...sizes].sort((a, b) => b - a))
  })

  it('multiplies, keeping the smaller inner dimension on either side', () => {
    const narrow = new FactoredMatrix(normal(9, 2, 3), normal(2, 5, 4))
    expect(m.times(narrow).inner).to.equal(2)
    expectClose(m.times(narrow).AB.to1DArray(), m.AB.mmul(narrow.AB).to1DArray(), ROUNDING)
    const wide = new FactoredMatrix(normal(9, 4, 5), normal(4, 5, 6))
    expect(m.times(wide).inner).to.equal(3)
    expectClose(m.times(wide).AB.to1DArray(), m.AB.mmul(wide.AB).to1DArray(), ROUNDING)
  })

  it('refuses factors that do not meet, and eigenvalues of what is not square', async () => {
    expect(await refusalOf(() => new FactoredMatrix(normal(2, 3, 1), normal(2, 3, 1)))).to.equal(
      'ShapeError: FactoredMatrix: the factors are [2,3] and [2,3]. The columns of the first must be the rows of the second.',
    )
    expect(await refusalOf(() => new FactoredMatrix(normal(2, 3, 1), normal(3, 4, 1)).eigenvalues())).to.equal(
      'ShapeError: eigenvalues: the product is [2,4]. Only square matrices have eigenvalues.',
    )
  })
})
