/** Latents on prompts, counts of tokens, mean activations, and the directions that matter: held to single prompts. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import {
  latentAblation,
  latentMaxima,
  latentsAt,
  meanActivation,
  rareTokens,
  tokenCounts,
  LatentsByLoss,
  latentsByLoss,
} from '../../../analyses/index.js'
import { latents as latentsOf } from '../../../lib/core/sites.js'
import type { HookedModel } from '../../../lib/model.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { expectTraceable } from '../../support/results.js'
import { embeddedSae } from '../../support/saes.js'

const texts = ['Carl and Eva went to the hill', 'Rose gave a hat to', 'Eva had a big red hat and a dog']

describe('latents on prompts', () => {
  let model: HookedModel
  let sae: Sae
  let view: HookedModel
  before(async () => {
    model = await pocket()
    sae = await embeddedSae('pocket-mlp/blocks.1.mlp.hook_post')
    view = model.withSaes(sae, { errorTerm: true })
  })
  after(() => void sae.dispose())

  /** Of one text by itself: [P][S]. */
  function actsOf(text: string): number[][] {
    const name = `${sae.hookName}.hook_sae_acts_post`
    using cache = view.runWithCache(text, { names: name, logits: false })
    return cache.get<tf.Tensor3D>(name).arraySync()[0]!
  }

  it('at a position are those of single prompts, padded on either side', async () => {
    for (const paddingSide of ['left', 'right'] as const) {
      for (const position of [-1, -3, 2]) {
        const all = await latentsAt(view, texts, { position, paddingSide })
        const some = await latentsAt(view, texts, { position, paddingSide, latents: [900, 4] })
        texts.forEach((text, b) => {
          const acts = actsOf(text).at(position)!
          expectClose(all.select('prompt', b).values, acts, tolerances.noise)
          expectClose(some.select('prompt', b).values, [acts[900]!, acts[4]!], tolerances.noise)
        })
      }
    }
    await expectTraceable(await latentsAt(view, texts), { saes: ['pocket-mlp/blocks.1.mlp.hook_post'] })
  })

  it('have maxima over real tokens, the last left out where asked, and no position where they do not fire', async () => {
    for (const paddingSide of ['left', 'right'] as const) {
      for (const dropLast of [0, 2]) {
        const maxima = await latentMaxima(view, texts, { paddingSide, dropLast })
        const { positions } = maxima
        const longest = model.toTokens(texts).positions
        texts.forEach((text, b) => {
          const acts = actsOf(text)
          const shift = paddingSide === 'left' ? longest - acts.length : 0
          const counted = acts.slice(0, acts.length - dropLast)
          const most = acts[0]!.map((_, f) => Math.max(...counted.map((row) => row[f]!)))
          const where = most.map((value, f) => (value > 0 ? counted.findIndex((row) => row[f] === value) + shift : -1))
          expectClose(maxima.select('prompt', b).values, most, tolerances.noise)
          expect([...positions.slice(b * 1024, (b + 1) * 1024)]).to.deep.equal(where)
        })
      }
    }
  })

  it('come with counts of tokens and mean activations', async () => {
    const counts = await tokenCounts(model, texts)
    expect(counts.values.reduce((sum, n) => sum + n, 0)).to.equal(8 + 6 + 10)
    expect([0, model.toSingleToken(' hat'), model.toSingleToken(' and')].map((id) => counts.at(id))).to.deep.equal([
      3, 2, 2,
    ])
    expect(rareTokens({ values: Float32Array.from([3, 0, 1, 2]) }, 1)).to.deep.equal([1, 2])
    for (const hook of ['blocks.1.mlp.hook_post', 'blocks.2.attn.hook_z']) {
      const means = texts.map((text) => {
        using cache = model.runWithCache(text, { names: hook, logits: false })
        return tf.tidy(() => [...cache.get(hook).mean([0, 1]).flatten().dataSync()])
      })
      const wanted = means[0]!.map((_, i) => means.reduce((sum, mean) => sum + mean[i]!, 0) / texts.length)
      for (const paddingSide of ['left', 'right'] as const) {
        const mean = await meanActivation(model, texts, { hook, paddingSide })
        expectClose(mean.values, wanted, tolerances.noise, hook)
        const axes = hook.endsWith('hook_z') ? ['head', 'd_head'] : ['neuron']
        expect(mean.axes.map(({ name }) => name)).to.deep.equal(axes)
      }
    }
  })

  it('have top directions: those above their share, by the loss that ablating each adds', async () => {
    const acts = texts.map((text) => actsOf(text).at(-2)!)
    const maxima = acts[0]!.map((_, f) => Math.max(...acts.map((row) => row[f]!)) / (f % 2 === 0 ? 0.5 : 0.05))
    const found = await latentsByLoss(view, texts, { maxima, shareOfMax: 0.3, minShare: 0.3, limit: 6 })
    const over = acts[0]!.flatMap((_, latent) => {
      const own = acts.map((row) => row[latent]!).filter((value) => value > 0.3 * maxima[latent]!)
      const mean = own.reduce((sum, value) => sum + value, 0) / own.length
      return own.length >= 1 && mean > 0 ? [{ latent, mean, share: own.length / 3 }] : []
    })
    const wanted = over.sort((a, b) => b.mean - a.mean).slice(0, 6)
    expect(wanted).to.have.length(6)
    expect([...found.latents].sort((a, b) => a - b)).to.deep.equal(
      wanted.map(({ latent }) => latent).sort((a, b) => a - b),
    )
    const increases = [...found.select('quantity', 'loss increase').values]
    expect(increases).to.deep.equal([...increases].sort((a, b) => b - a))
    for (const [i, latent] of found.latents.entries()) {
      const [lossIncrease, lossIncreaseEncoded, mean, share] = found.select('latent', i).values
      const its = wanted.find((one) => one.latent === latent)!
      const firing = texts.filter((_, b) => acts[b]![latent]! > 0.1)
      const increase = async (encoded: boolean) => {
        const result = (await latentAblation(view, firing, { target: latentsOf(sae, latent), encoded })).mean('prompt')
        return result.at('ablated') - result.at('original')
      }
      expectClose(
        [lossIncrease!, lossIncreaseEncoded!],
        [await increase(false), await increase(true)],
        tolerances.noise,
      )
      expectClose([mean!, share!], [its.mean, its.share], tolerances.noise)
    }
    expect(found.axes[0]!.labels).to.deep.equal(found.latents.map((latent) => `latent ${latent}`))
    expect(found.toTable().columns.map(({ name }) => name)).to.deep.equal([
      'latent \\ quantity',
      'loss increase',
      'loss increase (encoded)',
      'mean activation',
      'share of prompts',
    ])
    expect(LatentsByLoss.fromJSON(JSON.parse(JSON.stringify(found)))).to.deep.equal(found)
    const none = await latentsByLoss(view, texts, { maxima: maxima.map(() => 1e6) })
    expect(none.shape).to.deep.equal([0, 4])
  })

  it('are refused where they are not there', async () => {
    expect(await refusalOf(() => latentsAt(view, texts, { latents: [1024] }))).to.include('latent 1024: the SAE')
    expect(await refusalOf(() => latentsAt(view, texts, { position: 7 }))).to.include(
      'latentsAt: there is no position 7',
    )
    const maxima = await latentMaxima(view, texts)
    const silent = maxima.select('prompt', 0).values.findIndex((_, f) => [0, 1, 2].every((b) => maxima.at(b, f) === 0))
    expect(silent).to.be.at.least(0)
    expect((await latentAblation(view, texts, { target: latentsOf(sae, silent) })).select('condition', 'ablated').values).to.deep.equal((await latentAblation(view, texts, { target: latentsOf(sae, silent) })).select('condition', 'original').values) // prettier-ignore
    expect([...(await latentMaxima(view, texts, { dropLast: 50 })).positions].every((p) => p === -1)).to.equal(true)
    expect(await refusalOf(() => latentMaxima(model, texts))).to.include('latentMaxima: no hook point is named')
    expect(await refusalOf(() => latentMaxima(view, texts, { dropLast: -1 }))).to.equal(
      'ArgumentError: latentMaxima: dropLast is -1. It must be a whole number from 0.',
    )
    expect((await latentsByLoss(view, texts, { maxima: new Float32Array(1024).fill(1e9) })).latents).to.deep.equal([])
    expect(await refusalOf(() => latentsByLoss(view, texts, { maxima: [1, 2] }))).to.equal(
      'ArgumentError: latentsByLoss: there are 2 maxima. Give one for each of the 1024 latents.',
    )
  })
})
