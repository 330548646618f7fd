/** What components put into latents of an MLP: sums, inactive neurons, refusals. */
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { componentNeurons, directionDfa, latentDla } from '../../../analyses/index.js'
import type { HookedModel } from '../../../lib/model.js'
import { loadModel } from '../../../models/load-model.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { expectTraceable } from '../../support/results.js'
import { embeddedSae, randomSae } from '../../support/saes.js'

const texts = ['Carl and Eva went to the hill', 'Rose gave a hat to']
const labels = [
  ...[0, 1].flatMap((layer) => [0, 1, 2, 3, 4, 5, 6, 7].map((head) => `L${layer}H${head}`)),
  ...['0_mlp_out', 'embed', 'pos_embed', 'bias'],
]

describe('direction dfa', () => {
  let model: HookedModel
  let sae: Sae
  let view: HookedModel
  before(async () => {
    model = await pocket()
    sae = await embeddedSae('pocket-mlp/blocks.1.mlp.hook_post')
    view = model.withSaes(sae, { errorTerm: true })
  })
  after(() => void sae.dispose())

  /** Of one text by itself at a position from its end: pre-activations and activations of the neurons [M]. */
  function neurons(text: string, position: number): { pre: number[]; post: number[] } {
    using cache = model.runWithCache(text, { names: /^blocks\.1\.mlp\.hook_(pre|post)$/, logits: false })
    const row = (name: string) => cache.get<tf.Tensor3D>(name).arraySync()[0]!.at(position)!
    return { pre: row('blocks.1.mlp.hook_pre'), post: row('blocks.1.mlp.hook_post') }
  }

  it('over components sums to what the firing neurons read, less their biases', async () => {
    const latents = [4, 700]
    const [W_enc, b_in] = [sae.W_enc.arraySync(), model.copyWeight<tf.Tensor1D>('blocks.1.mlp.b_in')]
    const bias = b_in.arraySync()
    b_in.dispose()
    for (const [position, paddingSide] of [
      [-1, 'right'],
      [-2, 'left'],
      [2, 'right'],
    ] as const) {
      const result = await directionDfa(view, texts, { latents, position, paddingSide })
      expect(result.axes[0]!.labels).to.deep.equal(labels)
      texts.forEach((text, b) => {
        const { pre, post } = neurons(text, position < 0 ? position : 2)
        const wanted = latents.map((latent) =>
          pre.reduce((sum, value, i) => sum + (post[i]! > 0 ? (value - bias[i]!) * W_enc[i]![latent]! : 0), 0),
        )
        expectClose(result.sum('component').select('prompt', b).values, wanted, tolerances.noise, text)
      })
    }
    await expectTraceable(await directionDfa(view, texts, { latents }), { saes: ['pocket-mlp/blocks.1.mlp.hook_post'] })
  })

  it('with means puts what components do on average into the neurons that do not fire', async () => {
    const source = ['Eva had a big red hat and a dog', 'Carl went']
    const means = await componentNeurons(view, 1, source)
    const width = model.config.dMlp
    const [zero, mean] = [
      await directionDfa(view, texts, { latents: [4] }),
      await directionDfa(view, texts, { latents: [4], inactive: 'mean', source }),
    ]
    const W_enc = sae.W_enc.arraySync()
    texts.forEach((text, b) => {
      const { post } = neurons(text, -1)
      labels.forEach((label, c) => {
        const added = post.reduce((sum, value, i) => sum + (value > 0 ? 0 : means[c * width + i]! * W_enc[i]![4]!), 0)
        expectClose([mean.at(label, 0, b) - zero.at(label, 0, b)], [added], tolerances.noise, `${label} ${text}`)
      })
    })
    // the parts of every position sum to what the neurons read there, and so do their means
    const b_in = model.copyWeight<tf.Tensor1D>('blocks.1.mlp.b_in')
    const read = source.map((text) => {
      using cache = model.runWithCache(text, { names: 'blocks.1.mlp.hook_pre', logits: false })
      return tf.tidy(() => [...cache.get('blocks.1.mlp.hook_pre').sub(b_in).mean([0, 1]).dataSync()])
    })
    b_in.dispose()
    const sums = read[0]!.map((_, i) => labels.reduce((sum, _label, c) => sum + means[c * width + i]!, 0))
    expectClose(sums, read[0]!.map((value, i) => (value + read[1]![i]!) / 2), tolerances.noise) // prettier-ignore
  })

  it('refuses other points, gated MLPs and other modes', async () => {
    using resid = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
    expect(await refusalOf(() => directionDfa(model.withSaes(resid), texts, { latents: [1] }))).to.equal(
      "MismatchError: directionDfa: the SAE 'pocket-res/blocks.2.hook_resid_pre' reads blocks.2.hook_resid_pre. It takes an SAE of mlp.hook_post.",
    )
    expect(await refusalOf(() => directionDfa(view, texts, { latents: [1], inactive: 'none' as never }))).to.equal(
      "ArgumentError: directionDfa: inactive is 'none'. It must be 'zero' or 'mean'.",
    )
    const llama = await loadModel(fileURLToPath(new URL('../../reference/models/llama', import.meta.url)))
    try {
      using gated = randomSae({ hookName: 'blocks.1.mlp.hook_post', dIn: llama.config.dMlp })
      const of = llama.withSaes(gated, { force: true })
      expect(await refusalOf(() => directionDfa(of, [[1, 2, 3]], { latents: [1] }))).to.match(
        /^MismatchError: directionDfa: the MLP of .* is gated, .* Use a model without gates\.$/,
      )
    } finally {
      llama.dispose()
    }
  })
})

describe('latent dla', () => {
  it('is W_dec through W_out and W_U, weighted where asked', async () => {
    const model = await pocket()
    using sae = await embeddedSae('pocket-mlp/blocks.1.mlp.hook_post')
    const view = model.withSaes(sae)
    const id = model.toSingleToken(' Carl')
    const wanted = tf.tidy(() => {
      const written = tf.matMul(sae.W_dec, model.copyWeight<tf.Tensor2D>('blocks.1.mlp.W_out'))
      return [...tf.matMul(written, model.copyWeight<tf.Tensor2D>('unembed.W_U').slice([0, id], [-1, 1])).dataSync()]
    })
    const result = await latentDla(view, { answer: ' Carl' })
    expectClose(result.values, wanted, tolerances.noise)
    expect(result.axes[0]!.labels).to.have.length(1024)
    const weights = wanted.map((_, f) => f / 500)
    expectClose((await latentDla(view, { answer: id, weights })).values, wanted.map((value, f) => value * weights[f]!), tolerances.noise) // prettier-ignore
    expect(await refusalOf(() => latentDla(view, { answer: id, weights: [1] }))).to.equal(
      'ArgumentError: latentDla: there are 1 weights. Give one for each of the 1024 latents.',
    )
    expect(await refusalOf(() => latentDla(view, { answer: 9999 }))).to.include(
      'residualDirections: the token id is 9999.',
    )
  })
})
