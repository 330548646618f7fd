/** What an SAE's evaluation adds up over the data: on the device for a batch, in float64 over batches. N tokens. */
import * as tf from '@tensorflow/tfjs'

/** Sums over the tokens that count. x activation, x̂ reconstruction, x̄ the mean of x. */
const scalarNames = [
  'tokens',
  'l1',
  'squaredError', // Σ ‖x − x̂‖²
  'variance', // Σ ‖x − x̄‖²
  'cosine',
  'losses', // how many
  'loss',
  'lossWithSae',
  'lossZeroAblated',
  'lossMeanAblated',
  'predictions', // how many
  'klWithSae',
  'klZeroAblated',
] as const
/** One of them. */
export type ScalarName = (typeof scalarNames)[number]

/** What is summed over the data. */
export interface EvaluationSums extends Record<ScalarName, number> {
  /** On how many tokens each latent fires [S]. */
  fired: number[]
}

/** All at 0. */
export function emptySums(): EvaluationSums {
  const zeros = Object.fromEntries(scalarNames.map((name) => [name, 0])) as Record<ScalarName, number>
  return { ...zeros, fired: [] }
}

/** Adds what `stacked` and `qualitySums` gave for one batch. */
export function addSums(sums: EvaluationSums, batch: Readonly<Record<'scalars' | 'fired', Float32Array>>): void {
  scalarNames.forEach((name, i) => (sums[name] += batch.scalars[i] ?? NaN))
  batch.fired.forEach((count, s) => (sums.fired[s] = (sums.fired[s] ?? 0) + count))
}

/** Scalars in the order of their names, as one tensor. */
export function stacked(scalars: Record<ScalarName, tf.Tensor>): tf.Tensor1D {
  return tf.stack(scalarNames.map((name) => scalars[name].asScalar())) as tf.Tensor1D
}

/** The values of named tensors that are made in a tidy, each read once. */
export async function readSums<Name extends string>(
  make: () => Record<Name, tf.Tensor>,
): Promise<Record<Name, Float32Array>> {
  const tensors = tf.tidy(make)
  try {
    const read = Object.entries<tf.Tensor>(tensors).map(async ([name, x]) => [name, await x.data()] as const)
    return Object.fromEntries(await Promise.all(read)) as Record<Name, Float32Array>
  } finally {
    tf.dispose(tensors)
  }
}

/** Activations and what the SAE made of them. */
export interface Reconstructed {
  /** [N,D] */
  readonly x: tf.Tensor2D
  /** x̂ [N,D] */
  readonly recons: tf.Tensor2D
  /** [N,S] */
  readonly acts: tf.Tensor2D
  /** x̄ [D] */
  readonly mean: tf.Tensor1D
  /** 1 where a token counts, else 0: N numbers. */
  readonly counted: tf.Tensor
}

/** The sums that describe latents and reconstructions: scalars, and how often each latent fires [S]. */
export function qualitySums({ x, recons, acts, mean, counted }: Reconstructed) {
  return tf.tidy(() => {
    const mask = counted.reshape<tf.Tensor2D>([-1, 1])
    const total = (perToken: tf.Tensor) => perToken.mul(mask).sum()
    const squares = (difference: tf.Tensor) => total(difference.square().sum(1, true))
    const norms = x.norm('euclidean', 1, true).mul(recons.norm('euclidean', 1, true))
    const cosines = x.mul(recons).sum(1, true).div(norms.maximum(1e-20)) // 0 of a zero vector
    return {
      tokens: mask.sum(),
      l1: total(acts.abs().sum(1, true)),
      squaredError: squares(x.sub(recons)),
      variance: squares(x.sub(mean)),
      cosine: total(cosines),
      fired: tf.matMul(mask, acts.greater(0).cast<tf.Tensor2D>('float32'), true).reshape([acts.shape[1]]),
    }
  })
}
