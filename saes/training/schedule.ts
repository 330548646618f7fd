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
export const steerEvery = ({ steps }: TrainingPlan): number => Math.ceil(steps / 64)

/** An L0 that can be divided by. */
const least = (l0: number) => Math.max(l0, 0.01)

/** Whether the sparsity's weight is corrected after this many steps. */
export function steersAfter(plan: TrainingPlan, done: number): boolean {
  const { steps, sparsityWarmUp, targetL0 } = plan
  return targetL0 !== undefined && done >= sparsityWarmUp + steerEvery(plan) && done <= 0.7 * steps
}

/**
 * The weight after a correction. L0 takes several corrections to follow its weight, so it is not only pushed towards the
 * wanted one but also held back while it is on its way: λ · (L0 / wanted)^0.1 · (L0 / L0 at the last correction).
 */
export function steered(sparsity: number, l0: number, lastL0: number, targetL0: number): number {
  const change = (least(l0) / targetL0) ** 0.1 * (least(l0) / least(lastL0))
  return sparsity * Math.min(1.25, Math.max(0.8, change))
}
