/** Each line of the table in docs/gradients.md: what is said to fail fails, and what is to be written instead works. */
import { readFileSync } from 'node:fs'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'

type Op = (x: tf.Tensor) => tf.Tensor

interface Line {
  /** Throws in the backward pass, gives wrong numbers, or throws on wasm alone. */
  readonly fails: 'throws' | 'wrong' | 'throws on wasm'
  readonly op: Op
  readonly instead?: Op
}

const ids = (...list: number[]) => tf.tensor1d(list, 'int32')
const oneHot = (list: number[], depth: number) => tf.oneHot(ids(...list), depth).toFloat() as tf.Tensor2D
const W = () => tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3])
const mask = () => tf.tensor2d([1, 0, 1, 0, 1, 0, 1, 1, 0], [3, 3])
const first = (x: tf.Tensor) => x.slice([0, 0], [1, 3])

const lines: Record<string, Line> = {
  '`einsum`': {
    fails: 'throws',
    op: (x) => tf.einsum('ij,kj->ik', x as tf.Tensor2D, W()),
    instead: (x) => tf.matMul(x as tf.Tensor2D, W().transpose()),
  },
  '`topk`': { fails: 'throws', op: (x) => tf.topk(x, 2).values, instead: (x) => x.mul(mask()) },
  '`x.greater(c)` as a mask': {
    fails: 'throws',
    op: (x) => x.mul(x.greater(1).toFloat()),
    instead: (x) => x.mul(x.sub(1).step()),
  },
  '`tf.where(x.greater(c), x, 0)`': {
    fails: 'throws',
    op: (x) => tf.where(x.greater(1), x, tf.zerosLike(x)),
    instead: (x) => x.mul(x.sub(1).step()),
  },
  '`gather`': {
    fails: 'throws on wasm',
    op: (x) => tf.gather(x, ids(1, 1, 0)),
    instead: (x) => tf.matMul(oneHot([1, 1, 0], 3), x as tf.Tensor2D),
  },
  '`gatherND`': {
    fails: 'throws',
    op: (x) => tf.gatherND(x, tf.tensor2d([[1], [0]], [2, 1], 'int32')),
    instead: (x) => tf.matMul(oneHot([1, 0], 3), x as tf.Tensor2D),
  },
  '`scatterND`': {
    fails: 'throws',
    op: (x) => tf.scatterND(tf.tensor2d([[0], [3], [2]], [3, 1], 'int32'), x, [4, 3]),
    instead: (x) => tf.matMul(oneHot([0, 3, 2], 4), x as tf.Tensor2D, true),
  },
  '`tensorScatterUpdate`': {
    fails: 'throws',
    op: (x) => tf.tensorScatterUpdate(x, tf.tensor2d([[0]], [1, 1], 'int32'), tf.ones([1, 3])),
    instead: (x) => x.mul(tf.sub(1, mask())).add(tf.scalar(5).mul(mask())),
  },
  '`sparseToDense`': {
    fails: 'throws',
    op: (x) => tf.sparseToDense(ids(0, 2, 3), first(x).flatten() as tf.Tensor1D, [4]),
    instead: (x) => tf.matMul(first(x) as tf.Tensor2D, oneHot([0, 2, 3], 4)),
  },
  '`stridedSlice`': {
    fails: 'throws',
    op: (x) => tf.stridedSlice(x, [0, 0], [2, 3], [1, 1]),
    instead: (x) => x.slice([0, 0], [2, 3]),
  },
  '`linalg.bandPart`': {
    fails: 'throws',
    op: (x) => tf.linalg.bandPart(x, 0, -1),
    instead: (x) => x.mul(tf.tensor2d([1, 1, 1, 0, 1, 1, 0, 0, 1], [3, 3])),
  },
  '`diag`': {
    fails: 'throws',
    op: (x) => tf.diag(first(x).flatten()),
    instead: (x) => first(x).reshape([3, 1]).mul(tf.eye(3)),
  },
  '`divNoNan`': { fails: 'throws', op: (x) => tf.divNoNan(x, 2), instead: (x) => x.div(2) },
  '`cumprod`': {
    fails: 'throws',
    op: (x) => tf.cumprod(x, 1),
    instead: (x) => x.square().log().cumsum(1).exp(),
  },
  '`prod(-1)`': { fails: 'throws', op: (x) => x.prod(-1), instead: (x) => x.prod(1) },
  '`cumsum` over another axis than the last': {
    fails: 'wrong',
    op: (x) => x.cumsum(0),
    instead: (x) => x.transpose().cumsum(1).transpose(),
  },
  '`mirrorPad`': {
    fails: 'wrong',
    op: (x) => tf.mirrorPad(x, [[0, 0], [0, 1]], 'reflect'), // prettier-ignore
    instead: (x) => tf.concat([x, x.slice([0, 1], [3, 1])], 1),
  },
  '`floorDiv`': { fails: 'wrong', op: (x) => tf.floorDiv(x, 4) },
  '`multinomial`': { fails: 'throws', op: (x) => tf.multinomial(x as tf.Tensor2D, 2, 1).toFloat() },
  'batched `matMul` that broadcasts x': {
    fails: 'throws',
    op: (x) => tf.matMul(x.reshape([1, 3, 3]), tf.ones([2, 3, 3])),
    instead: (x) => tf.matMul(x.reshape([1, 3, 3]).tile([2, 1, 1]), tf.ones([2, 3, 3])),
  },
  '`maximum`, `minimum` that broadcast x': {
    fails: 'throws',
    op: (x) => tf.maximum(first(x), W()).add(tf.minimum(first(x), W())),
    instead: (x) =>
      tf.maximum(first(x).tile([3, 1]), W().add(0.2)).add(tf.minimum(first(x).tile([3, 1]), W().add(0.7))),
  },
  '`squaredDifference` that broadcasts x': {
    fails: 'throws',
    op: (x) => tf.squaredDifference(first(x), W()),
    instead: (x) => first(x).sub(W()).square(),
  },
}

