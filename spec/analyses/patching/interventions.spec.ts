/** The engine of interventions: it computes only what an intervention can change, and leaves nothing behind. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { ablation } from '../../../analyses/index.js'
import type { HookedModel } from '../../../lib/model.js'
import { expectClose, tolerances } from '../../support/close.js'
import { ioi, quiet, type Ioi } from '../../support/ioi.js'
import { pocket } from '../../support/pocket.js'
import { randomSae } from '../../support/saes.js'

describe('intervene', () => {
  let model: HookedModel
  let few: Ioi

  before(async () => {
    model = await pocket()
    few = await ioi(2)
  })

  it('starts late, and has the same results as whole runs, with SAEs and hooks before the site', async () => {
    using resid = randomSae({ hookName: 'blocks.1.hook_resid_post', dIn: 128, dSae: 40 }, 3)
    using z = randomSae({ hookName: 'blocks.0.attn.hook_z', dIn: 128, dSae: 40, flattenHeads: true }, 4)
    const views = [
      model.withSaes([resid, z]),
      model.withSaes([resid, z], { errorTerm: true }),
      model.withHooks({
        'blocks.0.hook_mlp_out': (x: tf.Tensor) => x.mul(0.5),
        'blocks.1.hook_resid_post': (x: tf.Tensor) => x.mul(1.5),
        'blocks.2.hook_resid_pre': (x: tf.Tensor) => x.add(0.1),
      }),
    ]
    for (const [i, view] of views.entries()) {
      const result = await ablation(view, few.clean, { metric: few.metric, target: 'mlp_out', ...quiet })
      const metric = view.bindMetric(few.metric, view.toTokens(few.clean))
      const expected = tf.tidy(() => {
        const baseline = metric(view.run(few.clean))
        const ablated = (l: number) => view.withHooks({ [`blocks.${l}.hook_mlp_out`]: tf.zerosLike }).run(few.clean)
        return [0, 1, 2, 3].flatMap((l) => Array.from(metric(ablated(l)).sub(baseline).dataSync()))
      })
      expectClose(result.values, expected, tolerances.noise, `view ${i}`)
    }
  })

  it('runs early blocks once, however many interventions there are behind them', async () => {
    const runs = [0, 0, 0, 0]
    const counted = model.withHooks(runs.map((_, l) => [`blocks.${l}.hook_resid_pre`, () => void runs[l]!++] as const))
    await ablation(counted, few.clean, {
      metric: few.metric,
      target: { hook: 'blocks.2.attn.hook_z', unit: [0, 1, 2] },
      ...quiet,
    })
    expect(runs).to.deep.equal([1, 1, 1 + 3, 1 + 3])
  })

  it('leaves nothing behind when a metric, a hook or the progress throws', async () => {
    let calls = 0
    const failing = (at: number) => (logits: tf.Tensor3D) => {
      if (++calls === at) throw new Error('enough')
      return logits.sum()
    }
    const outcome = (promise: Promise<unknown>) => promise.then(String, (error: Error) => error.message)
    for (const mode of ['zero', 'mean', 'resample'] as const) {
      for (const at of [1, 3]) {
        calls = 0
        const run = ablation(model, few.clean, { metric: failing(at), mode, target: 'attn_out', ...quiet })
        expect(await outcome(run)).to.equal('enough')
      }
    }
    const options = { metric: few.metric, target: 'attn_out', mode: 'mean' } as const
    const onProgress = () => {
      throw new Error('no more')
    }
    expect(await outcome(ablation(model, few.clean, { ...options, onProgress }))).to.equal('no more')
    const broken = model.withHooks({ 'blocks.3.hook_mlp_out': () => tf.zeros([1]) })
    expect(await outcome(ablation(broken, few.clean, { ...options, ...quiet }))).to.include(
      "hook at 'blocks.3.hook_mlp_out': the function returned shape [1].",
    )
  })
})
