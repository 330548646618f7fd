/** Rotary position embeddings. Su et al. 2021, arXiv:2104.09864. */
import * as tf from '@tensorflow/tfjs'
import { positionIds } from './positions.js'

/** Cosines and sines of the angles: [1|B,P,1,R/2], R the number of rotated dimensions of a head. */
export interface RotaryTables {
  readonly cos: tf.Tensor4D
  readonly sin: tf.Tensor4D
}

export interface RotaryOptions {
  /** How many of a head's K dimensions are rotated. */
  readonly dimensions: number
  /** Angles are position · base^(−2i/R). @default 10000 */
  readonly base?: number
  readonly mask?: readonly (readonly number[])[]
  readonly past?: number
}

/**
 * Tables for P positions after `past` earlier ones; padding does not count. Computed in float64 on the host: the sines
 * of some backends are off by 2e-4.
 */
export function rotaryTables(positions: number, options: RotaryOptions): RotaryTables {
  const { dimensions, base = 10000, mask, past = 0 } = options
  const rows = mask
    ? positionIds(mask).map((row) => row.slice(past))
    : [Array.from({ length: positions }, (_, p) => past + p)]
  const half = dimensions / 2
  const angles = rows.flatMap((row) =>
    row.flatMap((p) => Array.from({ length: half }, (_, i) => p * base ** (-i / half))),
  )
  const table = (f: (angle: number) => number) => tf.tensor4d(angles.map(f), [rows.length, positions, 1, half])
  return { cos: table(Math.cos), sin: table(Math.sin) }
}

/**
 * Rotates the first R dimensions of each head, dimension i with i + R/2 (the halves, as Hugging Face and TransformerLens,
 * not neighbours): x [B,P,H,K].
 */
export function rotate(x: tf.Tensor4D, { cos, sin }: RotaryTables): tf.Tensor4D {
  return tf.tidy(() => {
    const half = cos.shape[3]
    const rest = x.shape[3] - 2 * half
    const [a, b, unrotated] = tf.split(x, rest > 0 ? [half, half, rest] : [half, half], 3)
    const rotated = [a!.mul(cos).sub(b!.mul(sin)), b!.mul(cos).add(a!.mul(sin))]
    return tf.concat([...rotated, ...(unrotated ? [unrotated] : [])], 3) as tf.Tensor4D
  })
}
