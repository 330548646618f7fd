/** Activation patching: its recorded numbers, and what must hold at its two ends. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { activationPatching, type PatchingOptions } from '../../../analyses/index.js'
import { logitDiff } from '../../../lib/core/metrics.js'
import { head, latents as latentsOf, point } from '../../../lib/core/sites.js'
import type { HookedModel } from '../../../lib/model.js'
import type { Prompts } from '../../../lib/tokens/tokens.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose, tolerances } from '../../support/close.js'
import { ioi, quiet, type Ioi } from '../../support/ioi.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { expectTraceable } from '../../support/results.js'
import { embeddedSae } from '../../support/saes.js'

const z = 'blocks.2.attn.hook_z'

describe('activationPatching', () => {
  let model: HookedModel
  let prompts: Ioi
  let few: Ioi
  let sae: Sae

  before(async () => {
    model = await pocket()
    prompts = await ioi()
    few = await ioi(3)
    sae = await embeddedSae('pocket-z/blocks.2.hook_z')
  })
  after(() => sae.dispose())

  type Some = Omit<PatchingOptions, 'metric' | 'source'> & Partial<PatchingOptions>
  const patch = (view: HookedModel, options: Some, input: Prompts = few.clean) =>
    activationPatching(view, input, { metric: few.metric, source: few.corrupt, ...quiet, ...options })

  for (const target of ['q', 'k', 'v', 'pattern'] as const) {
    it(`of ${target} has the effect of a hook that puts a head's own in, one head at a time`, async () => {
      const result = await patch(model, { target })
      expect(result.axes.map((axis) => axis.name)).to.deep.equal(['layer', 'head', 'prompt'])
      const name = `blocks.2.attn.hook_${target}`
      const axis = target === 'pattern' ? 1 : 2
      using sources = model.runWithCache(few.corrupt, { names: name })
      const metric = model.bindMetric(few.metric, model.toTokens(few.clean))
      tf.tidy(() => {
        const isHead = tf.oneHot(5, 8).reshape(axis === 1 ? [1, 8, 1, 1] : [1, 1, 8, 1])
        const hook = (x: tf.Tensor) => x.add(sources.get(name).sub(x).mul(isHead))
        const change = metric(model.withHooks({ [name]: hook }).run(few.clean)).sub(metric(model.run(few.clean)))
        expectClose(result.select('layer', 2).select('head', 5).values, change.dataSync(), tolerances.pocket)
        expect(change.abs().max().dataSync()[0]).to.be.above(1e-3)
      })
    })
  }

  /** The metric of corrupt runs less that of clean ones. */
  function whole(view: HookedModel): number[] {
    const metric = view.bindMetric(few.metric, view.toTokens(few.clean))
    return tf.tidy(() =>
      Array.from(
        metric(view.run(few.corrupt))
          .sub(metric(view.run(few.clean)))
          .dataSync(),
      ),
    )
  }

  it('of the residual stream has the recorded effects, at each layer and position', async () => {
    const { record, clean, corrupt, metric } = prompts
    const result = await activationPatching(model, clean, { metric, target: 'resid_pre', source: corrupt, ...quiet })
    const baseline = record.values('logit_diff')
    const recorded = Array.from(record.values('patch_resid_pre'), (value, i) => value - baseline[i % baseline.length]!)
    expectClose(result.values, recorded, tolerances.pocket)
    expect(result.axes.map((axis) => axis.name)).to.deep.equal(['layer', 'position', 'prompt'])
    expect(result.shape).to.deep.equal([4, 22, 8])
    expect([result.kind, result.title, result.unit]).to.deep.equal([
      'activation patching',
      'change of logit difference',
      'logits',
    ])
  })

  it('with the prompts themselves as sources changes nothing at all', async () => {
    const view = model.withSaes(sae, { errorTerm: true })
    const own = { source: few.clean }
    for (const target of [
      'heads',
      'mlp_out',
      latentsOf(sae, 3, 14),
      [{ hook: 'hook_embed' }, { hook: `${z}.hook_sae_error` }],
    ] as const) {
      for (const position of ['all', 7] as const) {
        const result = await patch(view, { ...own, target, position })
        expectClose(result.values, new Float32Array(result.values.length), 0, JSON.stringify(target))
      }
    }
    const scores = await patch(model, { ...own, target: point('attn_scores', 1) })
    expectClose(scores.values, new Float32Array(3), 0, 'scores, which hold −Infinity')
  })

  it('of everything there is is the run of the sources', async () => {
    const everything = { resid_pre: 0, resid_post: 3 } as const
    for (const [target, layer] of Object.entries(everything)) {
      const result = await patch(model, { target: target as 'resid_pre', position: 'all' })
      expect(result.shape).to.deep.equal([4, 3])
      expectClose(result.select('layer', layer).values, whole(model), tolerances.noise, target)
    }
    const view = model.withSaes(sae)
    const start = await patch(view, { target: 'resid_pre', position: 'all' })
    for (const layer of [0, 1, 2, 3])
      expectClose(start.select('layer', layer).values, whole(view), tolerances.noise, `with an SAE, layer ${layer}`)
  })

  it('of positions that both prompts share changes nothing, as no later token can reach them', async () => {
    const result = await patch(model, { target: 'resid_pre' })
    const same = model.toTokens(few.clean).rows.map((row, b) => {
      const corrupt = model.toTokens(few.corrupt).rows[b]!
      return row.findIndex((id, p) => id !== corrupt[p])
    })
    same.forEach((first, b) => {
      expect(first).to.be.within(5, 20)
      for (let p = 0; p < first; p++) expect(result.at(1, p, b)).to.be.closeTo(0, tolerances.noise)
      expect(Math.abs(result.at(0, first, b))).to.be.above(1)
    })
  })

  it('takes heads, latents and whole hooks from the sources as a hook would', async () => {
    const view = model.withSaes(sae, { errorTerm: true })
    const acts = `${z}.hook_sae_acts_post`
    const latents = [0, 7, 51]
    const byTarget = await patch(view, { target: latentsOf(sae, ...latents), position: -1 })
    using source = view.runWithCache(few.corrupt, { names: [acts, z] })
    const metric = view.bindMetric(few.metric, view.toTokens(few.clean))
    const baseline = byTarget.baseline.values
    const changeBy = (name: string, where: (shape: number[]) => tf.Tensor) =>
      tf.tidy(() => {
        const hook = (x: tf.Tensor) => x.add(source.get(name).sub(x).mul(where(x.shape)))
        const after = metric(view.withHooks({ [name]: hook }).run(few.clean)).dataSync()
        return Array.from(after, (value, b) => value - baseline[b]!)
      })
    const hot = (index: number, size: number) => tf.oneHot(tf.scalar(index, 'int32'), size).toFloat()
    const last = (shape: number[]) => hot(shape[1]! - 1, shape[1]!).reshape([1, -1, 1])
    const expected = latents.flatMap((latent) => changeBy(acts, (shape) => last(shape).mul(hot(latent, 512))))
    expectClose(byTarget.values, expected, tolerances.noise, 'latents')
    const heads = await patch(view, { target: head(2, 6) })
    expectClose(
      heads.values,
      changeBy(z, () => hot(6, 8).reshape([1, 1, 8, 1])),
      tolerances.noise,
      'a head',
    )
    const whole = await patch(view, { target: { hook: z } })
    expectClose(
      whole.values,
      changeBy(z, () => tf.scalar(1)),
      tolerances.noise,
      'a hook point',
    )
  })

  it('takes layers at each position, and heads, latents and hooks at all, unless told otherwise', async () => {
    const view = model.withSaes(sae, { errorTerm: true })
    const axes = async (options: Some) => (await patch(view, options)).axes.map((axis) => axis.name)
    expect(await axes({ target: 'attn_out' })).to.deep.equal(['layer', 'position', 'prompt'])
    expect(await axes({ target: 'heads' })).to.deep.equal(['layer', 'head', 'prompt'])
    expect(await axes({ target: latentsOf(sae, 1) })).to.deep.equal(['latent', 'prompt'])
    expect(await axes({ target: point('embed') })).to.deep.equal(['hook', 'prompt'])
    expect(await axes({ target: latentsOf(sae, 1), position: 'each' })).to.deep.equal(['latent', 'position', 'prompt'])
  })

  it('of a padded batch is that of single prompts', async () => {
    const [texts, sources] = [
      ['Carl and Eva went to', few.clean[1]!],
      ['Eva and Carl went to', few.corrupt[1]!],
    ]
    const metric = logitDiff(' Carl', ' Eva')
    const short = model.toTokens(texts[0]!).positions
    for (const paddingSide of ['left', 'right'] as const) {
      const padded = await patch(model, { target: 'resid_pre', metric, source: sources, paddingSide }, texts)
      expect(padded.shape).to.deep.equal([4, 22, 2])
      for (const [b, text] of texts.entries()) {
        const alone = await patch(model, { target: 'resid_pre', metric, source: sources[b]! }, text)
        const shift = paddingSide === 'left' && b === 0 ? 22 - short : 0
        const shared = Array.from({ length: 4 }, (_, l) =>
          Array.from({ length: alone.shape[1]! }, (_, p) => padded.at(l, p + shift, b)),
        )
        expectClose(shared.flat(), alone.values, tolerances.noise, `${paddingSide} ${b}`)
      }
      // nothing attends to the padding, and what is computed there is not looked at
      const [from, to] = paddingSide === 'left' ? [0, 22 - short] : [short, 22]
      for (let p = from; p < to; p++) expect(padded.at(1, p, 0)).to.be.closeTo(0, tolerances.noise)
    }
  })

  it('comes back from JSON and says where it is from', async () => {
    const view = model.withSaes(sae, { errorTerm: true })
    const result = await patch(view, { target: latentsOf(sae, 3) })
    await expectTraceable(result, { saes: ['pocket-z/blocks.2.hook_z'] })
  })

  it('refuses sources that do not fit, before any run', async () => {
    let runs = 0
    const counted = model.withHooks({ hook_embed: () => void runs++ })
    const attempt = (source: Prompts, input: Prompts = few.clean, metric = few.metric) =>
      refusalOf(() => activationPatching(counted, input, { metric, source, target: 'resid_pre', ...quiet }))
    expect(await attempt(few.corrupt.slice(1))).to.equal(
      'ArgumentError: activationPatching: the source has 2 prompts of 22 tokens, the prompts are 3 of 22. Each prompt needs a source of its own length.',
    )
    expect(await attempt(few.corrupt.map((text) => `${text} the`))).to.include(
      '3 prompts of 23 tokens, the prompts are',
    )
    const pair = ['Carl and Eva went', 'Carl went']
    expect(await attempt([...pair].reverse(), pair, logitDiff(5, 6))).to.include(
      'the source has 2 prompts of 5 tokens, padded otherwise, the prompts are 2 of 5.',
    )
    expect(await attempt([[0, 1, 5000]])).to.match(/^TokenError: .*5000/)
    expect(runs).to.equal(0)
  })
})
