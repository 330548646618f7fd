/**
 * A matrix of low rank kept as its factors, A [m,r] · B [r,n], as TransformerLens's FactoredMatrix: products, norms,
 * singular values and eigenvalues in the small dimension. Plain data in float64, no tensors.
 */
import { EigenvalueDecomposition, Matrix, QrDecomposition, SingularValueDecomposition } from 'ml-matrix'
import { ShapeError } from '../errors/errors.js'

/** Numbers row by row. */
export interface Dense {
  readonly rows: number
  readonly columns: number
  readonly values: ArrayLike<number>
}

export interface Complex {
  readonly re: number
  readonly im: number
}

/** A·B = U · diag(S) · Vᵀ, thin: U [m,r], S [r] falling, V [n,r]. */
export interface Svd {
  readonly U: Matrix
  readonly S: readonly number[]
  readonly V: Matrix
}

export class FactoredMatrix {
  /** [m,r] */
  readonly A: Matrix
  /** [r,n] */
  readonly B: Matrix

  /** @throws ShapeError when the factors do not meet in one dimension. */
  constructor(A: Dense | Matrix, B: Dense | Matrix) {
    this.A = toMatrix(A)
    this.B = toMatrix(B)
    if (this.A.columns !== this.B.rows) {
      throw new ShapeError(
        `FactoredMatrix: the factors are [${this.A.rows},${this.A.columns}] and [${this.B.rows},${this.B.columns}]. The columns of the first must be the rows of the second.`,
      )
    }
  }

  get rows(): number {
    return this.A.rows
  }
  get columns(): number {
    return this.B.columns
  }
  /** The inner dimension r, at least the rank. */
  get inner(): number {
    return this.A.columns
  }

  /** The product itself [m,n]. */
  get AB(): Matrix {
    return this.A.mmul(this.B)
  }

  get transpose(): FactoredMatrix {
    return new FactoredMatrix(this.B.transpose(), this.A.transpose())
  }

  /** this · other, with the smaller of the two inner dimensions. */
  times(other: FactoredMatrix): FactoredMatrix {
    const middle = this.B.mmul(other.A) // [r,r′]
    return this.inner > other.inner
      ? new FactoredMatrix(this.A.mmul(middle), other.B)
      : new FactoredMatrix(this.A, middle.mmul(other.B))
  }

  /** Frobenius norm: the root of the sum of squares of all entries. */
  norm(): number {
    return leftReduced(this.A).mmul(this.B).norm('frobenius')
  }

  /** By QR of both factors and the decomposition of an r × r matrix. */
  svd(): Svd {
    const [left, right] = [new QrDecomposition(this.A), new QrDecomposition(this.B.transpose())]
    const core = left.upperTriangularMatrix.mmul(right.upperTriangularMatrix.transpose())
    const { leftSingularVectors, diagonal, rightSingularVectors } = new SingularValueDecomposition(core)
    return {
      U: left.orthogonalMatrix.mmul(leftSingularVectors),
      S: diagonal,
      V: right.orthogonalMatrix.mmul(rightSingularVectors),
    }
  }

  /**
   * The r eigenvalues that need not be 0, by falling absolute value, then falling imaginary part: those of B·A.
   * @throws ShapeError when the product is not square
   */
  eigenvalues(): Complex[] {
    if (this.rows !== this.columns) {
      throw new ShapeError(
        `eigenvalues: the product is [${this.rows},${this.columns}]. Only square matrices have eigenvalues.`,
      )
    }
    const { realEigenvalues, imaginaryEigenvalues } = new EigenvalueDecomposition(this.B.mmul(this.A))
    const values = realEigenvalues.map((re, i) => ({ re, im: imaginaryEigenvalues[i]! }))
    const size = ({ re, im }: Complex) => Math.round(Math.hypot(re, im) * 1e9)
    return values.sort((a, b) => size(b) - size(a) || b.im - a.im)
  }
}

function toMatrix(x: Dense | Matrix): Matrix {
  return x instanceof Matrix ? x : Matrix.from1DArray(x.rows, x.columns, Array.from(x.values))
}

/** R of A = Q·R: multiplied from the left it keeps norms, as Q is orthogonal, and is only [r,r]. */
export function leftReduced(A: Matrix): Matrix {
  return new QrDecomposition(A).upperTriangularMatrix
}
