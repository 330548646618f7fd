/** The gradients that are written out, against the tape through the SAE layers themselves. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { BatchTopKSae, JumpReluSae, StandardSae, TopKSae, type Sae } from '../../../saes/index.js'
import { jumpReluLoss } from '../../../saes/training/jumprelu-loss.js'
import type { Losses, Objective, Terms, Weights } from '../../../saes/training/objective.js'
import { standardLoss } from '../../../saes/training/standard-loss.js'
import { batchTopKLoss, topKLoss } from '../../../saes/training/topk-loss.js'
import { expectClose, tolerances } from '../../support/close.js'
import { randomTensor, smallConfig } from '../../support/saes.js'

const [D, S, N, k] = [8, 12, 10, 3]

describe('losses of training', () => {
  let live: Terms
  before(() => {
    live = { sparsity: 0, dead: tf.zeros([S]), deadCount: 0 }
  })
  after(() => live.dead.dispose())

  function drawn(extra: Record<string, number[]> = {}): Record<string, tf.Tensor> {
    const shapes = { W_enc: [D, S], b_enc: [S], W_dec: [S, D], b_dec: [D], ...extra }
    return Object.fromEntries(Object.entries(shapes).map(([name, shape], i) => [name, randomTensor(shape, 5 + 17 * i)]))
  }
  const inputs = () => randomTensor([N, D], 99).mul<tf.Tensor2D>(2)

  /** The layer with these weights, disposed after use. */
  function withLayer<T extends Sae>(sae: T, weights: Record<string, tf.Tensor>, use: (sae: T) => void): void {
    sae.load(weights)
    try {
      use(sae)
    } finally {
      sae.dispose()
    }
  }

  const squaredError = (sae: Sae, x: tf.Tensor2D) => sae.call(x).sub(x).square().sum().div(N)

  /** By each of the layer's weights, and the value, from the tape. */
  function onTape(sae: Sae, loss: () => tf.Tensor) {
    const names = ['W_enc', 'b_enc', 'W_dec', 'b_dec']
    const variables = names.map((name) => sae.weight(name) as unknown as tf.Variable)
    const { value, grads } = tf.variableGrads(() => loss().asScalar(), variables)
    return { value, gradients: Object.fromEntries(names.map((name, i) => [name, grads[variables[i]!.name]!])) }
  }

  function expectGradients(actual: Losses, expected: ReturnType<typeof onTape>): void {
    const loss = actual.error.square().sum().div(N).add(actual.other)
    expectClose(loss, expected.value, tolerances.layer, 'loss')
    for (const [name, gradient] of Object.entries(expected.gradients)) {
      expect(gradient.abs().max().dataSync()[0], `${name}: something flows`).to.be.above(1e-2)
      expectClose(actual.gradients[name]!, gradient, tolerances.layer, name)
    }
  }

  it('standard: squared error and L1 weighted by decoder norms', () => {
    tf.tidy(() => {
      const [weights, x] = [drawn(), inputs()]
      withLayer(new StandardSae({ config: smallConfig() }), weights, (sae) => {
        const l1 = () => {
          const pre = tf.matMul(x.sub<tf.Tensor2D>(sae.b_dec), sae.W_enc).add(sae.weight('b_enc'))
          return tf
            .relu(pre)
            .mul(sae.W_dec.square().sum(1).sqrt())
            .sum()
            .mul(0.7 / N)
        }
        expectGradients(
          standardLoss(weights, x, { ...live, sparsity: 0.7 }),
          onTape(sae, () => squaredError(sae, x).add(l1())),
        )
      })
    })
  })

  it('top-k: the k largest of each token; batch top-k: the k · N largest', () => {
    tf.tidy(() => {
      const [weights, x] = [drawn(), inputs()]
      const check = (sae: Sae, objective: Objective, more: Weights) =>
        withLayer(sae, { ...weights, ...more }, () => {
          const losses = objective(weights, x, live)
          expectGradients(
            losses,
            onTape(sae, () => squaredError(sae, x)),
          )
          const fire = Array.from(losses.acts.greater(0).sum(1).dataSync())
          if (sae instanceof TopKSae) expect(Math.max(...fire)).to.equal(k)
          else expect(fire.reduce((a, b) => a + b)).to.equal(k * N)
        })
      check(new TopKSae({ config: smallConfig({ architecture: 'topk', k }) }), topKLoss(k, 1), {})
      const config = smallConfig({ architecture: 'batchtopk', k })
      check(new BatchTopKSae({ config }), batchTopKLoss(k, 1), { topk_threshold: tf.scalar(0) })
    })
  })

  it('top-k: dead latents are to explain what is left over', () => {
    tf.tidy(() => {
      const [weights, x] = [drawn(), inputs()]
      const dead = tf.tensor1d([1, 0, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0])
      for (const [deadCount, scale, kept] of [
        [6, 1, 4],
        [2, 0.5, 2],
      ] as const) {
        const mask = deadCount === 6 ? dead : tf.tensor1d([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        const all = topKLoss(k, 0.3)(weights, x, { sparsity: 0, dead: mask, deadCount })
        const plain = topKLoss(k, 0)(weights, x, { sparsity: 0, dead: mask, deadCount })
        // chosen by hand, on the host
        const pre = tf
          .matMul(x.sub<tf.Tensor2D>(weights['b_dec']!), weights['W_enc'] as tf.Tensor2D)
          .add<tf.Tensor2D>(weights['b_enc']!)
        const isDead = mask.arraySync()
        const chosen = pre.arraySync().map((row) => {
          const order = row
            .map((_, s) => s)
            .filter((s) => isDead[s])
            .sort((a, b) => row[b]! - row[a]!)
          return row.map((_, s) => (order.slice(0, kept).includes(s) ? 1 : 0))
        })
        const [W_enc, b_enc, W_dec] = ['W_enc', 'b_enc', 'W_dec'].map((name) => tf.variable(weights[name]!)) as [
          tf.Variable,
          tf.Variable,
          tf.Variable,
        ]
        const { value, grads } = tf.variableGrads(() => {
          const acts = tf
            .matMul(x.sub<tf.Tensor2D>(weights['b_dec']!), W_enc as tf.Tensor2D)
            .add(b_enc)
            .mul(tf.tensor2d(chosen))
          const missed = tf.matMul(acts as tf.Tensor2D, W_dec as tf.Tensor2D).add(plain.error)
          return missed
            .square()
            .sum()
            .mul((0.3 * scale) / N)
            .asScalar()
        }, [W_enc, b_enc, W_dec])
        expectClose(all.other, value, tolerances.layer, 'auxiliary loss')
        for (const [name, variable] of Object.entries({ W_enc, b_enc, W_dec })) {
          const added = all.gradients[name]!.sub(plain.gradients[name]!)
          expectClose(added, grads[variable.name]!, tolerances.layer, name)
          variable.dispose()
        }
      }
    })
  })

  it('JumpReLU: squared error through what fires, and the rectangle for the threshold', () => {
    const bandwidth = 0.6
    tf.tidy(() => {
      const [weights, x] = [drawn(), inputs()]
      const threshold = randomTensor([S], 77).abs().add(0.1)
      const all: Weights = { ...weights, log_threshold: threshold.log() }
      const sae = new JumpReluSae({ config: smallConfig({ architecture: 'jumprelu' }) })
      withLayer(sae, { ...weights, threshold }, () => {
        const losses = jumpReluLoss(bandwidth, 0)(all, x, { ...live, sparsity: 0.4 })
        const fire = losses.acts.greater(0).sum().dataSync()[0]!
        expectClose(losses.other, [(0.4 * fire) / N], tolerances.layer, 'L0')
        const expected = onTape(sae, () => squaredError(sae, x).add((0.4 * fire) / N))
        expectGradients(losses, expected)
        // of the threshold by the paper's formulas, number by number
        const pre = tf
          .matMul(x.sub<tf.Tensor2D>(sae.b_dec), sae.W_enc)
          .add<tf.Tensor2D>(sae.weight('b_enc'))
          .arraySync()
        const byActs = tf.matMul<tf.Tensor2D>(losses.error.mul<tf.Tensor2D>(2 / N), sae.W_dec, false, true).arraySync()
        const theta = Array.from(threshold.dataSync())
        const byLog = theta.map((t, s) => {
          const near = pre.map((row) => (Math.abs(row[s]! - t) < bandwidth / 2 ? 1 : 0))
          const slope = near.reduce<number>((sum, on, n) => sum - (on / bandwidth) * (t * byActs[n]![s]! + 0.4 / N), 0)
          return slope * t
        })
        expect(byLog.filter((v) => v !== 0).length, 'thresholds near an input').to.be.above(5)
        expectClose(losses.gradients['log_threshold']!, byLog, tolerances.layer, 'log_threshold')
      })
    })
  })

  it('JumpReLU: dead latents below their threshold are pulled up', () => {
    tf.tidy(() => {
      const x = inputs()
      const weights: Weights = { ...drawn(), log_threshold: randomTensor([S], 77).abs().add(0.1).log() }
      const dead = tf.tensor1d([1, 0, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0])
      const terms = { sparsity: 0, dead, deadCount: 6 }
      const [woken, plain] = [0.5, 0].map((weight) => jumpReluLoss(0.1, weight)(weights, x, terms)) as [Losses, Losses]
      const names = ['W_enc', 'b_enc', 'b_dec', 'log_threshold'] as const
      const variables = names.map((name) => tf.variable(weights[name]!))
      const norms = weights['W_dec']!.square().sum(1).sqrt()
      const { value, grads } = tf.variableGrads(() => {
        const [W_enc, b_enc, b_dec, log] = variables as [tf.Variable, tf.Variable, tf.Variable, tf.Variable]
        const pre = tf.matMul(x.sub<tf.Tensor2D>(b_dec), W_enc as unknown as tf.Tensor2D).add(b_enc)
        return tf
          .relu(log.exp().sub(pre))
          .mul(dead.mul(norms))
          .sum()
          .mul(0.5 / N)
          .asScalar()
      }, variables)
      expectClose(woken.other, value, tolerances.layer, 'loss')
      names.forEach((name, i) => {
        const added = woken.gradients[name]!.sub(plain.gradients[name]!)
        expectClose(added, grads[variables[i]!.name]!, tolerances.layer, name)
      })
      expectClose(woken.gradients['W_dec']!, plain.gradients['W_dec']!, 0)
      variables.forEach((variable) => variable.dispose())
    })
  })
})
