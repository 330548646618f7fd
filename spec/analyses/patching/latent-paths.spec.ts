/** Paths from latents to heads, one position ablated at a time, and metrics under views: recorded numbers and laws. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import {
  latentAblation,
  latentPaths,
  latentsAt,
  compareLosses,
  compareMetric,
  positionAblation,
  topLatents,
} from '../../../analyses/index.js'
import { logitDiff, logProb } from '../../../lib/core/metrics.js'
import { head, latents } from '../../../lib/core/sites.js'
import type { HookedModel } from '../../../lib/model.js'
import { loadModel } from '../../../models/load-model.js'
import { loadSae } from '../../../saes/load-sae.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { reference, type Reference } from '../../support/reference.js'
import { refusalOf } from '../../support/refusal.js'
import { expectTraceable } from '../../support/results.js'
import { embeddedSae } from '../../support/saes.js'

interface Recorded {
  readonly position: number
  readonly answers: readonly (readonly [string, string])[]
  readonly prompts: readonly string[]
  readonly ablation: { readonly live_features: readonly number[] }
  readonly path_patching: { readonly heads: readonly (readonly [number, number])[] }
}
interface Study {
  readonly prompts: readonly string[]
  readonly ablate_each_position: {
    readonly direction: number
    readonly threshold: number
    readonly rows: readonly (readonly [prompt: number, position: number, increase: number])[]
  }
  readonly encoders: { readonly second: readonly [string, string] }
}

describe('latents in a recorded model', () => {
  let record: Reference
  let model: HookedModel
  before(async () => {
    record = await reference('saes')
    model = await loadModel(`${record.folder}/model`)
  })
  after(() => model.dispose())

  it('have the recorded effects by their paths into value inputs', async () => {
    const { position, answers, prompts, ablation, path_patching: paths } = record.json['transformer'] as Recorded
    using sae = await loadSae(`${record.folder}/sae_lens_6/standard_attn_z`)
    const metric = logitDiff(answers.map(([right]) => right), answers.map(([, wrong]) => wrong)) // prettier-ignore
    const receivers = paths.heads.map(([layer, h]) => head(layer, h, 'v'))
    const senders = latents(sae, ...ablation.live_features)
    const options = { metric, senders, receivers, position, together: true }
    const effects = await latentPaths(model.withSaes(sae), prompts, options)
    const expected = record.values('transformer/path_patching/effects') // [prompt, latent]
    const count = ablation.live_features.length
    const found = Array.from(expected, (_, i) => effects.at(i % count, Math.floor(i / count)))
    expectClose(found, expected, { atol: 5e-4, rtol: 1e-3 }) // what the record's `tolerances` ask for here
  })

  it('cost what is recorded at each active position', async () => {
    const { prompts, encoders, ablate_each_position: each } = record.json['study'] as Study
    using sae = await loadSae(`${record.folder}/sae_lens_6/${encoders.second[0]}`)
    const view = model.withSaes(sae, { errorTerm: true })
    const chosen = [...new Set(each.rows.map(([prompt]) => prompt))]
    const { direction: latent, threshold } = each
    const found = await positionAblation(view, chosen.map((i) => prompts[i]!), { target: latents(sae, latent), threshold }) // prettier-ignore
    const places = found.places.map(({ prompt, position }) => [chosen[prompt], position])
    expect(places).to.deep.equal(each.rows.map(([prompt, position]) => [prompt, position]))
    expectClose(found.select('quantity', 'loss increase').values, each.rows.map(([, , increase]) => increase), { atol: 5e-4, rtol: 1e-3 }) // prettier-ignore
    for (const value of found.select('quantity', 'activation').values) expect(value).to.be.greaterThan(threshold)
  })
})

describe('latents in the embedded model', () => {
  const texts = ['Carl and Eva went to the hill, Eva gave a', 'Rose gave a hat to Jack']
  const metric = logProb([' a', ' Jack'], { position: -2 })
  let model: HookedModel
  let sae: Sae
  before(async () => {
    model = await pocket()
    sae = await embeddedSae('pocket-z/blocks.1.hook_z')
  })
  after(() => void sae.dispose())

  it('have the same path into a head with others beside it and alone, in padded prompts', async () => {
    using first = await embeddedSae('pocket-z/blocks.0.hook_z')
    const view = model.withSaes(first)
    const prompts = [
      'Carl and Eva were good friends. When Carl and Eva went to the hill, Eva gave a stone to',
      'Mary and Jack were very good friends. When Mary and Jack went to the school, Jack gave a stone to',
    ]
    const metric = logitDiff([' Carl', ' Mary'], [' Eva', ' Jack'])
    const given = {
      metric,
      senders: latents(first, 443, 88),
      position: -5,
      receivers: [head(2, 3, 'v'), head(1, 4, 'v')],
    }
    const each = await latentPaths(view, prompts, given)
    for (const paddingSide of ['left', 'right'] as const) {
      const alone = await latentPaths(view, prompts, { ...given, receivers: ['L1H4.v'], together: true, paddingSide })
      expectClose(alone.values, each.select('head', 'L1H4').values, tolerances.noise)
    }
    for (const value of each.select('head', 'L1H4').values) expect(value).to.be.greaterThan(1e-3)
    await expectTraceable(each, { saes: ['pocket-z/blocks.0.hook_z'] })
  })

  it('cost at each position what whole runs say, in the first block too and behind another SAE', async () => {
    using first = await embeddedSae('pocket-z/blocks.0.hook_z')
    const views = [
      [model.withSaes(first, { errorTerm: true }), first],
      [model.withSaes([first, sae], { errorTerm: true }), sae],
    ] as const
    for (const [view, one] of views) {
      const { hookName: hook } = one
      const [latent] = (await topLatents(view, texts, { position: -2, hook })).extra['each'] as number[][]
      const target = latents(one, latent![0]!)
      const found = await positionAblation(view, texts, { target })
      const increases = found.select('quantity', 'loss increase').values
      for (const [i, { prompt, position }] of found.places.entries()) {
        const whole = await latentAblation(view, texts[prompt]!, { target, position: [position] })
        expectClose([increases[i]!], [whole.at(0, 'ablated') - whole.at(0, 'original')], tolerances.noise)
      }
      expect(increases.some((value) => Math.abs(value) > 1e-3)).to.equal(true)
    }
  })

  it('are counted where they are largest', async () => {
    const view = model.withSaes(sae)
    expect(await refusalOf(() => topLatents(view, texts, { k: 0 }))).to.include('topLatents: k is 0.')
    const silent = (await topLatents(view, texts, { k: 3, latents: await silentLatents(view) })).shape
    expect(silent).to.deep.equal([0])
    const name = `${sae.hookName}.hook_sae_acts_pre`
    const tops = await topLatents(view, texts, { k: 3, point: 'hook_sae_acts_pre' })
    const counted = new Map<string, number>()
    for (const [b, text] of texts.entries()) {
      const acts = tf.tidy(() => {
        using cache = view.runWithCache(text, { names: name, logits: false })
        return (cache.get(name).arraySync() as number[][][])[0]!.at(-1)!
      })
      const order = acts.map((_, f) => f).sort((x, y) => acts[y]! - acts[x]!)
      expect((tops.extra['each'] as number[][])[b]).to.deep.equal(order.slice(0, 3))
      for (const f of order.slice(0, 3)) counted.set(`latent ${f}`, (counted.get(`latent ${f}`) ?? 0) + 1)
    }
    expect(Object.fromEntries(tops.axes[0]!.labels.map((label, i) => [label, tops.at(i)]))).to.deep.equal(Object.fromEntries(counted)) // prettier-ignore
  })

  /** Latents at 0 at the end of every text. */
  async function silentLatents(view: HookedModel): Promise<number[]> {
    const acts = await latentsAt(view, texts)
    return acts.axes[1]!.labels.flatMap((_, f) => (texts.every((_, b) => acts.at(b, f) === 0) ? [f] : [])).slice(0, 5)
  }

  it('have the metric under views that compareLosses has too', async () => {
    const views = { model, sae: model.withSaes(sae) }
    const found = await compareMetric(views, texts, { metric })
    expectClose(found.values.map((value) => -value), (await compareLosses(views, texts, { position: -2 })).values, tolerances.noise) // prettier-ignore
    expect(found.unit).to.equal('nats')
  })

  it('refuse what they cannot do before any run', async () => {
    const view = model.withSaes(sae, { errorTerm: true })
    const given = { metric, senders: latents(sae, 3) }
    expect(await refusalOf(() => latentPaths(view, texts, { ...given, receivers: [head(1, 0, 'v')] }))).to.equal(
      'ArgumentError: latentPaths: L1H0.v does not read what the SAE of layer 1 writes. Give heads of layers 2 to 3.',
    )
    expect(await refusalOf(() => latentPaths(view, texts, { ...given, receivers: [] }))).to.match(/receivers is \[\]\./)
    expect(await refusalOf(() => latentPaths(view, texts, { ...given, receivers: ['MLP3'] }))).to.include(
      "'MLP3' is no input of a head",
    )
    expect(await refusalOf(() => latentPaths(view, texts, { ...given, receivers: [head(2, 0)] }))).to.include(
      "there is no 'L2H0' among receivers. Did you mean 'L2H0.",
    )
    expect(await refusalOf(() => compareMetric({}, texts, { metric }))).to.match(/compareMetric: there is no view\./)
    expect(await refusalOf(() => compareMetric({ model }, texts, { metric: (x) => x.mean() }))).to.equal(
      "ArgumentError: compareMetric: the metric gives shape [] under 'model'. It must give one number for each of the 2 prompts.",
    )
    expect(await refusalOf(() => positionAblation(view, texts, { target: latents(sae, 7), threshold: 1e6 }))).to.equal(
      'ArgumentError: positionAblation: latent 7 is above 1000000 nowhere in the 2 prompts. Give prompts it fires on, or a lower threshold.',
    )
  })
})
