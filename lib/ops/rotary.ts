/** Rotary position embeddings. Su et al. 2021, arXiv:2104.09864. */
import * as tf from '@tensorflow/tfjs'
import type { GraphText, Node } from '../backend/native/graph.js'
import { differentiable, type Forms } from './custom-gradient.js'
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
  const widths = widthsOf(x.shape[3], cos)
  return differentiable({ forward: forward(widths), back: back(widths), saves: 'constants' }, [x], [cos, sin]) as tf.Tensor4D // prettier-ignore
}

/** Both halves of what is rotated of a head, and what is not. */
function widthsOf(size: number, cos: RotaryTables['cos']): number[] {
  const half = cos.shape[3]
  const rest = size - 2 * half
  return rest > 0 ? [half, half, rest] : [half, half]
}

/** Of heads of this size and the tables. */
export const rotateForms = (size: number, { cos }: RotaryTables): Forms => forward(widthsOf(size, cos))

const forward = (widths: number[]): Forms => ({
  key: `rotate ${widths}`,
  plain: (x, cos, sin) => [turned(x!, widths, cos!, sin!)],
  graph: (g, x, cos, sin) => turnedNode(g, x!, widths, cos!, sin!),
})

/** By the same angles the other way. */
const back = (widths: number[]): Forms => ({
  key: `rotate ${widths}, back`,
  plain: (cos, sin, dy) => [turned(dy!, widths, cos!, sin!.neg())],
  graph: (g, cos, sin, dy) => turnedNode(g, dy!, widths, cos!, g.node('Neg', [sin!])),
})

function turned(x: tf.Tensor, widths: number[], cos: tf.Tensor, sin: tf.Tensor): tf.Tensor {
  const [a, b, ...unrotated] = tf.split(x, widths, 3)
  return tf.concat([a!.mul(cos).sub(b!.mul(sin)), b!.mul(cos).add(a!.mul(sin)), ...unrotated], 3)
}

function turnedNode(g: GraphText, x: Node, widths: number[], cos: Node, sin: Node): Node {
  const [a, b, ...unrotated] = g.split(x, widths)
  const times = (part: Node, table: Node): Node => g.node('Mul', [part, table])
  const first = g.node('Sub', [times(a!, cos), times(b!, sin)])
  const second = g.node('AddV2', [times(b!, cos), times(a!, sin)])
  return g.join([first, second, ...unrotated])
}
