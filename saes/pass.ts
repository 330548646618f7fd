/** One pass through an SAE: who listens, and how it reads its weights. D d_in · S latents. */
import * as tf from '@tensorflow/tfjs'
import { silent, type At } from '../lib/core/hooks.js'
import { linear } from '../lib/ops/linear.js'
import { plus } from '../lib/ops/products.js'
import type { LinearMap, Matrix } from '../lib/ops/weight-matrix.js'
import type { Normalized } from './input.js'
import type { SaeWeights } from './sae-weights.js'

type MatrixName = 'W_enc' | 'W_dec'

/**
 * One pass through an SAE, as `activations` of a kind sees it: the same code runs with frozen weights in a model, with
 * trainable ones as a layer, or for a few latents alone.
 */
export interface Pass {
  /** Fires a hook point of the SAE: gives the value, or its replacement. */
  readonly at: At
  /** x [...,in] · matrix [in,out] (+ bias [out]). */
  multiply(x: tf.Tensor, matrix: MatrixName, bias?: tf.Tensor): tf.Tensor
  /** A weight of one number a latent [S], such as b_enc, or one for all []. */
  perLatent(name: string): tf.Tensor
  /** x [...,in] · W_skipᵀ, of a skip connection that is stored [out,in]. */
  skip(x: tf.Tensor): tf.Tensor
}

/** What a reconstruction is of, and the pass it is made in: none where latents alone are decoded. */
export interface Finishing {
  /** The input, as it came [...,D]. */
  readonly x: tf.Tensor
  /** From the reconstruction of the normalized input to that of the input. */
  readonly undo: Normalized['undo']
  readonly pass?: Pass
}

/** For running models: frozen weights, fast backward passes. */
export function frozenPass(weights: SaeWeights, at: At = silent): Pass {
  return {
    at,
    multiply: (x, name, bias) => linear(x, weights.matrix(name), bias),
    perLatent: (name) => weights.get(name),
    skip: (x) => linear(x, transposedMap(weights.matrix('W_skip'))),
  }
}

/** A stored matrix, read the other way round. */
function transposedMap(stored: Matrix): LinearMap {
  const [outputs, inputs] = stored.shape
  return { shape: [inputs, outputs], times: (rows, b) => plus(stored.back(rows), b), back: (dy) => stored.times(dy) }
}

/** For tf.layers: plain ops, differentiable in the weights too. */
export function trainablePass(weights: SaeWeights): Pass {
  return {
    at: silent,
    multiply: (x, name, bias) => product(x, weights.get(name), bias),
    perLatent: (name) => weights.get(name),
    skip: (x) => product(x, tf.transpose(weights.get<tf.Tensor2D>('W_skip'))),
  }
}

function product(x: tf.Tensor, W: tf.Tensor2D, bias?: tf.Tensor): tf.Tensor {
  const rows = x.reshape<tf.Tensor2D>([-1, W.shape[0]])
  return plus(tf.matMul(rows, W).reshape([...x.shape.slice(0, -1), W.shape[1]]), bias)
}

/** Some latents only: their columns of W_enc, and their numbers of every weight that has one number a latent. */
export function latentsPass(weights: SaeWeights, latents: readonly number[]): Pass {
  const chosen = tf.tensor1d([...latents], 'int32')
  return {
    ...frozenPass(weights),
    multiply: (x, name, bias) => product(x, tf.gather(weights.get<tf.Tensor2D>(name), chosen, 1), bias),
    perLatent(name) {
      const weight = weights.get(name)
      return weight.rank === 0 ? weight : tf.gather(weight, chosen)
    },
  }
}
