/** Statistics of latents through the logit lens: recorded numbers, ways through the model, queries, constant rows. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import {
  latentProperties,
  latentsBy,
  latentStatistics,
  type LatentStatistics,
  statisticByLayer,
  statisticHistogram,
  statisticScatter,
  summarizeStatistic,
} from '../../../analyses/index.js'
import type { HookedModel } from '../../../lib/model.js'
import { drawFigure } from '../../../lib/report/terminal/terminal.js'
import { kurtosis, mean, skewness, standardDeviation } from '../../../lib/stats/moments.js'
import { loadModel } from '../../../models/load-model.js'
import { loadSae } from '../../../saes/load-sae.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { reference, type Reference } from '../../support/reference.js'
import { refusalOf } from '../../support/refusal.js'
import { expectTraceable } from '../../support/results.js'
import { embeddedSae, randomSae } from '../../support/saes.js'

/** What spec/reference/saes/expected.json asks for under `logit_lens/`. */
const recorded = { atol: 1e-5, rtol: 2e-4 }
const onProgress = () => undefined

describe('latent statistics', () => {
  describe('of the record', () => {
    let record: Reference
    let model: HookedModel
    const saes: Sae[] = []
    before(async () => {
      record = await reference('saes')
      model = await loadModel(`${record.folder}/model`)
      for (const id of ['v3_standard', 'v3_standard_next'])
        saes.push(await loadSae(`${record.folder}/sae_lens_3/${id}`))
    })
    after(() => [model, ...saes].forEach((one) => one.dispose()))

    it('are the recorded ones, plain and by cosine, of one SAE and of two', async () => {
      const cases = [
        ['cosine_False', saes.slice(0, 1), false],
        ['cosine_True', saes.slice(0, 1), true],
        ['all_layers', saes, true],
      ] as const
      for (const [name, attached, cosine] of cases) {
        const found = await latentStatistics(model.withSaes(attached), { cosine, onProgress })
        for (const statistic of ['mean', 'std', 'skewness', 'kurtosis']) {
          expectClose(found.select('statistic', statistic).values, record.values(`logit_lens/${name}/${statistic}`), recorded, `${name} ${statistic}`) // prettier-ignore
        }
        if (name !== 'all_layers') continue
        expectClose(found.select('statistic', 'log sparsity').values, record.values('logit_lens/all_layers/log_feature_sparsity'), 0) // prettier-ignore
        expect(found.at('blocks.2.hook_resid_pre/7', 'mean')).to.equal(found.at(96 + 7, 'mean'))
      }
    })

    it('of the weights alone too', async () => {
      const found = await latentProperties(model.withSaes(saes[0]!))
      const names = { d_e_projection: 'decoder on encoder', b_dec_projection: 'b_dec on decoder', b_enc: 'b_enc', dead_neuron: 'dead' } // prettier-ignore
      for (const [name, property] of Object.entries(names)) {
        expectClose(found.select('property', property).values, record.values(`logit_lens/feature_property/${name}`), recorded, name) // prettier-ignore
      }
      expect([...latentsBy(found, 'dead', { k: 2 })].map(({ latent, value }) => [latent, value])).to.deep.equal([[3, 1], [0, 0]]) // prettier-ignore
      const cosine = tf.tidy(() => {
        const [enc, dec] = [saes[0]!.W_enc.transpose(), saes[0]!.W_dec]
        return enc
          .mul(dec)
          .sum(1)
          .div(enc.norm('euclidean', 1).mul(dec.norm('euclidean', 1)))
          .dataSync()
      })
      expectClose(found.select('property', 'cosine of decoder and encoder').values, cosine, 1e-5)
    })

    it('are queried by top, bottom and percentiles, and summed up by SAE', async () => {
      const found = await latentStatistics(model.withSaes(saes), { cosine: true, onProgress })
      const values = [...record.values('logit_lens/all_layers/skewness')]
      const sorted = [...values].sort((a, b) => a - b)
      const top = latentsBy(found, 'skewness', { k: 3 })
      expectClose(top.values, sorted.slice(-3).reverse(), recorded) // prettier-ignore
      expect(top.places.map(({ layer, latent }) => [layer, latent])).to.deep.equal(
        sorted.slice(-3).reverse().map((value) => [1 + Math.floor(values.indexOf(value) / 96), values.indexOf(value) % 96]), // prettier-ignore
      )
      const bottom = latentsBy(found, 'skewness', { k: 3, by: 'smallest', hook: 'blocks.2.hook_resid_pre' })
      expectClose(bottom.values, values.slice(96).sort((a, b) => a - b).slice(0, 3), recorded) // prettier-ignore
      const middle = latentsBy(found, 'skewness', { percentiles: [45, 55], by: 'smallest' })
      expectClose(middle.values, sorted.slice(86, 106), recorded) // prettier-ignore
      const { percentiles } = (record.json['logit_lens'] as { all_layers: { percentiles: Record<string, Record<string, Record<string, number>>> } }).all_layers // prettier-ignore
      const summary = summarizeStatistic(found, 'kurtosis')
      for (const [quantity, value] of Object.entries(percentiles['kurtosis']!['2']!)) {
        expectClose([summary.at('blocks.2.hook_resid_pre', quantity)], [value], recorded, quantity)
      }
    })

    it('are drawn', async () => {
      const found = await latentStatistics(model.withSaes(saes), { onProgress })
      const bars = statisticHistogram(found, 'skewness', { bins: 7 }).data[0]!
      expect((bars['y'] as number[]).reduce((a, b) => a + b)).to.equal(192)
      const points = statisticScatter(found, {
        x: 'skewness',
        y: 'kurtosis',
        log: 'xy',
        hook: 'blocks.1.hook_resid_pre',
      })
      expect(points.data[0]!['x']).to.have.length([...found.select('statistic', 'skewness').values.subarray(0, 96)].filter((x) => x > 0).length) // prettier-ignore
      expect([points.layout['xaxis'], points.layout['yaxis']].map((axis) => (axis as { type: string }).type)).to.deep.equal(['log', 'log']) // prettier-ignore
      const layers = statisticByLayer(found, 'kurtosis', ['50%', '99%'])
      expect(layers.data.map(({ name }) => name)).to.deep.equal(['99%', '50%'])
      for (const figure of [points, layers]) expect(drawFigure(figure, { colour: false, width: 60 })).to.include('kurtosis') // prettier-ignore
    })
  })

  describe('of the pocket model', () => {
    let model: HookedModel
    const saes: Sae[] = []
    before(async () => {
      model = await pocket()
      for (const label of ['pocket-res/blocks.2.hook_resid_pre', 'pocket-z/blocks.1.hook_z', 'pocket-mlp/blocks.3.mlp.hook_post']) saes.push(await embeddedSae(label)) // prettier-ignore
    })
    after(() => saes.forEach((sae) => sae.dispose()))

    it('go through W_O and W_out, and can be traced', async () => {
      const ways = [undefined, 'blocks.1.attn.W_O', 'blocks.3.mlp.W_out']
      for (const [i, sae] of saes.entries()) {
        const found = await latentStatistics(model.withSaes(sae), { latents: [40, 7], onProgress })
        for (const latent of [40, 7]) {
          const row = tf.tidy(() => {
            const written = sae.W_dec.slice<tf.Tensor2D>([latent, 0], [1, -1])
            const out = ways[i]
              ? tf.matMul<tf.Tensor2D>(written, model.copyWeight(ways[i]).reshape([-1, 128]))
              : written
            return tf.matMul(out, model.copyWeight<tf.Tensor2D>('unembed.W_U')).dataSync<'float32'>()
          })
          const expected = [mean(row), standardDeviation(row), skewness(row), kurtosis(row)]
          expectClose(['mean', 'std', 'skewness', 'kurtosis'].map((name) => found.at(String(latent), name)), expected, recorded) // prettier-ignore
        }
        await expectTraceable(found, { saes: [sae.label], prependBos: undefined })
      }
    })

    it('of a latent that writes nothing are 0, with a note, and no answer to a query', async () => {
      using sae = randomSae({ hookName: 'blocks.2.hook_resid_pre', dIn: 128 })
      tf.tidy(() => {
        const keep = tf.tensor1d(Float32Array.from({ length: 12 }, (_, s) => Number(s !== 5)))
        sae.load({ ...weightsOf(sae), W_dec: sae.W_dec.mul(keep.expandDims(1)) })
      })
      const found = await latentStatistics(model.withSaes(sae, { force: true }), { onProgress })
      expect([...found.select('latent', '5').values]).to.deep.equal([0, 0, 0, 0, NaN])
      expect(found.notes).to.deep.equal(['1 latent adds the same to every logit: std, skewness and kurtosis are given as 0.']) // prettier-ignore
      expect(latentsBy(found, 'kurtosis').latents).to.have.length(11).and.not.include(5)
      expect(latentsBy(found, 'std', { by: 'smallest', k: 1 }).latents).to.deep.equal([5])
      expect(latentsBy(found, 'log sparsity').latents).to.deep.equal([])
    })

    it('refuse what they cannot do', async () => {
      const view = model.withSaes(saes[0]!)
      const found = await latentStatistics(view, { latents: [1, 2], onProgress })
      const misspelt = { latent: [1] } as { latents?: number[] }
      expect(await refusalOf(() => latentStatistics(view, misspelt))).to.include("latentStatistics: there is no option 'latent'. Did you mean 'latents'?") // prettier-ignore
      const signal = AbortSignal.abort(new Error('enough'))
      const stopped = latentStatistics(view, { latents: [1], signal, onProgress })
      expect(await stopped.catch((error: Error) => error.message)).to.equal('enough')
      expect(await refusalOf(() => latentStatistics(model))).to.include('latentStatistics: no hook point is named. The view has no SAE') // prettier-ignore
      expect(await refusalOf(() => latentStatistics(view, { latents: [768] }))).to.include('latent 768: the SAE')
      expect(await refusalOf(() => latentsBy(found, 'kurtosos'))).to.include("latentsBy: there is no statistic 'kurtosos'. Did you mean 'kurtosis'?") // prettier-ignore
      expect(await refusalOf(() => latentsBy(found, 'std', { percentiles: [60, 40] }))).to.include('latentsBy: percentiles is [60, 40]. Give two numbers from 0 to 100') // prettier-ignore
      expect(await refusalOf(() => latentsBy(found, 'std', { hook: 'blocks.1' }))).to.include("latentsBy: there is no SAE at 'blocks.1'.") // prettier-ignore
      expect(await refusalOf(() => latentsBy(found.mean('latent') as LatentStatistics, 'std'))).to.include("latentsBy: the result is of kind 'latent statistics'. Give one of") // prettier-ignore
      expect(await refusalOf(() => statisticByLayer(found, 'std'))).to.include('statisticByLayer: the result has one SAE, at blocks.2.hook_resid_pre.') // prettier-ignore
    })
  })
})

function weightsOf(sae: Sae): Record<string, tf.Tensor> {
  return Object.fromEntries(Object.keys(sae.weightShapes()).map((name) => [name, sae.weight(name)]))
}
