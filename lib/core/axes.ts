/** The axes of hook points: which is which, and how long each is in a model. */
import type { ModelConfig } from '../transformer/architecture.js'
import { axesOf, type HookPoint } from './hooks.js'

/** The axis of positions: the first P, which for scores and pattern [B,H,P,P] is the query's. */
export function axisOfPositions(point: HookPoint): number {
  return axesOf(point.shape).indexOf('P')
}

/** The axis of units (heads, latents or neurons); −1 where there is none. */
export function unitAxis(point: HookPoint): number {
  return axesOf(point.shape).findIndex((axis) => 'HGSM'.includes(axis))
}

/** Lengths of an activation's last axes, batch and position left out: [H,K] for `[B,P,H,K]`. */
export function featureShape(point: HookPoint, config: ModelConfig): number[] {
  const sizes = axisSizes(config)
  return axesOf(point.shape).flatMap((axis) => (axis === 'B' || axis === 'P' ? [] : [sizes[axis]!]))
}

/** A shape of axis letters with the model's sizes: `[B,P,12,64]` for `[B,P,H,K]`. */
export function shapeIn(shape: string, config: ModelConfig): string {
  const sizes = axisSizes(config)
  const lengths = axesOf(shape).map((axis) => sizes[axis] ?? axis)
  return `[${lengths.join(',')}]`
}

const axisSizes = (config: ModelConfig): Record<string, number> => ({
  D: config.dModel,
  H: config.nHeads,
  G: config.nKeyValueHeads ?? config.nHeads,
  K: config.dHead,
  M: config.dMlp,
  V: config.dVocab,
  1: 1,
})
