/** What changes from step to step: learning rate and sparsity, and how sparsity is steered to a wanted L0. */
import type { TrainingPlan } from './config.js'

/** Grows from 0 in the first steps, falls to 0 in the last. `step` counts from 0. */
export function learningRateAt(plan: TrainingPlan, step: number): number {
  const { steps, learningRate, learningRateWarmUp, learningRateDecay } = plan
  const up = Math.min(1, (step + 1) / (learningRateWarmUp + 1))
  const down = learningRateDecay > 0 ? Math.min(1, (steps - step) / learningRateDecay) : 1
  return learningRate * up * down
}

/** The share of the sparsity loss's full weight. */
export function sparsityShareAt({ sparsityWarmUp }: TrainingPlan, step: number): number {
  return sparsityWarmUp > 0 ? Math.min(1, step / sparsityWarmUp) : 1
}

/** Steps between two corrections. */
export const STEER_EVERY = 50

/** Whether the sparsity's weight is corrected after this many steps. */
export function steersAfter({ steps, sparsityWarmUp, targetL0 }: TrainingPlan, done: number): boolean {
  return targetL0 !== undefined && done % STEER_EVERY === 0 && done > sparsityWarmUp && done <= 0.7 * steps
}

/** The weight after a correction: with more latents than wanted it grows, at most by a quarter. */
export function steered(sparsity: number, l0: number, targetL0: number): number {
  return sparsity * Math.min(1.25, Math.max(0.8, Math.sqrt(l0 / targetL0)))
}
