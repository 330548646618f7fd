/** Moments by pieces of the vocabulary, against all of it in float64. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { saeAt } from '../../../analyses/attached-saes.js'
import { eachMoments } from '../../../analyses/latent-statistics/moments.js'
import type { HookedModel } from '../../../lib/model.js'
import { kurtosis, mean, skewness, standardDeviation } from '../../../lib/stats/moments.js'
import { random } from '../../../lib/stats/random.js'
import type { Moments } from '../../../lib/stats/row-moments.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose } from '../../support/close.js'
import { randomSae, rowsOf, times } from '../../support/saes.js'
import { tinyModel } from '../../support/tiny-gpt2.js'

/** float32 sums of 1280 numbers and their powers, some 1e-6 of what is summed, against float64. */
const tolerance = { atol: 1e-5, rtol: 1e-5 }

/** A tiny model of 3000 tokens, all of which have 30 in each number of their embedding, and so in W_U. */
function modelFarFrom0(process: boolean): Promise<HookedModel> {
  const { normal } = random(7)
  const values = Float32Array.from({ length: 3000 * 12 }, () => 30 + normal())
  const edit = (tensors: Record<string, unknown>) => {
    tensors['transformer.wte.weight'] = { shape: [3000, 12], values }
  }
  return tinyModel({ process, config: { vocab_size: 3000 }, edit })
}

/** What each latent adds to every logit, in float64. */
function projections(model: HookedModel, sae: Sae, cosine: boolean): number[][] {
  const W_U = model.copyWeight('unembed.W_U')
  const columns = rowsOf(W_U)
  W_U.dispose()
  const norms = columns[0]!.map((_, v) => (cosine ? Math.hypot(...columns.map((row) => row[v]!)) : 1))
  return rowsOf(sae.W_dec).map((row) => times(row, columns).map((x, v) => x / norms[v]!))
}

async function momentsOf(model: HookedModel, sae: Sae, cosine = false): Promise<Moments[]> {
  const view = model.withSaes(sae, { force: true })
  const found: Moments[] = []
  const latents = Array.from({ length: sae.config.dSae }, (_, latent) => latent)
  for await (const part of eachMoments(view, saeAt('spec', view), { latents, cosine })) found.push(...part)
  return found
}

describe('moments of latents by pieces', () => {
  for (const process of [true, false]) {
    it(`are those of the whole vocabulary, of an unembedding that ${process ? 'is' : 'is not'} centred`, async () => {
      using model = await modelFarFrom0(process)
      using sae = randomSae({ hookName: 'blocks.1.hook_resid_pre', dIn: 12 })
      tf.tidy(() => {
        // of a processed model W_U adds up to 0 along these
        const first = process ? sae.W_dec.slice([0, 0], [1, -1]) : tf.ones([1, 12])
        const W_dec = tf.concat([first, sae.W_dec.slice([1, 0], [-1, -1])])
        sae.load({ W_enc: sae.W_enc, W_dec, b_enc: sae.weight('b_enc'), b_dec: sae.b_dec })
      })
      for (const cosine of [false, true]) {
        const rows = projections(model, sae, cosine)
        if (!process) expect(mean(rows[0]!) / standardDeviation(rows[0]!)).to.be.greaterThan(100)
        const found = await momentsOf(model, sae, cosine)
        for (const [name, of] of Object.entries({ mean, std: standardDeviation, skewness, kurtosis })) {
          expectClose(found.map((one) => one[name as keyof Moments]), rows.map(of), tolerance, `${name}, cosine ${cosine}`) // prettier-ignore
        }
      }
    })
  }

  it('come some latents at a time', async () => {
    using model = await tinyModel()
    using sae = randomSae({ dIn: 12, dSae: 2050 })
    const view = model.withSaes(sae, { force: true })
    const latents = Array.from({ length: 2050 }, (_, latent) => latent)
    const sizes: number[] = []
    for await (const part of eachMoments(view, saeAt('spec', view), { latents })) sizes.push(part.length)
    expect(sizes).to.deep.equal([2048, 2])
  })
})
