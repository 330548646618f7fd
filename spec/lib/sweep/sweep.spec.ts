/** The verb: its results, functions as edits and metrics, budgets, source prompts, and what it does not run. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { cosine, klToClean, logProb, rank, type Metric } from '../../../lib/core/metrics.js'
import type { HookedModel } from '../../../lib/model.js'
import { point } from '../../../lib/core/sites.js'
import { nothing, patch, type Intervention } from '../../../lib/sweep/index.js'
import { expectClose, maxDifference, tolerances } from '../../support/close.js'
import { ioi, type Ioi } from '../../support/ioi.js'
import { pocket } from '../../support/pocket.js'
import { expectTraceable } from '../../support/results.js'
import { embeddedSae } from '../../support/saes.js'

const quiet = { onProgress: false } as const
const z = (layer: number) => `blocks.${layer}.attn.hook_z`

describe('sweep', () => {
  let model: HookedModel
  let few: Ioi

  before(async () => {
    model = await pocket()
    few = await ioi(3)
  })

  const heads: Intervention[] = [0, 1, 2, 3].flatMap((l) =>
    [0, 5].map((unit) => ({ hook: z(l), unit, to: 'zero' as const })),
  )

  it('has a row an intervention and a column a prompt, labelled and traceable', async () => {
    const edits: Intervention[] = [
      { hook: z(1), unit: [2, 3], position: -1, to: 'zero' },
      [
        { hook: z(1), unit: 2, to: 'mean' },
        { hook: 'blocks.3.hook_mlp_out', add: 1, label: 'more' },
      ],
    ]
    const result = await model.sweep(few.clean, { interventions: edits, metric: few.metric, ...quiet })
    expect(result.shape).to.deep.equal([2, 3])
    expect(result.axes[0]!.labels).to.deep.equal([`${z(1)} 2,3 at -1 zero`, `${z(1)} 2 mean + more`])
    expect([result.kind, result.title, result.unit]).to.deep.equal(['sweep', 'change of logit difference', 'logits'])
    await expectTraceable(result)
  })

  it('of nothing that changes the activation runs nothing and is 0', async () => {
    let runs = 0
    const seen = { onProgress: () => void runs++ }
    using cache = model.runWithCache(few.clean, { names: /resid_pre$|hook_z$/ })
    const own: Intervention[] = [0, 1, 2, 3].map((l) => ({ hook: `blocks.${l}.hook_resid_pre`, to: cache }))
    const result = await model.sweep(few.clean, {
      interventions: [...own, { hook: z(2), add: 0 }, nothing],
      metric: few.metric,
      ...seen,
    })
    expectClose(result.values, new Float32Array(18), 0)
    expect(runs).to.equal(6)
  })

  it('runs nothing for an intervention that is nothing, in the general case too', async () => {
    const late = model.withHooks({ 'blocks.3.hook_resid_post': (x: tf.Tensor) => x.mul(2) })
    const counts: number[] = []
    const set = { metric: few.metric, onProgress: (done: number) => void counts.push(done) }
    const some = await late.sweep(few.clean, { interventions: [nothing, ...heads.slice(0, 1), nothing], ...set })
    expectClose(some.values.slice(0, 3), [0, 0, 0], 0)
    expect(maxDifference(some.values.slice(3, 6), [0, 0, 0])).to.be.above(0.01)
    expectClose(some.values.slice(6), [0, 0, 0], 0)
    const none = await late.sweep(few.clean, { interventions: [nothing], ...set })
    expectClose(none.baseline.values, some.baseline.values, tolerances.noise)
    expect(counts).to.deep.equal([1, 2, 3, 1])
  })

  it('takes functions, which see whole activations of the whole batch', async () => {
    const shapes: number[][] = []
    const halve = (x: tf.Tensor) => {
      shapes.push(x.shape)
      return x.mul(0.5)
    }
    const edits: Intervention[] = [
      { hook: 'blocks.2.hook_mlp_out', by: halve },
      [
        { hook: 'blocks.2.hook_mlp_out', to: 'zero' },
        { hook: 'blocks.3.hook_resid_post', by: halve },
      ],
      { hook: 'blocks.2.hook_mlp_out', to: 'zero' },
    ]
    const result = await model.sweep(few.clean, { interventions: edits, metric: few.metric, ...quiet })
    expect(shapes).to.deep.equal([
      [3, 22, 128],
      [3, 22, 128],
    ])
    const metric = model.bindMetric(few.metric, model.toTokens(few.clean))
    const expected = tf.tidy(() => {
      const value = (view: HookedModel) => Array.from(metric(view.run(few.clean)).dataSync())
      const base = value(model)
      const zero = { 'blocks.2.hook_mlp_out': tf.zerosLike }
      const views = [
        model.withHooks({ 'blocks.2.hook_mlp_out': (x: tf.Tensor) => x.mul(0.5) }),
        model.withHooks(zero).withHooks({ 'blocks.3.hook_resid_post': (x: tf.Tensor) => x.mul(0.5) }),
        model.withHooks(zero),
      ]
      return views.flatMap((view) => value(view).map((after, b) => after - base[b]!))
    })
    expectClose(result.values, expected, tolerances.noise)
  })

  it('gives functions as metrics whole logits, and a column for one number', async () => {
    const declared = await model.sweep(few.clean, { interventions: heads, metric: few.metric, ...quiet })
    const metric = model.bindMetric(few.metric, model.toTokens(few.clean))
    const each = await model.sweep(few.clean, { interventions: heads, metric, ...quiet })
    expectClose(each.values, declared.values, tolerances.noise)
    const mean = await model.sweep(few.clean, {
      interventions: heads,
      metric: (logits) => metric(logits).mean(),
      ...quiet,
    })
    expect(mean.shape).to.deep.equal([heads.length, 1])
    expectClose(mean.values, declared.mean('prompt').values, tolerances.noise)
  })

  it('gives the same within any budget', async () => {
    const edits = [...heads, { hook: 'blocks.1.hook_resid_mid', to: 'mean' }, { hook: z(3), to: 'resample' }] as const
    const large = await model.sweep(few.clean, { interventions: edits, metric: logProb(few.answer), ...quiet })
    for (const budget of [1, 2 ** 22]) {
      const small = await model.sweep(few.clean, {
        interventions: edits,
        metric: logProb(few.answer),
        ...quiet,
        budget,
      })
      expectClose(small.values, large.values, tolerances.noise, `${budget} bytes`)
      expectClose(small.baseline.values, large.baseline.values, tolerances.noise)
    }
  })

  describe('on source prompts', () => {
    interface Case {
      readonly view?: (plain: HookedModel) => HookedModel
      readonly interventions: readonly Intervention[]
      readonly metric?: Metric
      readonly budget?: number
    }
    const all = patch(point('resid_pre', 0))
    const halved = { 'blocks.3.hook_mlp_out': (x: tf.Tensor) => x.mul(0.5) }
    const to = Array.from({ length: 128 }, (_, i) => Math.sin(i))
    const cases: Record<string, Case> = {
      'of interventions as rows': { interventions: [...heads, all] },
      'of rows within a small budget': { interventions: [all], budget: 1 },
      'of an edit after the blocks': { interventions: [patch({ hook: 'ln_final.hook_normalized' }), all] },
      'of a view with hooks after the edits': { view: (plain) => plain.withHooks(halved), interventions: [all] },
      'of an activation': { interventions: [all], metric: cosine('blocks.2.hook_resid_post', { to }) },
    }

    /** The metric on the sources is that of a run that takes everything from them, the last intervention. */
    async function expectOnSources({ view = (plain) => plain, metric, ...options }: Case): Promise<void> {
      const own = view(model)
      const answers = logProb(few.answer)
      const set = { ...options, metric: metric ?? answers, source: few.corrupt, ...quiet }
      const result = await own.sweep(few.clean, set)
      const [baseline, ofSource] = [result.baseline.values, result.source!.values]
      const taken = Array.from(result.values.slice(-3), (change, b) => change + baseline[b]!)
      expect(maxDifference(baseline, ofSource)).to.be.above(0.01)
      expectClose(taken, ofSource, tolerances.noise)
      if (metric) return
      const bound = own.bindMetric(answers, own.toTokens(few.corrupt))
      tf.tidy(() => expectClose(bound(own.run(few.corrupt)), ofSource, tolerances.noise))
    }

    for (const [title, given] of Object.entries(cases))
      it(`says the metric ${title}, which a run that takes everything from them has`, () => expectOnSources(given))

    it('says the metric of a view with an SAE, which a run that takes everything from them has', async () => {
      using sae = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
      await expectOnSources({ view: (plain) => plain.withSaes(sae), interventions: [all] })
    })
  })

  it('says no metric on sources where none is taken from them, or for a function', async () => {
    const options = { ...quiet, source: few.corrupt }
    const metric = model.bindMetric(few.metric, model.toTokens(few.clean))
    const without = await model.sweep(few.clean, { interventions: heads, metric: few.metric, ...options })
    const byFunction = await model.sweep(few.clean, {
      interventions: [{ hook: z(3), to: 'source' }],
      metric,
      ...options,
    })
    for (const { source } of [without, byFunction]) expect(source).to.equal(undefined)
  })

  it('counts ranks, and says how far from the clean run', async () => {
    const edits: Intervention[] = [
      { hook: 'blocks.3.hook_resid_post', position: -1, to: 'zero' },
      { hook: z(0), add: 0 },
    ]
    const ranks = await model.sweep(few.clean, { interventions: edits, metric: rank(few.answer), ...quiet })
    expect([...ranks.baseline.values]).to.deep.equal([0, 0, 0])
    expect(Math.min(...ranks.values.slice(0, 3))).to.be.above(10)
    const kl = await model.sweep(few.clean, { interventions: edits, metric: klToClean(), ...quiet })
    expectClose(kl.baseline.values, [0, 0, 0], 1e-6)
    expect(Math.min(...kl.values.slice(0, 3))).to.be.above(1)
    const hook = 'blocks.3.hook_resid_post'
    const flip: Intervention = {
      hook,
      position: -1,
      to: Array.from({ length: 128 }, (_, i) => (i === 0 ? -2 : 0)),
    }
    const direction = Array.from({ length: 128 }, (_, i) => (i === 0 ? 1 : 0))
    const turned = await model.sweep(few.clean, {
      interventions: [flip],
      metric: cosine(hook, { to: direction }),
      ...quiet,
    })
    turned.values.forEach((value, b) => {
      expect(value + turned.baseline.at(b)).to.be.closeTo(-1, 1e-5)
    })
  })

  it('runs no SAE for a latent, and the same comes out', async () => {
    using sae = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
    const acts = `${sae.hookName}.hook_sae_acts_post`
    for (const errorTerm of [true, false]) {
      const view = model.withSaes(sae, { errorTerm })
      using cache = view.runWithCache(few.clean, { names: acts, logits: false })
      const strongest = tf.tidy(() => cache.get(acts).max([0, 1]).topk(4).indices)
      const latents = Array.from(strongest.dataSync())
      strongest.dispose()
      const edits = latents.flatMap((unit): Intervention[] => [{ hook: acts, unit, to: 'zero' }, { hook: acts, unit, position: -1, add: 2 }]) // prettier-ignore
      const fast = await view.sweep(few.clean, { interventions: edits, metric: few.metric, ...quiet })
      const slow = await view
        .withHooks({ 'blocks.3.hook_resid_post': () => undefined })
        .sweep(few.clean, { interventions: edits, metric: few.metric, ...quiet })
      expectClose(fast.values, slow.values, tolerances.noise)
      expect(maxDifference(fast.values, new Float32Array(fast.values.length))).to.be.above(0.1)
    }
  })

  it('runs the hooks of a view once, with all prompts, where they lie before all edits', async () => {
    const shapes: number[][] = []
    const steer = (x: tf.Tensor) => {
      shapes.push(x.shape)
      return x.mul(1.5)
    }
    const view = model.withHooks({ 'blocks.0.hook_mlp_out': steer })
    const edits: Intervention[] = [...heads.slice(2), { hook: z(2), unit: 1, to: 'mean' }, { hook: z(3), to: 'source' }]
    const options = { ...quiet, source: few.corrupt, budget: 1 }
    const fast = await view.sweep(few.clean, { interventions: edits, metric: few.metric, ...options })
    expect(shapes).to.deep.equal(Array.from({ length: 3 }, () => [3, 22, 128])) // the prompts, and twice the sources
    const slow = await view.withHooks({ 'unembed.hook_in': () => undefined }).sweep(few.clean, { interventions: edits, metric: few.metric, ...options }) // prettier-ignore
    expectClose(fast.values, slow.values, tolerances.noise)
    const plain = await model.sweep(few.clean, { interventions: edits, metric: few.metric, ...options })
    expect(maxDifference(fast.values, plain.values)).to.be.above(0.1)
  })
})
