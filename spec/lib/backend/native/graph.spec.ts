import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GraphText } from '../../../../lib/backend/native/graph-text.js'
import { runGraph, type BuildGraph, type ByName } from '../../../../lib/backend/native/graph.js'
import { isNativeCpu } from '../../../../lib/backend/native/ops.js'
import { expectClose } from '../../../support/close.js'
import { keptEnvironment } from '../../../support/environment.js'

const sumAndProduct: BuildGraph = (g, { a, b }) => ({
  sum: g.node('AddV2', [a!, b!]),
  product: g.node('Mul', [a!, g.scalar(-1.5e-3)]),
})

describe('lib/ops native graphs', () => {
  it('run on the native backend’s processor, and nowhere else', () => {
    tf.tidy(() => {
      const outputs = runGraph('spec: both', sumAndProduct, { a: tf.tensor1d([1, 2]), b: tf.tensor1d([3, 4]) })
      expect(outputs && Object.keys(outputs)).to.deep.equal(isNativeCpu() ? ['sum', 'product'] : undefined)
    })
  })

  describe('on the native backend', () => {
    before(function () {
      if (!isNativeCpu()) this.skip()
    })

    const run = (key: string, build: BuildGraph, inputs: ByName<tf.Tensor>) => runGraph(`spec: ${key}`, build, inputs)!

    it('give each of their outputs, call after call, and hold no tensors', () => {
      const [a, b] = [tf.tensor1d([1, 2]), tf.tensor1d([3, 4])]
      const before = tf.memory().numTensors
      for (let i = 0; i < 3; i++) {
        const { sum, product } = run('outputs', sumAndProduct, { a, b })
        expectClose(sum!, [4, 6], 0)
        expectClose(product!, [-1.5e-3, -3e-3], 1e-9)
        tf.dispose([sum!, product!])
      }
      expect(tf.memory().numTensors).to.equal(before)
      tf.dispose([a, b])
    })

    it('take inputs of any shape: sizes are those of the call', () => {
      const flat: BuildGraph = (g, { x }) => {
        const rows = g.reshape(x!, g.shape(g.sizes(x!, 0, 1), [-1]))
        return { rows, again: g.reshape(rows, g.shape(g.sizes(x!, 0, -1), g.sizes(x!, -1, 3))) }
      }
      for (const shape of [
        [2, 3, 4],
        [5, 1, 2],
      ]) {
        tf.tidy(() => {
          const x = tf
            .range(
              0,
              shape.reduce((product, n) => product * n),
            )
            .reshape(shape)
          const { rows, again } = run('sizes', flat, { x })
          expect(rows!.shape).to.deep.equal([shape[0], shape[1]! * shape[2]!])
          expectClose(again!, x, 0)
        })
      }
    })

    it('have the ops that several files use', () => {
      const all: BuildGraph = (g, { x, y }) => {
        const [left, right] = g.split(x!, [1, 2])
        const swapped = g.transpose(x!, [1, 0])
        return {
          joined: g.join([right!, left!]),
          sum: g.over('Sum', x!),
          mean: g.over('Mean', x!),
          product: g.product(x!, y!, { transposeB: true }),
          swapped,
        }
      }
      tf.tidy(() => {
        const [x, y] = [tf.tensor2d([[1, 2, 3]]), tf.tensor2d([[4, 5, 6]])]
        const { joined, sum, mean, product, swapped } = run('ops', all, { x, y })
        expectClose(joined!, [2, 3, 1], 0)
        expectClose(sum!, [6], 0)
        expectClose(mean!, [2], 0)
        expectClose(product!, [32], 0)
        expect(swapped!.shape).to.deep.equal([3, 1])
      })
    })

    it('leave no file behind, and are done without where none can be written', () => {
      const folder = mkdtempSync(join(tmpdir(), 'native-graph-'))
      const restore = keptEnvironment()
      try {
        process.env['TMPDIR'] = folder
        tf.tidy(() => void run('files', sumAndProduct, { a: tf.scalar(1), b: tf.scalar(2) }))
        expect(readdirSync(folder)).to.deep.equal([])
        process.env['TMPDIR'] = join(folder, 'nowhere')
        const inputs = tf.tidy(() => ({ a: tf.keep(tf.scalar(1)), b: tf.keep(tf.scalar(2)) }))
        expect(runGraph('spec: no folder', sumAndProduct, inputs)).to.equal(undefined)
        tf.dispose(inputs)
      } finally {
        restore()
        rmSync(folder, { recursive: true })
      }
    })

    it('leave out inputs that are undefined: with other inputs it is another graph', () => {
      const build: BuildGraph = (g, { x, b }) => ({
        y: b === undefined ? g.node('Neg', [x!]) : g.node('AddV2', [x!, b]),
      })
      tf.tidy(() => {
        expectClose(run('optional', build, { x: tf.scalar(2), b: undefined })['y']!, [-2], 0)
        expectClose(run('optional', build, { x: tf.scalar(2), b: tf.scalar(3) })['y']!, [5], 0)
      })
    })

    it('compute what they are asked to compute too, and free it', () => {
      const build: BuildGraph = (g, { x }) => {
        const doubled = g.node('AddV2', [x!, x!])
        g.alsoCompute([doubled])
        return { y: g.node('Neg', [doubled]) }
      }
      const x = tf.scalar(2)
      const before = tf.memory().numTensors
      const { y } = run('also', build, { x })
      expect(tf.memory().numTensors).to.equal(before + 1)
      expectClose(y!, [-4], 0)
      tf.dispose([x, y!])
    })

    it('say what is wrong with a graph when it is loaded', () => {
      const wrong: BuildGraph = (g, { x }) => ({ y: g.node('NoSuchOp', [x!]) })
      expect(() => tf.tidy(() => run('wrong', wrong, { x: tf.scalar(1) }))).to.throw('NoSuchOp')
    })
  })

  it('multiply by oneDNN’s kernels where they are, and as TensorFlow does elsewhere', () => {
    const written = (oneDnn: boolean): string => {
      const g = new GraphText(oneDnn)
      const [a, b] = [g.input('x0'), g.input('x1')]
      g.product(a, b, { bias: g.scalar(1) })
      for (const large of [false, true]) g.products(a, b, { transposeA: true }, large)
      return (g.text().match(/op: "\w*MatMul\w*"/g) ?? []).map((op) => op.slice(5, -1)).join(' ')
    }
    expect(written(false)).to.equal('MatMul BatchMatMulV2 BatchMatMulV2')
    expect(written(true)).to.equal('_MklMatMul BatchMatMulV2 _MklBatchMatMulV2')
  })

  it('are written as text that says each node once', () => {
    const g = new GraphText()
    const doubled = g.node('Mul', [g.input('x0'), g.scalar(2)])
    expect(doubled).to.equal('n2')
    expect(g.text().match(/node \{/g)).to.have.length(3)
    expect(g.text()).to.contain('node { name: "n2" op: "Mul" input: "x0" input: "n1" attr')
  })
})
