/** Floating point operations of the matrix products of a run, each product as 2·m·k·n, attention as if not causal. */
import type { ModelConfig } from '../../lib/transformer/architecture.js'

interface Shape {
  readonly batch: number
  readonly positions: number
}

function parts(c: ModelConfig, { batch, positions }: Shape) {
  const inner = c.nHeads * c.dHead
  const rows = batch * positions
  const linear = 2 * rows * c.nLayers * (4 * c.dModel * inner + 2 * c.dModel * c.dMlp)
  const attention = 2 * 2 * batch * positions ** 2 * inner * c.nLayers
  const unembed = 2 * rows * c.dModel * c.dVocab
  return { linear, attention, unembed }
}

/** All logits, or without the unembedding. */
export function forwardFlops(config: ModelConfig, shape: Shape, logits = true): number {
  const { linear, attention, unembed } = parts(config, shape)
  return linear + attention + (logits ? unembed : 0)
}

/** Forward, and backward to the activations: dy · Wᵀ for each frozen matrix, both sides of attention's products. */
export function gradientFlops(config: ModelConfig, shape: Shape): number {
  const { linear, attention, unembed } = parts(config, shape)
  return 2 * linear + 3 * attention + 2 * unembed
}

/** Encoding and decoding of every row. */
export function saeFlops(config: { dIn: number; dSae: number }, { batch, positions }: Shape): number {
  return 2 * 2 * batch * positions * config.dIn * config.dSae
}