const safe: Record<string, Op> = {
  matMul: (x) => tf.matMul(x as tf.Tensor2D, W()),
  'split, concat': (x) => tf.concat([...tf.split(x, 3, 1)].reverse(), 1),
  pad: (x) => x.pad([[0, 1], [1, 0]]), // prettier-ignore
  softmax: (x) => tf.softmax(x),
  logSoftmax: (x) => tf.logSoftmax(x),
  logSumExp: (x) => x.logSumExp(1),
  relu: (x) => x.relu(),
  step: (x) => x.step(),
  sigmoid: (x) => x.sigmoid(),
  tanh: (x) => x.mul(0.2).tanh(),
  erf: (x) => x.mul(0.2).erf(),
  max: (x) => x.max(1),
  mean: (x) => x.mean(0),
  moments: (x) => tf.moments(x, 1).variance,
  norm: (x) => x.norm('euclidean', 1),
  'cumsum over the last axis': (x) => x.cumsum(1),
  'where with a constant condition': (x) => tf.where(mask().toBool(), x, tf.zerosLike(x)),
}

// far from the kinks of the ops at 0, 1 and 4k, so that differences do not step over them
const at = [1.5, -2.5, 3, 5, 0.6, -6.5, 2.2, -1.3, 6.7]
const weighted = (op: Op) => (x: tf.Tensor) => {
  const y = op(x)
  const weights = tf.tensor(Array.from({ length: y.size }, (_, i) => 0.3 + ((i * 7) % 5)), y.shape) // prettier-ignore
  return y.mul(weights).sum() as tf.Scalar
}

function backward(op: Op): number[] {
  const gradient = tf.tidy(() => tf.grad(weighted(op))(tf.tensor2d(at, [3, 3])))
  const numbers = [...gradient.dataSync()]
  gradient.dispose()
  return numbers
}

function backwardThatThrows(op: Op): void {
  try {
    backward(op)
  } finally {
    // tfjs frees what the forward pass saved only at the end of a backward pass
    for (const { saved } of tf.engine().state.activeTape ?? []) tf.dispose(saved)
  }
}

/** Slopes by central differences. */
function slopes(op: Op): number[] {
  const step = 0.01
  const value = (numbers: number[]) => tf.tidy(() => weighted(op)(tf.tensor2d(numbers, [3, 3])).dataSync()[0]!)
  return at.map((_, i) => {
    const moved = (by: number) => at.map((n, j) => (j === i ? n + by : n))
    return (value(moved(step)) - value(moved(-step))) / (2 * step)
  })
}

/** Largest difference to the slopes, as a part of the largest slope. */
function error(op: Op): number {
  const [a, b] = [backward(op), slopes(op)]
  const scale = Math.max(1, ...b.map(Math.abs))
  return Math.max(...a.map((n, i) => Math.abs(n - b[i]!))) / scale
}

// float32 differences over 0.02 of numbers up to 1e3 carry about this much noise; a wrong gradient is off by over 0.1
const noise = 0.02

describe('gradients of tfjs', () => {
  it('are listed in docs/gradients.md line by line', () => {
    const page = readFileSync(new URL('../../docs/gradients.md', import.meta.url), 'utf8')
    const table = page.slice(page.indexOf('| on the tape'))
    const rows = [...table.matchAll(/^\| (.+?) \| (.+?) \| (.+?) \|$/gm)].slice(2)
    expect(rows.map(([, op]) => op)).to.deep.equal(Object.keys(lines))
    for (const [, op, happens] of rows) expect(happens, op).to.match(new RegExp(`^${lines[op!]!.fails}`))
  })

  for (const [name, { fails, op, instead }] of Object.entries(lines)) {
    it(`fail for ${name}${instead ? ', and work for what is to be written instead' : ''}`, () => {
      if (fails === 'wrong') expect(error(op)).to.be.greaterThan(0.1)
      else if (fails === 'throws' || tf.getBackend() === 'wasm') expect(() => backwardThatThrows(op)).to.throw()
      else expect(error(op)).to.be.lessThan(noise)
      if (instead) expect(error(instead)).to.be.lessThan(noise)
    })
  }

  for (const [name, op] of Object.entries(safe)) {
    it(`work for ${name}`, () => expect(error(op)).to.be.lessThan(noise))
  }
})
