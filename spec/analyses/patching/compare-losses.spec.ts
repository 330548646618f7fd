/** Losses under conditions, of reconstructions, and without directions: each held to single prompts and explicit hooks. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { latentAblation, compareLosses, lossRecovered, reconstructionLoss } from '../../../analyses/index.js'
import { latents as latentsOf } from '../../../lib/core/sites.js'
import type { HookedModel } from '../../../lib/model.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose, maxDifference, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { expectTraceable } from '../../support/results.js'
import { embeddedSae } from '../../support/saes.js'

const texts = ['Carl and Eva went to the hill', 'Rose gave a hat to', 'Eva had a big red hat and a dog']

describe('losses under conditions', () => {
  let model: HookedModel
  let sae: Sae
  let view: HookedModel
  before(async () => {
    model = await pocket()
    sae = await embeddedSae('pocket-mlp/blocks.1.mlp.hook_post')
    view = model.withSaes(sae, { errorTerm: true })
  })
  after(() => void sae.dispose())

  /** Of one prompt: the loss at each position but the last. */
  const lossesOf = (of: HookedModel, text: string) => tf.tidy(() => [...of.lossPerToken(text).dataSync()])

  it('are those of single prompts, at any position and on average, padded on either side', async () => {
    const edited = model.withHooks({ 'blocks.0.hook_mlp_out': (x: tf.Tensor) => x.mul(0.5) })
    for (const paddingSide of ['left', 'right'] as const) {
      for (const position of [-2, 1, 'all', [0, -3, 4]] as const) {
        const result = await compareLosses({ original: model, edited }, texts, { position, paddingSide })
        texts.forEach((text, b) => {
          const at = typeof position === 'object' ? position[b]! : position
          const wanted = [model, edited].map((of) => {
            const each = lossesOf(of, text)
            if (at === 'all') return each.reduce((sum, loss) => sum + loss, 0) / each.length
            return each.at(at < 0 ? at + 1 : at)!
          })
          expectClose(result.select('prompt', b).values, wanted, tolerances.noise, `${paddingSide} ${String(at)} ${b}`)
        })
      }
    }
    const result = await compareLosses({ original: model, edited }, texts)
    expect(result.axes[1]).to.deep.equal({ name: 'condition', labels: ['original', 'edited'] })
    expect([result.unit, result.extra.position]).to.deep.equal(['nats', -2])
    await expectTraceable(result)
  })

  it('of a reconstruction change one position only, and recover a share', async () => {
    const result = await reconstructionLoss(view, texts)
    const explicit = (text: string, edit: (x: tf.Tensor) => tf.Tensor) => {
      const last = model.toTokens(text).positions - 2
      const hook = (x: tf.Tensor) =>
        tf.tidy(() =>
          tf.concat([x.slice([0, 0], [1, last]), edit(x.slice([0, last], [1, 1])), x.slice([0, last + 1])], 1),
        )
      return lossesOf(model.withHooks({ [sae.hookName]: hook }), text).at(-1)!
    }
    texts.forEach((text, b) => {
      const wanted = [
        lossesOf(model, text).at(-1)!,
        explicit(text, (x) => tf.zerosLike(x)),
        explicit(text, (x) => sae.decode(sae.encode(x))),
      ]
      expectClose(result.select('prompt', b).values, wanted, tolerances.noise, text)
    })
    const [original, ablated, encoded] = result.mean('prompt').values
    expectClose([result.extra['lossRecovered'] as number], [(ablated! - encoded!) / (ablated! - original!)], 1e-6)
    expect([lossRecovered(1, 3, 1.5), lossRecovered(1, 1, 2)]).to.deep.equal([0.75, NaN])
    await expectTraceable(result, { saes: ['pocket-mlp/blocks.1.mlp.hook_post'] })
  })

  it('without directions are those of taking act · W_dec off by hand', async () => {
    using cache = view.runWithCache(texts[0]!, { names: /acts_post$/, logits: false })
    const acts = cache.get<tf.Tensor3D>(`${sae.hookName}.hook_sae_acts_post`).arraySync()[0]!
    const latents = acts.at(-2)!.flatMap((act, latent) => (act > 0 ? [latent] : [])).slice(0, 4) // prettier-ignore
    expect(latents).to.have.length(4)
    const written = (x: tf.Tensor) => tf.matMul(tf.gather(sae.encode(x).reshape<tf.Tensor2D>([-1, sae.config.dSae]), latents, 1), tf.gather(sae.W_dec, latents)).reshape(x.shape) // prettier-ignore
    const hooks: Record<string, (x: tf.Tensor) => tf.Tensor> = {
      all: (x) => x.sub(written(x)),
      last: (x) => {
        const at = x.shape[1]! - 2
        const part = x.slice([0, at], [1, 1])
        return tf.concat([x.slice([0, 0], [1, at]), part.sub(written(part)), x.slice([0, at + 1])], 1)
      },
      encoded: (x) => {
        const at = x.shape[1]! - 2
        const part = x.slice([0, at], [1, 1])
        return tf.concat(
          [x.slice([0, 0], [1, at]), sae.decode(sae.encode(part)).sub(written(part)), x.slice([0, at + 1])],
          1,
        )
      },
    }
    const explicit = (name: string, text: string) =>
      lossesOf(model.withHooks({ [sae.hookName]: (x: tf.Tensor) => tf.tidy(() => hooks[name]!(x)) }), text)
    const mean = (list: number[]) => list.reduce((sum, value) => sum + value, 0) / list.length
    const everywhere = await latentAblation(view, texts, { target: latentsOf(sae, ...latents), position: 'all' })
    const once = await latentAblation(view, texts, { target: latentsOf(sae, ...latents) })
    const listed = await latentAblation(view, texts, { target: latentsOf(sae, ...latents), position: [-2, -2, -2] })
    expectClose(once.values, listed.values, tolerances.noise, 'as a sweep and by whole runs')
    const encoded = await latentAblation(view, texts, { target: latentsOf(sae, ...latents), encoded: true })
    texts.forEach((text, b) => {
      expectClose([everywhere.at(b, 'original'), everywhere.at(b, 'ablated')], [mean(lossesOf(model, text)), mean(explicit('all', text))], tolerances.noise) // prettier-ignore
      expectClose([once.at(b, 'ablated')], [explicit('last', text).at(-1)!], tolerances.noise)
      expectClose([encoded.at(b, 'ablated')], [explicit('encoded', text).at(-1)!], tolerances.noise)
    })
    expect(maxDifference(once.select('condition', 0).values, once.select('condition', 1).values)).to.be.above(0.01)
    expect(once.extra.latents).to.deep.equal(latents)
  })

  it('are refused where there is nothing to predict, to compare or to take away', async () => {
    expect(await refusalOf(() => compareLosses({}, texts))).to.equal(
      'ArgumentError: compareLosses: there is no view. Give one for each condition, by its name.',
    )
    expect(await refusalOf(() => compareLosses({ model }, texts, { position: -1 }))).to.equal(
      'ArgumentError: compareLosses: position 7 is the last of prompt 0, so that it predicts no token of it. Give an earlier one.',
    )
    const short = [[5], [6, 7, 8]]
    expect(await refusalOf(() => compareLosses({ model }, short, { position: 'all' }))).to.equal(
      'ArgumentError: compareLosses: prompt 0 is 1 token long, so that it has no loss. Give each at least 2 tokens.',
    )
    const acts = `${sae.hookName}.hook_sae_acts_post`
    const of = (unit: number[], over = view) =>
      refusalOf(() => latentAblation(over, texts, { target: { hook: acts, unit } }))
    expect(await of([])).to.include('latentAblation: latents is []')
    expect(await of([1024])).to.include('latent 1024: the SAE')
    expect(await of([3, 3])).to.include('latentAblation: latent 3 is listed twice.')
    expect(await of([1], model.withSaes(sae))).to.include(
      'latentAblation: the SAE at blocks.1.mlp.hook_post is attached without its error term',
    )
    expect(await refusalOf(() => reconstructionLoss(model, texts))).to.include(
      'reconstructionLoss: no hook point is named',
    )
  })
})
