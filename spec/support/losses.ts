/** Losses of training, held to the tape through the SAE layers themselves. N tokens · D d_in · S latents. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { Sae } from '../../saes/index.js'
import type { Losses, Terms, TrainedWeights } from '../../saes/training/objective.js'
import { expectClose, tolerances } from './close.js'
import { randomTensor } from './saes.js'

export const [D, S, N, k] = [8, 12, 10, 3]

/** The terms of a step with nothing dead. In a tidy. */
export const live = (sparsity = 0): Terms => ({ sparsity, dead: tf.zeros([S]), deadCount: 0 })

/** Weights drawn from a seed. */
export function drawn(): TrainedWeights {
  const shapes = { W_enc: [D, S], b_enc: [S], W_dec: [S, D], b_dec: [D] }
  const entries = Object.entries(shapes).map(([name, shape], i) => [name, randomTensor(shape, 5 + 17 * i)])
  return Object.fromEntries(entries) as TrainedWeights
}

/** Inputs [N,D]. */
export const inputs = () => randomTensor([N, D], 99).mul<tf.Tensor2D>(2)

/** The layer with these weights, disposed after use. */
export function withLayer<T extends Sae>(sae: T, weights: Readonly<Record<string, tf.Tensor>>, use: (sae: T) => void) {
  sae.load(weights)
  try {
    use(sae)
  } finally {
    sae.dispose()
  }
}

export const squaredError = (sae: Sae, x: tf.Tensor2D) => sae.call(x).sub(x).square().sum().div(N)

/** By each of the layer's weights, and the value, from the tape. */
export function onTape(sae: Sae, loss: () => tf.Tensor) {
  const names = ['W_enc', 'b_enc', 'W_dec', 'b_dec'] as const
  const variables = names.map((name) => sae.weight(name) as unknown as tf.Variable)
  const { value, grads } = tf.variableGrads(() => loss().asScalar(), variables)
  return { value, gradients: names.map((name, i) => [name, grads[variables[i]!.name]!] as const) }
}

/** Value and gradients are those of the tape. */
export function expectGradients(actual: Losses, expected: ReturnType<typeof onTape>): void {
  const loss = actual.error.square().sum().div(N).add(actual.other)
  expectClose(loss, expected.value, tolerances.layer, 'loss')
  for (const [name, gradient] of expected.gradients) {
    expect(gradient.abs().max().dataSync()[0], `${name}: something flows`).to.be.above(1e-2)
    expectClose(actual.gradients[name], gradient, tolerances.layer, name)
  }
}
