/**
 * Weight processing, as TransformerLens does it on loading: rewrites of the weights that leave the model's predictions
 * as they are (logits up to a constant a position) and make its parts easier to read. They change the named tensors they
 * are given and dispose what they replace. What they need to know of an architecture is a `WeightLayout`.
 */
import * as tf from '@tensorflow/tfjs'
import type { NamedTensors } from './named-tensors.js'

/** Which rewrites were done. They are part of what an SAE was trained on, so every model records them. */
export interface ProcessingFlags {
  /** Norm weights and biases folded into the matrices that read the norm's output, which are then centred. */
  readonly foldLn: boolean
  /** The mean over d_model taken out of everything that is written to the residual stream. */
  readonly centerWritingWeights: boolean
  /** The mean over the vocabulary taken out of the unembedding. */
  readonly centerUnembed: boolean
  /** b_V moved into b_O: attention patterns sum to 1. */
  readonly foldValueBiases: boolean
  /**
   * Each head's matrices made singular value decompositions (refactor.ts), value biases folded with them.
   * @default false, also where all processing is asked for, as in TransformerLens
   */
  readonly refactorFactoredAttnMatrices?: boolean
}

export const allProcessing: ProcessingFlags = {
  foldLn: true,
  centerWritingWeights: true,
  centerUnembed: true,
  foldValueBiases: true,
}
export const noProcessing: ProcessingFlags = {
  foldLn: false,
  centerWritingWeights: false,
  centerUnembed: false,
  foldValueBiases: false,
}

/** A linear map: names of its matrix [in,out], however it is stored, and bias [out]. */
export interface LinearNames {
  readonly W: string
  readonly b?: string
}

/** Where an architecture keeps what processing rewrites. */
export interface WeightLayout {
  /** Whether the norms centre their input (LayerNorm) or not (RMSNorm). */
  readonly normalization: 'LN' | 'RMS'
  /** Norms and the linear maps that read their output. Where the norm has a bias, its readers must have one too. */
  readonly norms: readonly { weight: string; bias?: string; readers: readonly LinearNames[] }[]
  /** What writes to the residual stream: matrices [*,D] and biases [D]. */
  readonly writers: readonly LinearNames[]
  /**
   * Value biases: their slice [begin, begin + size) of `b`, each head's (of `dHead` numbers) for `repeat` query heads,
   * and the matrix [H·K,D] and bias [D] they go through.
   */
  readonly values: readonly {
    b: string
    begin: number
    size: number
    dHead: number
    repeat: number
    W_O: string
    b_O: string
  }[]
  /** `tiedTo`: the embedding [V,D] that the unembedding is; W then holds its scale [D,1]. */
  readonly unembed: { W: string; b: string; tiedTo?: string }
  /** The logits are soft-capped: centring the unembedding would change what is predicted. */
  readonly softCapped?: boolean
}

/**
 * What can be done of what is asked for: RMS norms see the mean of the residual stream, so writing weights are not
 * centred for them, and a soft-cap sees the mean of the logits.
 */
export function possibleProcessing(flags: ProcessingFlags, layout: WeightLayout): ProcessingFlags {
  return {
    ...flags,
    centerWritingWeights: flags.centerWritingWeights && layout.normalization === 'LN',
    centerUnembed: flags.centerUnembed && !layout.softCapped,
  }
}

/**
 * Runs the chosen rewrites in TransformerLens's order; `flags` as `possibleProcessing` gives them. Tensors it replaces
 * are disposed: the map is consumed, so that a model is never in memory twice.
 */
export function processWeights(weights: NamedTensors, layout: WeightLayout, flags: ProcessingFlags): NamedTensors {
  if (flags.foldLn) foldLn(weights, layout)
  if (flags.centerWritingWeights) centerWritingWeights(weights, layout)
  if (flags.centerUnembed) centerUnembed(weights, layout)
  if (flags.foldValueBiases) foldValueBiases(weights, layout, flags.centerWritingWeights)
  return weights
}

/** b += biasₗₙ · W, then W *= weightₗₙ, then W's columns centred over d_model where the norm's output is. */
export function foldLn(weights: NamedTensors, layout: WeightLayout): void {
  for (const { weight, bias, readers } of layout.norms) {
    const scale = take(weights, weight)
    const shift = bias === undefined ? undefined : take(weights, bias)
    for (const { W, b } of readers) {
      const isTransposed = weights.transposed.has(W)
      const [inputs, byInput] = isTransposed ? [1, [1, -1]] : [0, [-1, 1]]
      if (shift) {
        replace(weights, b!, (old) =>
          old.add(
            tf.matMul(shift.reshape([1, -1]), need(weights, W) as tf.Tensor2D, false, isTransposed).reshape([-1]),
          ),
        )
      }
      // one after the other, so that an unembedding is in memory twice, not three times
      replace(weights, W, (matrix) => matrix.mul(scale.reshape(byInput)))
      if (layout.normalization === 'LN') replace(weights, W, (matrix) => matrix.sub(matrix.mean(inputs, true)))
    }
    scale.dispose()
    shift?.dispose()
  }
}

/** Takes the mean over d_model out of everything that writes to the residual stream: a LayerNorm ignores it. */
export function centerWritingWeights(weights: NamedTensors, layout: WeightLayout): void {
  for (const { W, b } of layout.writers) {
    replace(weights, W, (matrix) => matrix.sub(matrix.mean(-1, true)))
    if (b !== undefined) replace(weights, b, (bias) => bias.sub(bias.mean()))
  }
}

/** Takes the mean over the vocabulary out of W_U and b_U: a softmax ignores it (a soft-cap does not). */
export function centerUnembed(weights: NamedTensors, layout: WeightLayout): void {
  if (layout.unembed.tiedTo === undefined)
    replace(weights, layout.unembed.W, (matrix) => matrix.sub(matrix.mean(-1, true)))
  else
    weights.set(
      'unembed.mean',
      tf.tidy(() => need(weights, layout.unembed.tiedTo!).mean(0).reshape([-1, 1])),
    )
  replace(weights, layout.unembed.b, (bias) => bias.sub(bias.mean()))
}

/** b_O += b_V · W_O and b_V = 0; b_O is centred again when the writing weights are. */
export function foldValueBiases(weights: NamedTensors, layout: WeightLayout, centred: boolean): void {
  for (const { b, begin, size, dHead, repeat, W_O, b_O } of layout.values) {
    replace(weights, b_O, (bias) => {
      const values = need(weights, b).slice([begin], [size]).reshape([-1, 1, dHead]).tile([1, repeat, 1])
      const moved = bias.add(tf.matMul(values.reshape([1, -1]), need(weights, W_O) as tf.Tensor2D).reshape([-1]))
      return centred ? moved.sub(moved.mean()) : moved
    })
    replace(weights, b, (bias) => {
      const after = bias.size - begin - size
      return tf.concat([bias.slice([0], [begin]), tf.zeros([size]), bias.slice([begin + size], [after])])
    })
  }
}

function need(weights: NamedTensors, name: string): tf.Tensor {
  const tensor = weights.get(name)
  if (!tensor) throw new Error(`process: the layout names a weight '${name}' that is not there`)
  return tensor
}

function take(weights: NamedTensors, name: string): tf.Tensor {
  const tensor = need(weights, name)
  weights.delete(name)
  return tensor
}

function replace(weights: NamedTensors, name: string, rewrite: (old: tf.Tensor) => tf.Tensor): void {
  const old = need(weights, name)
  weights.set(
    name,
    tf.tidy(() => rewrite(old)),
  )
  old.dispose()
}
