/** Rotary position embeddings. Su et al. 2021, arXiv:2104.09864. */
import * as tf from '@tensorflow/tfjs'
import type { GraphText, Node } from '../backend/native/graph-text.js'
import { differentiable } from './custom-gradient.js'
import { defineOp, type Names } from './op.js'
import { positionIds } from './positions.js'

/** Cosines and sines of the angles: [1|B,P,1,R/2], R the number of rotated dimensions of a head. */
export interface RotaryTables {
  readonly cos: tf.Tensor4D
  readonly sin: tf.Tensor4D
}

/**
 * The stretch of Llama 3.1's contexts (Llama 3 herd of models, arXiv:2407.21783; the formula is in Meta's release):
 * frequencies whose wave is longer than original / low are divided by `factor`, those with one shorter than
 * original / high stay, and between them the two are mixed.
 */
export interface RotaryStretch {
  readonly factor: number
  readonly lowFreqFactor: number
  readonly highFreqFactor: number
  /** Context of the training before the stretch, in tokens. */
  readonly originalContext: number
}

export interface RotaryOptions {
  /** How many of a head's K dimensions are rotated. */
  readonly dimensions: number
  /** Angles are position · base^(−2i/R). @default 10000 */
  readonly base?: number
  readonly stretch?: RotaryStretch | undefined
  readonly mask?: readonly (readonly number[])[]
  readonly past?: number
}

/**
 * Tables for P positions after `past` earlier ones; padding does not count. Computed in float64 on the host: the sines
 * of some backends are off by 2e-4.
 */
export function rotaryTables(positions: number, options: RotaryOptions): RotaryTables {
  const { mask, past = 0 } = options
  const rows = mask
    ? positionIds(mask).map((row) => row.slice(past))
    : [Array.from({ length: positions }, (_, p) => past + p)]
  const frequencies = rotaryFrequencies(options)
  const angles = rows.flatMap((row) => row.flatMap((p) => frequencies.map((frequency) => p * frequency)))
  const shape: [number, number, number, number] = [rows.length, positions, 1, frequencies.length]
  const table = (f: (angle: number) => number) => tf.tensor4d(angles.map(f), shape)
  return { cos: table(Math.cos), sin: table(Math.sin) }
}

/** Radians a position, for each of the R/2 pairs of dimensions. */
export function rotaryFrequencies({ dimensions, base = 10000, stretch }: RotaryOptions): number[] {
  const half = dimensions / 2
  const plain = Array.from({ length: half }, (_, i) => base ** (-i / half))
  return stretch ? plain.map((frequency) => stretched(frequency, stretch)) : plain
}

function stretched(
  frequency: number,
  { factor, lowFreqFactor, highFreqFactor, originalContext }: RotaryStretch,
): number {
  const waves = (originalContext * frequency) / (2 * Math.PI) // in the original context
  const share = Math.min(1, Math.max(0, (waves - lowFreqFactor) / (highFreqFactor - lowFreqFactor)))
  return (1 - share) * (frequency / factor) + share * frequency
}

/**
 * Rotates the first R dimensions of each head, dimension i with i + R/2 (the halves, as Hugging Face and TransformerLens,
 * not neighbours): x [B,P,H,K].
 */
export function rotate(x: tf.Tensor4D, { cos, sin }: RotaryTables): tf.Tensor4D {
  const parameters = rotationOf(x.shape[3], cos)
  const op = {
    forward: rotateOp(parameters),
    backward: rotateBackward(parameters),
    saves: ({ cos, sin }: { readonly cos: tf.Tensor; readonly sin: tf.Tensor }) => ({ cos, sin }),
  }
  return differentiable(op, { x }, { cos, sin }) as tf.Tensor4D
}

/** What rotations differ by: dimensions of each half that is rotated, and of the rest of a head. */
type Rotation = { readonly half: number; readonly rest: number }

/** The rotation of heads of this size by these tables. */
export function rotationOf(size: number, cos: RotaryTables['cos']): Rotation {
  const half = cos.shape[3]
  return { half, rest: size - 2 * half }
}

export const rotateOp = defineOp<Names<'x' | 'cos' | 'sin'>, Names<'y'>, Rotation>('rotate', (rotation) => ({
  opByOp: ({ x, cos, sin }) => ({ y: rotated(x, rotation, { cos, sin }) }),
  graph: (g, { x, cos, sin }) => ({ y: rotatedNode(g, rotation, { x, cos, sin }) }),
}))

/** By the same angles the other way. */
const rotateBackward = defineOp<Names<'cos' | 'sin' | 'dy'>, Names<'x'>, Rotation>('rotate, backward', (rotation) => ({
  opByOp: ({ cos, sin, dy }) => ({ x: rotated(dy, rotation, { cos, sin: sin.neg() }) }),
  graph: (g, { cos, sin, dy }) => ({ x: rotatedNode(g, rotation, { x: dy, cos, sin: g.node('Neg', [sin]) }) }),
}))

const widthsOf = ({ half, rest }: Rotation): number[] => (rest > 0 ? [half, half, rest] : [half, half])

function rotated(
  x: tf.Tensor,
  rotation: Rotation,
  { cos, sin }: { readonly cos: tf.Tensor; readonly sin: tf.Tensor },
): tf.Tensor {
  const [a, b, ...unrotated] = tf.split(x, widthsOf(rotation), 3) as [tf.Tensor, tf.Tensor, ...tf.Tensor[]]
  return tf.concat([a.mul(cos).sub(b.mul(sin)), b.mul(cos).add(a.mul(sin)), ...unrotated], 3)
}

function rotatedNode(
  g: GraphText,
  rotation: Rotation,
  { x, cos, sin }: { readonly x: Node; readonly cos: Node; readonly sin: Node },
): Node {
  const [a, b, ...unrotated] = g.split(x, widthsOf(rotation)) as [Node, Node, ...Node[]]
  const first = g.node('Sub', [g.node('Mul', [a, cos]), g.node('Mul', [b, sin])])
  const second = g.node('AddV2', [g.node('Mul', [b, cos]), g.node('Mul', [a, sin])])
  return g.join([first, second, ...unrotated])
}
