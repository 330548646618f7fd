/** Attribution patching: its recorded numbers, where it is exact, and how its error shrinks. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { ablation, activationPatching, attributionPatching, type AttributionOptions } from '../../../analyses/index.js'
import { logitDiff } from '../../../lib/core/metrics.js'
import { head, latents as latentsOf, point } from '../../../lib/core/sites.js'
import type { HookedModel } from '../../../lib/model.js'
import type { Prompts } from '../../../lib/tokens/tokens.js'
import type { Result } from '../../../lib/report/result/result.js'
import { embeddedSaes, type Sae } from '../../../saes/index.js'
import { loadSae } from '../../../saes/load-sae.js'
import { expectClose, tolerances } from '../../support/close.js'
import { ioi, quiet, type Ioi } from '../../support/ioi.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { expectTraceable } from '../../support/results.js'
import { warmUp } from '../../support/saes.js'

describe('attributionPatching', () => {
  let model: HookedModel
  let prompts: Ioi
  let few: Ioi
  const saes = new Map<string, Sae>()
  const at = (hook: string) => saes.get(hook)!

  before(async () => {
    model = await pocket()
    prompts = await ioi()
    few = await ioi(3)
    for (const [release, id] of embeddedSaes()) {
      const sae = await loadSae(release, id)
      saes.set(sae.hookName, sae)
    }
    warmUp(model, ...saes.values())
  })
  after(() => saes.forEach((sae) => sae.dispose()))

  const attribute = (view: HookedModel, options: Partial<AttributionOptions> = {}, input: Prompts = few.clean) =>
    attributionPatching(view, input, { metric: few.metric, ...options })

  /** Values with the prompt's axis moved to the end, as interventions have it. */
  function promptLast(result: Result): number[] {
    const [batch, ...rest] = result.shape as [number, ...number[]]
    const size = rest.reduce((product, n) => product * n, 1)
    return Array.from({ length: size * batch }, (_, i) => result.values[(i % batch) * size + Math.floor(i / batch)]!)
  }

  /** The view with the final norm's scale held at what it is on the clean prompts. */
  async function withFrozenNorm(view: HookedModel, body: (frozen: HookedModel) => Promise<void>): Promise<void> {
    const cache = view.runWithCache(few.clean, { names: 'ln_final.hook_scale' })
    await body(view.withHooks({ 'ln_final.hook_scale': () => cache.get('ln_final.hook_scale') }))
    cache.dispose()
  }

  it('of the latents of every embedded SAE has the recorded values', async () => {
    const { clean, metric, record } = prompts
    for (const sae of saes.values()) {
      const view = model.withSaes(sae, { errorTerm: true })
      const result = await attributionPatching(view, clean, { metric, position: -1 })
      expectClose(result.values, record.values(`sae/${sae.label}/attribution_last`), tolerances.pocket, sae.label)
      expect(result.axes.map((axis) => axis.name)).to.deep.equal(['prompt', 'latent'])
      expect(result.axes[1]!.labels[37]).to.equal('latent 37')
      expectClose(result.baseline.values, record.values('logit_diff'), tolerances.pocket, 'the metric')
    }
  })

  it('is exact where the metric is linear: behind the last MLP, with the final norm held', async () => {
    await withFrozenNorm(model, async (frozen) => {
      for (const hook of ['blocks.3.hook_resid_post', 'blocks.3.hook_mlp_out', 'unembed.hook_in']) {
        const estimate = await attribute(frozen, { target: { hook }, source: few.corrupt })
        const exact = await activationPatching(frozen, few.clean, {
          metric: few.metric,
          source: few.corrupt,
          target: { hook },
          position: 'each',
          ...quiet,
        })
        expectClose(promptLast(estimate), exact.values, tolerances.noise, hook)
        expect(Math.max(...exact.values.map(Math.abs)), hook).to.be.above(1)
      }
    })
    await withFrozenNorm(model.withSaes(at('blocks.3.mlp.hook_post'), { errorTerm: true }), async (frozen) => {
      const estimate = await attribute(frozen, { position: -1 })
      const latents = [...new Set(estimate.top(12).map(({ index }) => index[1]!))]
      const target = latentsOf(at('blocks.3.mlp.hook_post'), ...latents)
      const exact = await ablation(frozen, few.clean, { metric: few.metric, target, position: -1, ...quiet })
      const chosen = latents.flatMap((latent) => [0, 1, 2].map((b) => estimate.at(b, latent)))
      expectClose(chosen, exact.values, tolerances.noise, 'latents of the last MLP')
      expect(Math.max(...chosen.map(Math.abs))).to.be.above(0.1)
    })
  })

  it('is off by a square: half the change, a quarter of the error', async () => {
    for (const hook of ['blocks.1.mlp.hook_post', 'blocks.2.attn.hook_z']) {
      const error = async (scale: number) => {
        // what is left of the activation is what the ablation takes away
        const view = model.withHooks({ [hook]: (x: tf.Tensor) => x.mul(scale) })
        const estimate = await attribute(view, { target: { hook } })
        const exact = await ablation(view, few.clean, { metric: few.metric, target: { hook }, ...quiet })
        const total = (b: number) => estimate.select('prompt', b).values.reduce((sum, v) => sum + v, 0)
        return [0, 1, 2].map((b) => total(b) - exact.at(0, b))
      }
      const [large, small] = [await error(0.02), await error(0.01)]
      const size = (errors: number[]) => Math.hypot(...errors)
      expect(size(large), `${hook}: an error well above float32's`).to.be.above(30 * tolerances.noise)
      // 4, were it not for the cubic term, some hundredths of it here
      expect(size(large) / size(small), hook).to.be.within(3.5, 4.5)
    }
  })

  it('is the gradient times the change, summed over what one unit is', async () => {
    const change = (hook: string, source?: string[]) => {
      using run = model.runWithGradients(few.clean, { metric: few.metric, names: hook })
      const cache = source && model.runWithCache(source, { names: hook })
      const product = tf.tidy(() => {
        const from = run.cache.get(hook)
        return run.gradients.get(hook).mul(cache ? cache.get(hook).sub(from) : from.neg())
      })
      cache?.dispose()
      return product
    }
    const cases: [hook: string, axes: string[], summed: boolean][] = [
      ['blocks.1.hook_resid_mid', ['prompt', 'position'], true],
      ['blocks.1.attn.hook_z', ['prompt', 'position', 'head'], true],
      ['blocks.1.attn.hook_q', ['prompt', 'position', 'head'], true],
      ['blocks.1.attn.hook_result', ['prompt', 'position', 'head'], true],
      ['blocks.1.mlp.hook_post', ['prompt', 'position', 'neuron'], false],
      ['ln_final.hook_scale', ['prompt', 'position'], true],
      ['unembed.hook_out', ['prompt', 'position', 'token'], false],
    ]
    for (const [hook, axes, summed] of cases) {
      for (const source of [undefined, few.corrupt]) {
        const product = change(hook, source)
        const perUnit = summed ? product.sum(-1) : product.clone()
        const result = await attribute(model, { target: { hook }, source })
        expect(result.axes.map((axis) => axis.name)).to.deep.equal(axes)
        expectClose(result.values, perUnit, 0, hook)
        const last = await attribute(model, { target: { hook }, source, position: -1 })
        expect(last.axes.map((axis) => axis.name)).to.deep.equal(axes.filter((axis) => axis !== 'position'))
        expectClose(last.values, result.select('position', -1).values, 0, `${hook} at the last position`)
        tf.dispose([product, perUnit])
      }
    }
    const heads = await attribute(model, { target: point('z', 1), position: 3 })
    expect(heads.axes[1]!.labels).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7].map((h) => `head ${h}`))
    const two = await attribute(model, { target: { hook: 'blocks.1.attn.hook_z', unit: [5, 2] }, position: 3 })
    expect(two.axes[1]!.labels).to.deep.equal(['head 5', 'head 2'])
    for (const b of [0, 1, 2]) expect([two.at(b, 0), two.at(b, 1)]).to.deep.equal([heads.at(b, 5), heads.at(b, 2)])
    expect([heads.kind, heads.title, heads.unit]).to.deep.equal([
      'attribution patching',
      'estimated change of logit difference at blocks.1.attn.hook_z',
      'logits',
    ])
  })

  it('takes the points of one SAE among several, and the error', async () => {
    const [res, mlp] = [at('blocks.2.hook_resid_pre'), at('blocks.3.mlp.hook_post')]
    const view = model.withSaes([res, mlp], { errorTerm: true })
    const acts = await attribute(view, { target: { hook: `${res.hookName}.hook_sae_acts_post` }, position: -1 })
    const alone = await attribute(model.withSaes(res, { errorTerm: true }), { position: -1 })
    // the other SAE is behind it and its error is detached, so it does change gradients, but not activations
    expect(acts.shape).to.deep.equal(alone.shape)
    const fires = (result: Result) => Array.from(result.values, (value) => value !== 0)
    expect(fires(acts)).to.deep.equal(fires(alone))
    const error = await attribute(view, { target: { hook: `${res.hookName}.hook_sae_error` } })
    expect(error.axes.map((axis) => axis.name)).to.deep.equal(['prompt', 'position'])
    expect(await refusalOf(() => attribute(view))).to.equal(
      'HookError: attributionPatching: no hook point is named. The view has SAEs at blocks.2.hook_resid_pre, blocks.3.mlp.hook_post.',
    )
  })

  it('with the prompts themselves as sources is nothing at all', async () => {
    const result = await attribute(model, { target: point('resid_pre', 1), source: few.clean })
    expectClose(result.values, new Float32Array(3 * 22), 0)
  })

  it('of a scalar metric is by prompt all the same', async () => {
    const metric = model.bindMetric(few.metric, model.toTokens(few.clean))
    const target = point('z', 2)
    const scalar = await attribute(model, { target, metric: (logits) => metric(logits).sum() })
    const each = await attribute(model, { target })
    expectClose(scalar.values, each.values, tolerances.noise)
    expect(scalar.axes[0]!.labels).to.have.length(3)
    expect([scalar.baseline.shape, each.baseline.shape]).to.deep.equal([[], [3]])
  })

  it('of a padded batch is that of single prompts', async () => {
    const texts = ['Carl and Eva went to the hill', few.clean[1]!, 'Rose gave a hat to']
    const metric = logitDiff(' Carl', ' Eva')
    const view = model.withSaes(at('blocks.1.attn.hook_z'), { errorTerm: true })
    for (const paddingSide of ['left', 'right'] as const) {
      const last = await attribute(view, { metric, position: -1, paddingSide }, texts)
      const all = await attribute(view, { metric, paddingSide, target: point('resid_pre', 1) }, texts)
      for (const [b, text] of texts.entries()) {
        const alone = await attribute(view, { metric, position: -1 }, text)
        expectClose(last.select('prompt', b).values, alone.values, tolerances.noise, `${paddingSide} ${b}`)
        const along = (await attribute(view, { metric, target: point('resid_pre', 1) }, text)).values
        const row = all.select('prompt', b).values
        const [before, after] = paddingSide === 'left' ? [22 - along.length, 0] : [0, 22 - along.length]
        const expected = [...new Float32Array(before), ...along, ...new Float32Array(after)]
        expectClose(row, expected, tolerances.noise, `${paddingSide} ${b}: nothing at the padding`)
      }
    }
  })

  it('comes back from JSON and says where it is from', async () => {
    const result = await attribute(model.withSaes(at('blocks.2.attn.hook_z')), { position: -1 })
    await expectTraceable(result, { saes: ['pocket-z/blocks.2.hook_z'] })
    expect(result.extra.hook).to.equal('blocks.2.attn.hook_z.hook_sae_acts_post')
  })

  it('refuses what it cannot estimate, before any run', async () => {
    let runs = 0
    const counted = model.withHooks({ hook_embed: () => void runs++ })
    const attempt = (options: Partial<AttributionOptions>) =>
      refusalOf(() => attribute(counted, { target: point('resid_pre', 1), ...options }))
    expect(await attempt({ target: undefined })).to.equal(
      'HookError: attributionPatching: no hook point is named. The view has no SAE: attach one with withSaes.',
    )
    expect(await attempt({ target: { hook: 'blocks.1.hook_resid_per' } })).to.match(
      /^HookError: .*no hook point 'blocks\.1\.hook_resid_per'.*Did you mean 'blocks\.1\.hook_resid_pre'\?/,
    )
    expect(await attempt({ target: point('pattern', 1) })).to.equal(
      "HookError: attributionPatching: 'blocks.1.attn.hook_pattern' has shape [B,H,P,P]. Give a hook point of shape [B,P,…], where products of each position can be told apart.",
    )
    expect(await attempt({ target: head(1, 8) })).to.include("there is no head 8 at 'blocks.1.attn.hook_z'")
    expect(await attempt({ hook: 'blocks.1.attn.hook_z' } as never)).to.include("there is no option 'hook'.")
    expect(await attempt({ position: -23 })).to.include(
      'attributionPatching: there is no position -23 in prompts of 22',
    )
    expect(await attempt({ source: few.corrupt.slice(1) })).to.equal(
      'ArgumentError: attributionPatching: the source has 2 prompts of 22 tokens, the prompts are 3 of 22. Each prompt needs a source of its own length.',
    )
    expect(await attempt({ metric: logitDiff([' Carl'], ' Eva') })).to.include('there are 1 answers for 3 prompts')
    expect(await attempt({ metric: logitDiff(' Carl and', ' Eva') })).to.match(/^TokenError: /)
    expect(runs).to.equal(0)
  })
})
