/** Ablation: its recorded numbers, and each mode, target and position held to an explicit hook. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { ablation, type AblationOptions } from '../../../analyses/index.js'
import type { HookFunction } from '../../../lib/core/hooks.js'
import { logitDiff, logProb } from '../../../lib/core/metrics.js'
import { head, latents as latentsOf, point } from '../../../lib/core/sites.js'
import type { HookedModel } from '../../../lib/model.js'
import type { Prompts } from '../../../lib/tokens/tokens.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose, maxDifference, tolerances } from '../../support/close.js'
import { ioi, quiet, type Ioi } from '../../support/ioi.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { expectTraceable } from '../../support/results.js'
import { embeddedSae } from '../../support/saes.js'

const labels = ['pocket-res/blocks.2.hook_resid_pre', 'pocket-z/blocks.3.hook_z', 'pocket-mlp/blocks.1.mlp.hook_post']

describe('ablation', () => {
  let model: HookedModel
  let prompts: Ioi // all eight
  let few: Ioi // three, for laws
  const saes: Sae[] = []

  before(async () => {
    model = await pocket()
    prompts = await ioi()
    few = await ioi(3)
    for (const label of labels) saes.push(await embeddedSae(label))
  })
  after(() => saes.forEach((sae) => sae.dispose()))

  const ablate = (view: HookedModel, options: Omit<AblationOptions, 'metric'> & Partial<AblationOptions>) =>
    ablation(view, few.clean, { metric: few.metric, ...quiet, ...options })

  /** The metric of the three prompts under explicit hooks, less that without. */
  function changeBy(view: HookedModel, hooks: Record<string, HookFunction>): number[] {
    const metric = view.bindMetric(few.metric, view.toTokens(few.clean))
    const value = (of: HookedModel) => Array.from(tf.tidy(() => metric(of.run(few.clean))).dataSync())
    return tf.tidy(() => {
      const before = value(view)
      return value(view.withHooks(hooks)).map((after, b) => after - before[b]!)
    })
  }

  /** 1 at some entries of an axis, ready to be multiplied with an activation of this shape. */
  function only(shape: number[], axis: number, entries: readonly number[]): tf.Tensor {
    const along = Array.from({ length: shape[axis]! }, (_, i) => (entries.includes(i) ? 1 : 0))
    return tf.tensor(
      along,
      shape.map((n, i) => (i === axis ? n : 1)),
    )
  }

  it('of every head has the recorded effects', async () => {
    const { record, clean, metric } = prompts
    const result = await ablation(model, clean, { metric, target: 'heads', ...quiet })
    const baseline = record.values('logit_diff')
    const recorded = Array.from(record.values('ablate_head'), (value, i) => value - baseline[i % baseline.length]!)
    expectClose(result.values, recorded, tolerances.pocket)
    expectClose(result.baseline.values, baseline, tolerances.pocket)
    expect(result.axes.map((axis) => axis.name)).to.deep.equal(['layer', 'head', 'prompt'])
    expect(result.axes[0]!.labels).to.deep.equal([0, 1, 2, 3].map((l) => `layer ${l}`))
    expect(result.axes[1]!.labels).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7].map((h) => `H${h}`))
    expect(result.axes[2]!.labels[0]).to.equal(`0: ${clean[0]}`)
    expect([result.kind, result.title, result.unit]).to.deep.equal(['ablation', 'change of logit difference', 'logits'])
  })

  it('of latents has the recorded effects', async () => {
    const { record, clean, metric } = prompts
    for (const sae of saes) {
      const { latents } = prompts.saes[sae.label]!
      const view = model.withSaes(sae, { errorTerm: true })
      const result = await ablation(view, clean, { metric, target: latentsOf(sae, ...latents), position: -1, ...quiet })
      expectClose(result.values, record.values(`sae/${sae.label}/ablation_last`), tolerances.pocket, sae.label)
      expect(result.axes[0]).to.deep.equal({ name: 'latent', labels: latents.map((latent) => `latent ${latent}`) })
    }
  })

  it('sets each target to zero as a hook would', async () => {
    const two = await ablate(model, {
      target: [head(2, 3), head(0, 7)],
    })
    expect(two.axes[0]).to.deep.equal({ name: 'head', labels: ['L2H3', 'L0H7'] })
    const zeroHead = (head: number) => (z: tf.Tensor) => z.mul(tf.sub(1, only(z.shape, 2, [head])))
    const heads: Record<string, HookFunction>[] = [
      { 'blocks.2.attn.hook_z': zeroHead(3) },
      { 'blocks.0.attn.hook_z': zeroHead(7) },
    ]
    expectClose(
      two.values,
      heads.flatMap((hooks) => changeBy(model, hooks)),
      tolerances.noise,
      'heads',
    )

    for (const target of ['resid_pre', 'resid_mid', 'resid_post', 'attn_out', 'mlp_out'] as const) {
      const result = await ablate(model, { target })
      expect(result.shape).to.deep.equal([4, 3])
      const expected = [0, 1, 2, 3].flatMap((l) => changeBy(model, { [`blocks.${l}.hook_${target}`]: tf.zerosLike }))
      expectClose(result.values, expected, tolerances.noise, target)
    }

    const hooks = ['hook_embed', 'blocks.1.attn.hook_pattern', 'blocks.2.mlp.hook_post', 'ln_final.hook_normalized']
    const whole = await ablate(model, { target: hooks.map((hook) => ({ hook })) })
    expect(whole.axes[0]).to.deep.equal({ name: 'hook', labels: hooks })
    expectClose(
      whole.values,
      hooks.flatMap((name) => changeBy(model, { [name]: tf.zerosLike })),
      tolerances.noise,
      'whole hook points',
    )
    const scores = await ablate(model, { target: point('attn_scores', 0) })
    const flat = changeBy(model, { 'blocks.0.attn.hook_attn_scores': tf.zerosLike })
    expectClose(scores.values, flat, tolerances.noise, 'scores, which hold −Infinity')
  })

  it('of an SAE takes its latents and its error', async () => {
    const [res, z] = saes
    const view = model.withSaes([res!, z!], { errorTerm: true })
    const acts = `${z!.hookName}.hook_sae_acts_post`
    const chosen = [37, 4]
    const result = await ablate(view, { target: latentsOf(z!, ...chosen), position: 'all' })
    const expected = chosen.flatMap((latent) =>
      changeBy(view, { [acts]: (x: tf.Tensor) => x.mul(tf.sub(1, only(x.shape, 2, [latent]))) }),
    )
    expectClose(result.values, expected, tolerances.noise)
    const error = `${res!.hookName}.hook_sae_error`
    const errors = await ablate(view, { target: { hook: error } })
    expectClose(errors.values, changeBy(view, { [error]: tf.zerosLike }), tolerances.noise)
    expect(maxDifference(errors.values, new Float32Array(3))).to.be.above(0.1)
  })

  it('acts at one position, at all, or at each in turn', async () => {
    const target = head(1, 2)
    const name = 'blocks.1.attn.hook_z'
    const at = (positions: number[]) => ({
      [name]: (z: tf.Tensor) => z.mul(tf.sub(1, only(z.shape, 2, [2]).mul(only(z.shape, 1, positions)))),
    })
    for (const position of [3, -2]) {
      const result = await ablate(model, { target, position })
      expectClose(result.values, changeBy(model, at([(position + 22) % 22])), tolerances.noise, `at ${position}`)
      expect(result.shape).to.deep.equal([1, 3])
    }
    const each = await ablate(model, { target, position: 'each' })
    expect(each.axes.map((axis) => axis.name)).to.deep.equal(['head', 'position', 'prompt'])
    expect(each.axes[1]!.labels.slice(0, 4)).to.deep.equal(['0 <|endoftext|>', '1 Carl…', '2 and', '3 Eva…'])
    for (const p of [0, 3, 13, 21])
      expectClose(
        each.select('head', 0).select('position', p).values,
        changeBy(model, at([p])),
        tolerances.noise,
        `${p}`,
      )
    const all = await ablate(model, { target })
    expectClose(all.values, changeBy(model, at(Array.from({ length: 22 }, (_, p) => p))), tolerances.noise)
    expect([all.extra.position, each.extra.position]).to.deep.equal(['all', 'each'])
  })

  it("by the mean puts the mean over prompts and real positions in an activation's place", async () => {
    const name = 'blocks.2.attn.hook_z'
    const target = head(2, 5)
    const mean = (source: Prompts, position?: number) => {
      using cache = model.runWithCache(source, { names: name, logits: false })
      const mask = cache.tokens.mask ?? cache.tokens.rows.map((row) => row.map(() => 1))
      return tf.tidy(() => {
        const z = cache.get<tf.Tensor4D>(name)
        const real = z.mul(tf.tensor(mask.flat(), [cache.tokens.batch, cache.tokens.positions, 1, 1]))
        const average = real.sum([0, 1]).div(mask.flat().reduce((a, b) => a + b)) // [H,K]
        const where = (x: tf.Tensor) =>
          only(x.shape, 2, [5]).mul(position === undefined ? tf.scalar(1) : only(x.shape, 1, [position]))
        const kept = tf.keep(average)
        const hook = (x: tf.Tensor) => x.mul(tf.sub(1, where(x))).add(kept.mul(where(x)))
        const change = changeBy(model, { [name]: hook })
        kept.dispose()
        return change
      })
    }
    expectClose((await ablate(model, { target, mode: 'mean' })).values, mean(few.clean), tolerances.noise, 'own mean')
    const texts = ['Ben went home', 'Anna had a big red hat and a dog']
    for (const paddingSide of ['left', 'right'] as const) {
      const result = await ablate(model, { target, mode: 'mean', source: texts, paddingSide, position: -1 })
      expectClose(result.values, mean(texts, 21), tolerances.noise, `the mean of others, padded ${paddingSide}`)
    }
  })

  it("by resampling puts another prompt's activation there, the same one for the same seed", async () => {
    const name = 'blocks.2.hook_resid_pre'
    const options = { target: point('resid_pre', 2), mode: 'resample', position: -1 } as const
    const shifted = [1, 2].map((step) => {
      using cache = model.runWithCache(few.clean, { names: name, logits: false })
      const order = [0, 1, 2].map((b) => (b + step) % 3)
      const hook = (x: tf.Tensor) =>
        tf.tidy(() => {
          const last = only(x.shape, 1, [21])
          return x.mul(tf.sub(1, last)).add(tf.gather(cache.get(name), tf.tensor1d(order, 'int32')).mul(last))
        })
      return changeBy(model, { [name]: hook })
    })
    const used = new Set<number>()
    for (let seed = 0; seed < 12; seed++) {
      const result = await ablate(model, { ...options, seed })
      const distances = shifted.map((expected) => maxDifference(result.values, expected))
      used.add(distances[0]! < distances[1]! ? 1 : 2)
      expect(Math.min(...distances), `seed ${seed}`).to.be.below(tolerances.noise)
      expectClose((await ablate(model, { ...options, seed })).values, result.values, 0, 'again')
      await expectTraceable(result, { seed })
      expect(result.extra.mode).to.equal('resample')
    }
    expect([...used].sort(), 'steps that seeds chose').to.deep.equal([1, 2])
    const given = await ablate(model, { ...options, seed: 3, source: few.clean })
    expectClose(
      given.values,
      (await ablate(model, { ...options, seed: 3 })).values,
      0,
      'the prompts as their own source',
    )
    const corrupt = await ablate(model, { ...options, source: few.corrupt })
    expect(maxDifference(corrupt.values, new Float32Array(3))).to.be.above(0.1)
  })

  it('takes any metric: a scalar gives one column', async () => {
    const target = head(3, 1)
    const perPrompt = await ablate(model, { target })
    const context = model.bindMetric(few.metric, model.toTokens(few.clean))
    const scalar = await ablate(model, { target, metric: (logits) => context(logits).mean() })
    expect(scalar.shape).to.deep.equal([1, 1])
    expect(scalar.axes[1]).to.deep.equal({ name: 'prompt', labels: ['all prompts'] })
    expectClose(scalar.values, perPrompt.mean('prompt').values, tolerances.noise)
    const nats = await ablate(model, { target, metric: logProb(few.answer) })
    expect([nats.title, nats.unit]).to.deep.equal(['change of log probability', 'nats'])
    const single = await ablation(model, few.clean[0]!, { target, metric: logitDiff(' Carl', ' Eva'), ...quiet })
    expect(single.axes[1]!.labels).to.deep.equal([`0: ${few.clean[0]}`])
    expectClose(single.values, [perPrompt.at('L3H1', 0)], tolerances.noise)
  })

  it('of a padded batch is that of single prompts', async () => {
    const texts = ['Carl and Eva went to the hill', few.clean[1]!, 'Rose gave a hat to']
    const metric = logitDiff([' Carl', ' George', ' Ben'], ' Eva')
    const view = model.withSaes(saes[1]!, { errorTerm: true })
    const options = { target: latentsOf(saes[1]!, 4, 37), ...quiet }
    for (const paddingSide of ['left', 'right'] as const) {
      for (const position of [-1, 1, 'all'] as const) {
        const padded = await ablation(view, texts, { ...options, metric, position, paddingSide })
        for (const [b, text] of texts.entries()) {
          const own = logitDiff([' Carl', ' George', ' Ben'][b]!, ' Eva')
          const alone = await ablation(view, text, { ...options, metric: own, position })
          expectClose(
            padded.select('prompt', b).values,
            alone.values,
            tolerances.noise,
            `${paddingSide} ${position} ${b}`,
          )
        }
      }
    }
  })

  it('comes back from JSON, says where it is from and reports its runs', async () => {
    const seen: string[] = []
    const view = model.withSaes(saes[0]!, { errorTerm: true }).withHooks({ hook_embed: () => undefined })
    const onProgress = (done: number, total: number) => void seen.push(`${done}/${total}`)
    const result = await ablate(view, { target: 'mlp_out', mode: 'mean', onProgress })
    await expectTraceable(result, { saes: [labels[0]!], hooks: ['hook_embed'] })
    expect(result.extra).to.include({ mode: 'mean', position: 'all' })
    expect(seen).to.deep.equal(['1/4', '2/4', '3/4', '4/4'])
  })

  it('refuses what it cannot do, before any run', async () => {
    let runs = 0
    const counted = model.withHooks({ hook_embed: () => void runs++ })
    const attempt = (options: object, input: Prompts = few.clean) =>
      refusalOf(() => ablation(counted, input, { metric: few.metric, target: 'heads', ...quiet, ...options } as never))
    expect(await attempt({ mode: 'median' })).to.equal(
      "ArgumentError: ablation: mode is 'median'. It must be 'zero', 'mean' or 'resample'.",
    )
    expect(await attempt({ position: 22 })).to.equal(
      'ArgumentError: ablation: there is no position 22 in prompts of 22 tokens. Give a whole number from -22 to 21.',
    )
    expect(await attempt({ position: 'last' })).to.equal(
      `ArgumentError: ablation: position is "last". Give a number, 'all' or 'each'.`,
    )
    expect(await attempt({ metric: undefined })).to.include('metric: got undefined. Give logitDiff(…), logProb(…)')
    expect(await attempt({ metric: logitDiff(' Carl', [' Eva']) })).to.include('there are 1 answers for 3 prompts')
    expect(await attempt({ metric: logitDiff(' Carl and', ' Eva') })).to.match(/^TokenError: .* is 2 tokens/)
    expect(await attempt({ mode: 'resample', metric: logitDiff(5, 6) }, few.clean.slice(0, 1))).to.include(
      'other to resample from. Give a source.',
    )
    expect(await attempt({ mode: 'resample', source: few.clean[0] })).to.include(
      'the source has 1 prompts of 22 tokens, the prompts are 3 of 22. Each prompt needs a source of its own length.',
    )
    const uneven = ['Carl and Eva', 'Carl went to the hill', 'Eva']
    expect(await attempt({ mode: 'resample', metric: logitDiff(5, 6) }, uneven)).to.equal(
      'ArgumentError: ablation: prompts of several lengths cannot stand in for each other. Give a source.',
    )
    expect(await attempt({ mode: 'mean', target: point('pattern', 0) })).to.equal(
      "ArgumentError: ablation: the mean at 'blocks.0.attn.hook_pattern' of shape [B,H,P,P] is not defined. Use points of shape [B,P,…].",
    )
    expect(await attempt({ mode: 'mean', source: [] })).to.include('TokenError: toTokens: the list of prompts is empty')
    expect(runs).to.equal(0)
    expect(await attempt({ metric: (logits: tf.Tensor3D) => logits.max(-1) })).to.equal(
      'ShapeError: metric: the metric returned a tensor of shape [3,22]. It must return a scalar or one number for each of the 3 prompts.',
    )
    expect(await attempt({ metric: () => 3 })).to.include('the metric returned number. It must return a scalar or one')
  })
})
