/** What changes from step to step: learning rate and sparsity, and how sparsity is steered to a wanted L0. */
import type { TrainingPlan } from './plan.js'

/** Grows from 0 in the first steps, falls to 0 in the last. `step` counts from 0. */
export function learningRateAt(plan: TrainingPlan, step: number): number {
  const { steps, learningRate, learningRateWarmUp, learningRateDecay } = plan
  const up = Math.min(1, (step + 1) / (learningRateWarmUp + 1))
  const down = learningRateDecay > 0 ? Math.min(1, (steps - step) / learningRateDecay) : 1
  return learningRate * up * down
}

/** λ at the start; 1 where the loss has no sparsity. */
export const firstSparsity = (plan: TrainingPlan): number => ('sparsity' in plan ? plan.sparsity : 1)

/** The share of λ in a step's loss. */
export function sparsityShareAt(plan: TrainingPlan, step: number): number {
  const warmUp = 'sparsityWarmUp' in plan ? plan.sparsityWarmUp : 0
  return warmUp > 0 ? Math.min(1, step / warmUp) : 1
}

/** Steps between two corrections. */
export const steerEvery = ({ steps }: TrainingPlan): number => Math.ceil(steps / 64)

/** An L0 that can be divided by. */
const least = (l0: number) => Math.max(l0, 0.01)

/** The L0 that λ is corrected towards after this many steps; undefined where it is left. */
export function steeredTo(plan: TrainingPlan, done: number): number | undefined {
  if (!('sparsityWarmUp' in plan)) return undefined
  const { steps, sparsityWarmUp, targetL0 } = plan
  return done >= sparsityWarmUp + steerEvery(plan) && done <= 0.7 * steps ? targetL0 : undefined
}

/** Mean L0 since the last correction, at the one before it, and as it is wanted. */
interface Steering {
  readonly l0: number
  readonly last: number
  readonly wanted: number
}

/**
 * λ after a correction. L0 takes several corrections to follow it, so it is not only pushed towards the wanted one but
 * also held back while it is on its way: λ · (L0 / wanted)^0.1 · (L0 / L0 at the last correction).
 */
export function steered(sparsity: number, { l0, last, wanted }: Steering): number {
  const change = (least(l0) / wanted) ** 0.1 * (least(l0) / least(last))
  return sparsity * Math.min(1.25, Math.max(0.8, change))
}
