/** LayerNorm and RMSNorm with their hook points: `hook_scale` [...,1] and `hook_normalized` [...,D]. */
import * as tf from '@tensorflow/tfjs'
import { lessMean, normalize, rootMeanSquare } from '../ops/normalize.js'
import type { At } from './at.js'

/** What a norm multiplies by and adds, [D] each; a folded norm has neither, an RMSNorm no bias. */
export interface NormWeights {
  readonly w?: tf.Tensor | undefined
  readonly b?: tf.Tensor | undefined
}

/** What belongs to one norm: its weights, its epsilon, and `at` under its name. */
export interface Norm extends NormWeights {
  readonly eps: number
  readonly at: At
}

/**
 * x less its mean, divided by sqrt(mean(x²) + eps), over the last axis [...,D]; then · w + b. `hook_normalized` is the
 * value before weight and bias, as in TransformerLens 3. Ba et al. 2016, arXiv:1607.06450.
 */
export function layerNorm<T extends tf.Tensor>(x: T, norm: Norm): T {
  return tf.tidy(() => scaled(normalized(x, true, norm), norm)) as T
}

/** x divided by sqrt(mean(x²) + eps), over the last axis [...,D]; then · w. Zhang & Sennrich 2019, arXiv:1910.07467. */
export function rmsNorm<T extends tf.Tensor>(x: T, norm: Norm): T {
  return tf.tidy(() => scaled(normalized(x, false, norm), norm)) as T
}

function normalized(x: tf.Tensor, centred: boolean, { eps, at }: Norm): tf.Tensor {
  if (!at.observed()) return normalize(x, { centred, eps })
  const c = centred ? lessMean(x) : x
  const scale = at('hook_scale', rootMeanSquare(c, eps)) // [...,1]
  return at('hook_normalized', c.div(scale)) // [...,D]
}

function scaled(x: tf.Tensor, { w, b }: NormWeights): tf.Tensor {
  const weighted = w ? x.mul(w) : x
  return b ? weighted.add(b) : weighted
}
