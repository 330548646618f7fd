/** The verb: what it takes and refuses, functions as edits and metrics, budgets, progress, stopping and going on. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { cosine, klToClean, logitDiff, logProb, rank } from '../../../lib/core/metrics.js'
import type { HookedModel } from '../../../lib/model.js'
import type { Intervention, SweepOptions } from '../../../lib/sweep/index.js'
import { expectClose, maxDifference, tolerances } from '../../support/close.js'
import { ioi, type Ioi } from '../../support/ioi.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { expectTraceable } from '../../support/results.js'
import { embeddedSae } from '../../support/saes.js'

const quiet = { progress: () => undefined }
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
    const result = await model.sweep(few.clean, edits, few.metric, quiet)
    expect(result.shape).to.deep.equal([2, 3])
    expect(result.axes[0]!.labels).to.deep.equal([`${z(1)} 2,3 at -1 zero`, `${z(1)} 2 mean + more`])
    expect([result.kind, result.title, result.unit]).to.deep.equal(['sweep', 'change of logit difference', 'logits'])
    await expectTraceable(result)
  })

  it('of nothing that changes the activation runs nothing and is 0', async () => {
    let runs = 0
    const seen = { progress: () => void runs++ }
    using cache = model.runWithCache(few.clean, { names: /resid_pre$|hook_z$/ })
    const own: Intervention[] = [0, 1, 2, 3].map((l) => ({ hook: `blocks.${l}.hook_resid_pre`, to: cache }))
    const result = await model.sweep(few.clean, [...own, { hook: z(2), add: 0 }], few.metric, seen)
    expectClose(result.values, new Float32Array(15), 0)
    expect(runs).to.equal(5)
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
    const result = await model.sweep(few.clean, edits, few.metric, quiet)
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
    const declared = await model.sweep(few.clean, heads, few.metric, quiet)
    const metric = model.bindMetric(few.metric, model.toTokens(few.clean))
    const each = await model.sweep(few.clean, heads, metric, quiet)
    expectClose(each.values, declared.values, tolerances.noise)
    const mean = await model.sweep(few.clean, heads, (logits) => metric(logits).mean(), quiet)
    expect(mean.shape).to.deep.equal([heads.length, 1])
    expectClose(mean.values, declared.mean('prompt').values, tolerances.noise)
  })

  it('gives the same within any budget', async () => {
    const edits = [...heads, { hook: 'blocks.1.hook_resid_mid', to: 'mean' }, { hook: z(3), to: 'resample' }] as const
    const large = await model.sweep(few.clean, edits, logProb(few.answer), quiet)
    for (const budget of [1, 2 ** 22]) {
      const small = await model.sweep(few.clean, edits, logProb(few.answer), { ...quiet, budget })
      expectClose(small.values, large.values, tolerances.noise, `${budget} bytes`)
      expectClose(small.baseline.values, large.baseline.values, tolerances.noise)
    }
  })

  it('says the metric on the sources, which a run that takes everything from them has', async () => {
    const source = few.corrupt
    const all: Intervention = { hook: 'blocks.0.hook_resid_pre', to: 'source' }
    const behind: Intervention = { hook: 'ln_final.hook_normalized', to: 'source' }
    using sae = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
    const answers = logProb(few.answer)
    const to = Array.from({ length: 128 }, (_, i) => Math.sin(i))
    const cases = {
      rows: { view: model, edits: [...heads, all], metric: answers },
      'rows within a small budget': { view: model, edits: [all], metric: answers, budget: 1 },
      'an edit behind the blocks': { view: model, edits: [behind, all], metric: answers },
      'an SAE': { view: model.withSaes(sae), edits: [all], metric: answers },
      'hooks behind the edits': { view: model.withHooks({ 'blocks.3.hook_mlp_out': (x: tf.Tensor) => x.mul(0.5) }), edits: [all], metric: answers }, // prettier-ignore
      'an activation': { view: model, edits: [all], metric: cosine('blocks.2.hook_resid_post', { to }) },
    }
    for (const [what, { view, edits, metric, ...options }] of Object.entries(cases)) {
      const result = await view.sweep(few.clean, edits, metric, { ...quiet, source, ...options })
      const [baseline, ofSource] = [result.extra.baseline, result.extra.source!]
      const taken = Array.from(result.values.slice(-3), (change, b) => change + baseline[b]!)
      expect(Math.max(...baseline.map((x, b) => Math.abs(x - ofSource[b]!))), what).to.be.above(0.01)
      expectClose(taken, ofSource, tolerances.noise, what)
      if (metric !== answers) continue
      const bound = view.bindMetric(metric, view.toTokens(source))
      tf.tidy(() => expectClose(bound(view.run(source)), ofSource, tolerances.noise, what))
    }
  })

  it('says no metric on sources where none is taken from them, or for a function', async () => {
    const options = { ...quiet, source: few.corrupt }
    const metric = model.bindMetric(few.metric, model.toTokens(few.clean))
    const without = await model.sweep(few.clean, heads, few.metric, options)
    const byFunction = await model.sweep(few.clean, [{ hook: z(3), to: 'source' }], metric, options)
    for (const { source } of [without, byFunction]) expect(source).to.equal(undefined)
  })

  it('counts ranks, and says how far from the clean run', async () => {
    const edits: Intervention[] = [
      { hook: 'blocks.3.hook_resid_post', position: -1, to: 'zero' },
      { hook: z(0), add: 0 },
    ]
    const ranks = await model.sweep(few.clean, edits, rank(few.answer), quiet)
    expect([...ranks.baseline.values]).to.deep.equal([0, 0, 0])
    expect(Math.min(...ranks.values.slice(0, 3))).to.be.above(10)
    const kl = await model.sweep(few.clean, edits, klToClean(), quiet)
    expectClose(kl.baseline.values, [0, 0, 0], 1e-6)
    expect(Math.min(...kl.values.slice(0, 3))).to.be.above(1)
    const point = 'blocks.3.hook_resid_post'
    const flip: Intervention = {
      hook: point,
      position: -1,
      to: Array.from({ length: 128 }, (_, i) => (i === 0 ? -2 : 0)),
    }
    const direction = Array.from({ length: 128 }, (_, i) => (i === 0 ? 1 : 0))
    const turned = await model.sweep(few.clean, [flip], cosine(point, { to: direction }), quiet)
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
      const fast = await view.sweep(few.clean, edits, few.metric, quiet)
      const slow = await view
        .withHooks({ 'blocks.3.hook_resid_post': () => undefined })
        .sweep(few.clean, edits, few.metric, quiet)
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
    const fast = await view.sweep(few.clean, edits, few.metric, options)
    expect(shapes).to.deep.equal(Array.from({ length: 3 }, () => [3, 22, 128])) // the prompts, and twice the sources
    const slow = await view.withHooks({ 'unembed.hook_in': () => undefined }).sweep(few.clean, edits, few.metric, options) // prettier-ignore
    expectClose(fast.values, slow.values, tolerances.noise)
    const plain = await model.sweep(few.clean, edits, few.metric, options)
    expect(maxDifference(fast.values, plain.values)).to.be.above(0.1)
  })

  describe('that is stopped', () => {
    let folder: string
    beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'tfjs-lens-'))))
    afterEach(() => rm(folder, { recursive: true }))

    /** Stops after some interventions. */
    async function stopped(save: string | undefined, after: number, options: SweepOptions = {}): Promise<number> {
      const stop = new AbortController()
      let done = 0
      const progress = () => {
        if (++done === after) stop.abort(new Error('enough'))
      }
      const given = { budget: 1, signal: stop.signal, progress, ...options, ...(save !== undefined && { save }) }
      const outcome = await model.sweep(few.clean, heads, few.metric, given).then(() => 'whole', String)
      expect(outcome).to.equal('Error: enough')
      return done
    }

    it('throws the reason of the signal and leaves nothing behind', async () => {
      expect(await stopped(undefined, 2)).to.be.within(2, 3)
      const gone = AbortSignal.abort(new Error('before'))
      const outcome = model.sweep(few.clean, heads, few.metric, { ...quiet, signal: gone })
      expect(await outcome.then(() => 'whole', String)).to.equal('Error: before')
    })

    it('goes on where it was', async () => {
      const save = join(folder, 'heads.json')
      const whole = await model.sweep(few.clean, heads, few.metric, quiet)
      const first = await stopped(save, 3)
      const counts: number[] = []
      const progress = (done: number) => void counts.push(done)
      const result = await model.sweep(few.clean, heads, few.metric, { save, progress })
      expectClose(result.values, whole.values, tolerances.noise)
      expect(counts).to.deep.equal(heads.map((_, i) => i + 1))
      expect(first).to.be.below(heads.length)
      const text = await readFile(save, 'utf8')
      const again = await model.sweep(few.clean, heads, few.metric, { save, ...quiet })
      expectClose(again.values, result.values, 0, 'nothing is left to run')
      expect(await readFile(save, 'utf8')).to.equal(text)
    })

    it('refuses the file of another sweep, or of none', async () => {
      const save = join(folder, 'heads.json')
      await model.sweep(few.clean, heads, few.metric, { ...quiet, save })
      const other = (edits: readonly Intervention[], metric = few.metric) =>
        refusalOf(() => model.sweep(few.clean, edits, metric, { ...quiet, save }))
      const message = `MismatchError: sweep: '${save}' holds the results of another sweep. Name another file, or delete it.`
      expect(await other(heads.slice(1))).to.equal(message)
      expect(await other(heads, logitDiff(few.wrong, few.answer))).to.equal(message)
      await writeFile(save, 'not json')
      expect(await other(heads)).to.equal(`MismatchError: sweep: '${save}' is no file of a sweep. Name another file, or delete it.`) // prettier-ignore
    })
  })

  it('refuses what it cannot do, before any run', async () => {
    let runs = 0
    const view = model.withHooks({ hook_embed: () => void runs++ })
    const attempt = (edits: unknown, options: SweepOptions = {}, metric: unknown = few.metric) =>
      refusalOf(() => view.sweep(few.clean, edits as Intervention[], metric as never, { ...quiet, ...options }))
    expect(await attempt([])).to.equal("ArgumentError: sweep: interventions is []. Give a list of at least one, such as [{ hook, to: 'zero' }].") // prettier-ignore
    expect(await attempt([{ hook: 'blocks.1.attn.hook_zz', to: 'zero' }])).to.include("no hook point 'blocks.1.attn.hook_zz' in pocket-gpt2 (4 layers: 0–3). Did you mean 'blocks.1.attn.hook_z'?") // prettier-ignore
    expect(await attempt([{ to: 'zero' }])).to.equal('ArgumentError: sweep: {"to":"zero"} is no edit. Give { hook, to }, { hook, add } or { hook, by }.') // prettier-ignore
    expect(await attempt([[]])).to.include('an intervention is an empty list. Give at least one edit.')
    expect(await attempt([{ hook: z(1) }])).to.include(`the edit at '${z(1)}' has none of to, add and by. Give exactly one.`) // prettier-ignore
    expect(await attempt([{ hook: z(1), to: 0, add: 1 }])).to.include('has to and add of to, add and by')
    expect(await attempt([{ hook: z(1), to: 'nothing' }])).to.include(`'to' at '${z(1)}' is "nothing". Give 'zero', 'mean', 'source', 'resample', a number`) // prettier-ignore
    expect(await attempt([{ hook: z(1), unit: 8, to: 0 }])).to.include(`'${z(1)}' has no unit 8. It has 0 to 7.`)
    expect(await attempt([{ hook: 'hook_embed', unit: 0, to: 0 }])).to.include("'hook_embed' of shape [B,P,D] has no heads, neurons or latents. Leave 'unit' out.") // prettier-ignore
    expect(await attempt([{ hook: z(1), position: 22, to: 0 }])).to.include('there is no position 22 in prompts of 22 tokens') // prettier-ignore
    expect(await attempt([{ hook: z(1), position: 2, column: 2, to: 0 }])).to.include('has both position and column')
    expect(await attempt([{ hook: z(1), unit: 1, add: [1, 2] }])).to.equal(`ShapeError: sweep: there are 2 numbers for '${z(1)}'. A unit there has 16 at a position.`) // prettier-ignore
    const square = 'blocks.1.attn.hook_pattern'
    expect(await attempt([{ hook: square, to: [1] }])).to.include(`numbers at '${square}' of shape [B,H,P,P] have no place. Give a tensor.`) // prettier-ignore
    expect(await attempt([{ hook: square, to: 'mean' }])).to.include(`the mean at '${square}' of shape [B,H,P,P] is not defined`) // prettier-ignore
    expect(await attempt([{ hook: z(1), by: 3 }])).to.include(`'by' at '${z(1)}' is 3. It must be a function.`)
    expect(await attempt([{ hook: z(1), by: () => undefined, unit: 1 }])).to.include("comes with 'unit'. A function sees the whole activation") // prettier-ignore
    expect(await attempt([{ hook: z(1), to: 'source' }])).to.equal("ArgumentError: sweep: an edit's value is 'source'. Give a source.") // prettier-ignore
    expect(await attempt(heads, { budget: 0 })).to.equal('ArgumentError: sweep: budget is 0. Give a number of bytes, such as 2 ** 29.') // prettier-ignore
    expect(await attempt(heads, {}, cosine('nowhere'))).to.include("metric: no hook point 'nowhere'")
    expect(await attempt(heads, {}, cosine(square))).to.include(`reads '${square}' of shape [B,H,P,P]. Give a hook point of shape [B,P,…].`) // prettier-ignore
    expect(await refusalOf(() => model.bindMetric(klToClean(), model.toTokens(few.clean)))).to.equal('ArgumentError: metric: KL to clean is more than a function of logits. Use it in a sweep.') // prettier-ignore
    const tensor = tf.zeros([3, 21, 8, 16])
    expect(await attempt([{ hook: z(1), to: tensor }])).to.equal(`ShapeError: sweep: the tensor for '${z(1)}' has shape [3,21,8,16]. For these prompts it must be [B,P,H,K] with B 3 and P 22.`) // prettier-ignore
    tensor.dispose()
    using cache = model.runWithCache(few.clean, { names: 'hook_embed' })
    expect(await attempt([{ hook: z(1), to: cache }])).to.include(`there is no '${z(1)}' in this cache`)
    using other = model.runWithCache(few.clean.slice(1), { names: z(1) })
    expect(await attempt([{ hook: z(1), to: other }])).to.include('the source has 2 prompts of 22 tokens, the prompts are 3 of 22') // prettier-ignore
    const stopping = model.stopAt(1)
    expect(await refusalOf(() => stopping.sweep(few.clean, [{ hook: z(2), to: 0 }], (x) => x.sum(), quiet))).to.include('is never reached, as this view stops at layer 1') // prettier-ignore
    expect(await refusalOf(() => stopping.sweep(few.clean, [{ hook: z(0), to: 0 }], few.metric, quiet))).to.include('this view stops at layer 1 and has no logits') // prettier-ignore
    expect(runs).to.equal(0)
  })
})
