/** A training's options: which belong to which kind, for the compiler and at run time, and their defaults. */
import { expect } from 'chai'
import type { TrainingConfig, TrainingOptions } from '../../../saes/index.js'
import { trainingPlan } from '../../../saes/training/plan.js'

const least = { hook: 'blocks.0.hook_resid_pre', dSae: 24, steps: 1000 } as const

describe('trainingPlan', () => {
  it('has the defaults of a standard SAE, and leaves what is given', () => {
    const plan = trainingPlan({ ...least, batchSize: 100, seed: 7, targetL0: 12 })
    expect(plan).to.include({ architecture: 'standard', batchSize: 100, bufferRows: 800, seed: 7, targetL0: 12 })
    expect(plan).to.include({
      learningRateWarmUp: 50,
      learningRateDecay: 250,
      deadAfter: 63,
      logEvery: 10,
      steps: 1000,
    })
    expect(plan.resampleAt).to.deep.equal([334, 500, 667])
    if (plan.architecture === 'standard') expect([plan.sparsity, plan.sparsityWarmUp]).to.deep.equal([1, 200])
  })

  it('never resamples top-k SAEs, whose loss wakes dead latents', () => {
    for (const architecture of ['topk', 'batchtopk'] as const) {
      const plan = trainingPlan({ ...least, architecture, k: 4 })
      expect([plan.resampleAt, plan.architecture]).to.deep.equal([[], architecture])
      expect(trainingPlan({ ...least, architecture, k: 4, resampleAt: [3] }).resampleAt).to.deep.equal([3])
    }
  })

  it('holds no option of the job, so that a training is the same whoever watches it', () => {
    const plan = trainingPlan({ ...least, checkpoint: 'here', checkpointEvery: 3, onProgress: false })
    expect(plan).to.deep.equal(trainingPlan(least))
  })

  it('knows by its type which option is whose', () => {
    const right: TrainingConfig[] = [
      least,
      { ...least, sparsity: 2 },
      { ...least, architecture: 'batchtopk', k: 3, auxiliary: 0 },
      { ...least, architecture: 'jumprelu', bandwidth: 0.2, targetL0: 9 },
    ]
    for (const config of right) expect(() => trainingPlan(config)).to.not.throw()
    const wrong: TrainingOptions[] = [
      // @ts-expect-error a standard SAE keeps no k
      { ...least, k: 3 },
      // @ts-expect-error a top-k SAE has no bandwidth
      { ...least, architecture: 'topk', k: 3, bandwidth: 1 },
      // @ts-expect-error a top-k SAE needs k
      { ...least, architecture: 'topk' },
      // @ts-expect-error a JumpReLU SAE has no auxiliary loss
      { ...least, architecture: 'jumprelu', auxiliary: 1 },
      // @ts-expect-error there is no such kind
      { ...least, architecture: 'gated' },
      // @ts-expect-error there is no such option
      { ...least, checkpointEach: 3 },
    ]
    for (const options of wrong) expect(() => trainingPlan(options)).to.throw(/^trainSae: /)
  })

  it('says whose an option is', () => {
    const said = (more: object) => () => trainingPlan({ ...least, ...more } as TrainingOptions)
    expect(said({ k: 3 })).to.throw("k is an option of topk and batchtopk SAEs. Leave it out for 'standard'.")
    expect(said({ architecture: 'topk', k: 3, sparsity: 1 })).to.throw(
      "sparsity is an option of standard and jumprelu SAEs. Leave it out for 'topk'.",
    )
    expect(said({ checkpointEvry: 3 })).to.throw("there is no option 'checkpointEvry'. Did you mean 'checkpointEvery'?")
  })
})
