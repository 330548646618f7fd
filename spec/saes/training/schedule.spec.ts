/** What changes from step to step, by hand. */
import { expect } from 'chai'
import type { TrainingOptions } from '../../../saes/index.js'
import { trainingPlan } from '../../../saes/training/plan.js'
import { learningRateAt, sparsityShareAt, steered, steeredTo, steerEvery } from '../../../saes/training/schedule.js'

const planOf = (more: object) =>
  trainingPlan({ hook: 'blocks.0.hook_resid_pre', dSae: 4, steps: 640, ...more } as TrainingOptions)

describe('schedules of a training', () => {
  it('the learning rate grows, stays and falls to 0 behind the last step', () => {
    const plan = planOf({ learningRate: 2, learningRateWarmUp: 3, learningRateDecay: 4 })
    expect([0, 1, 2, 3, 300].map((step) => learningRateAt(plan, step))).to.deep.equal([0.5, 1, 1.5, 2, 2])
    expect([636, 637, 638, 639, 640].map((step) => learningRateAt(plan, step))).to.deep.equal([2, 1.5, 1, 0.5, 0])
  })

  it('sparsity grows from 0, or is whole at once', () => {
    const plan = planOf({ sparsityWarmUp: 4 })
    expect([0, 1, 3, 4, 100].map((step) => sparsityShareAt(plan, step))).to.deep.equal([0, 0.25, 0.75, 1, 1])
    expect(sparsityShareAt(planOf({ sparsityWarmUp: 0 }), 0)).to.equal(1)
  })

  it('is steered between the warm-up and seven tenths of the steps, where an L0 is wanted', () => {
    const plan = planOf({ sparsityWarmUp: 100, targetL0: 9 })
    expect(steerEvery(plan)).to.equal(10)
    expect([109, 110, 448, 449].map((done) => steeredTo(plan, done))).to.deep.equal([undefined, 9, 9, undefined])
    expect(steeredTo(planOf({ sparsityWarmUp: 100 }), 300)).to.equal(undefined)
    expect(steeredTo(planOf({ architecture: 'topk', k: 2 }), 300)).to.equal(undefined)
  })

  it('is pushed towards the wanted L0, and held back on its way, by a quarter at most', () => {
    expect(steered(2, { l0: 9, last: 9, wanted: 9 })).to.equal(2)
    expect(steered(2, { l0: 10, last: 10, wanted: 9 })).to.be.closeTo(2 * (10 / 9) ** 0.1, 1e-12)
    expect(steered(2, { l0: 10, last: 11, wanted: 10 })).to.be.closeTo((2 * 10) / 11, 1e-12)
    expect(steered(2, { l0: 100, last: 10, wanted: 9 })).to.equal(2.5)
    expect(steered(2, { l0: 0, last: 10, wanted: 9 })).to.equal(1.6)
  })
})
