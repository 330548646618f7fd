/** Enrichment: recorded scores, the running sum itself, planted sets, p-values, drawing. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { enrichment, type Enrichment, latentStatistics, manhattan, topEnriched } from '../../../analyses/index.js'
import { enrichmentHeights } from '../../../analyses/enrichment/figures.js'
import type { HookedModel } from '../../../lib/model.js'
import type { Result } from '../../../lib/report/result/result.js'
import { drawFigure } from '../../../lib/report/terminal/terminal.js'
import { random } from '../../../lib/stats/random.js'
import { loadModel } from '../../../models/load-model.js'
import { loadSae } from '../../../saes/load-sae.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { reference } from '../../support/reference.js'
import { refusalOf } from '../../support/refusal.js'
import { expectTraceable } from '../../support/results.js'
import { embeddedSae, randomSae } from '../../support/saes.js'

const onProgress = () => undefined

describe('enrichment', () => {
  let model: HookedModel
  let sae: Sae
  let view: HookedModel
  before(async () => {
    model = await pocket()
    sae = await embeddedSae('pocket-z/blocks.1.hook_z')
    view = model.withSaes(sae)
  })
  after(() => sae.dispose())

  it('has the recorded scores', async () => {
    const record = await reference('saes')
    const { token_sets: sets, ...groups } = record.json['tsea'] as { token_sets: Record<string, number[]> } & Record<string, { sets: string[] }> // prettier-ignore
    const { features_by_skewness: latents } = record.json['logit_lens'] as { features_by_skewness: number[] }
    const tiny = await loadModel(`${record.folder}/model`)
    using tinySae = await loadSae(`${record.folder}/sae_lens_3/v3_standard`)
    try {
      for (const group of ['regexes', 'letters', 'words']) {
        const chosen = Object.fromEntries(groups[group]!.sets.map((name) => [name, sets[name]!]))
        const found = await enrichment(tiny.withSaes(tinySae), chosen, { latents, onProgress })
        // what the record asks for under `tsea/`
        expectClose(found.select('measure', 'score').values, record.values(`tsea/${group}`), { atol: 1e-5, rtol: 1e-5 })
        const sign = (set: number, latent: number) => Math.sign(found.at(set, latent, 'signed'))
        if (group !== 'regexes') continue
        const sums = record.values('tsea/running_sums')
        for (let latent = 0; latent < 3; latent++) {
          const row = [...sums.subarray(400 * latent, 400 * (latent + 1))]
          expect(sign(0, latent)).to.equal(Math.max(...row) >= -Math.min(...row) ? 1 : -1)
        }
      }
    } finally {
      tiny.dispose()
    }
  })

  it('is the farthest value of the sum taken step by step', async () => {
    const { dVocab } = model.config
    const ids = [...Array(dVocab).keys()]
    const { sample } = random(2)
    const sets = Object.fromEntries([1, 5, 60, dVocab - 3].map((size) => [`${size} tokens`, sample(ids, size)]))
    const latents = [3, 200, 11]
    const found = await enrichment(view, sets, { latents, onProgress })
    for (const latent of latents) {
      const row = tf.tidy(() => {
        const written = tf.matMul<tf.Tensor2D>(sae.W_dec.slice([latent, 0], [1, -1]), model.copyWeight('blocks.1.attn.W_O').reshape([-1, 128])) // prettier-ignore
        return tf.matMul(written, model.copyWeight<tf.Tensor2D>('unembed.W_U')).dataSync()
      })
      const order = [...ids].sort((a, b) => row[b]! - row[a]! || a - b)
      for (const [name, set] of Object.entries(sets)) {
        let [sum, farthest] = [0, 0]
        for (const id of order) {
          sum += set.includes(id) ? 1 / set.length : -1 / (dVocab - set.length)
          if (Math.abs(sum) > Math.abs(farthest) + 1e-9) farthest = sum
        }
        expect(found.at(name, String(latent), 'signed'), name).to.be.closeTo(farthest, 1e-6)
        expect(found.at(name, String(latent), 'score')).to.equal(Math.abs(found.at(name, String(latent), 'signed')))
      }
    }
    await expectTraceable(found, { saes: [sae.label], prependBos: undefined })
  })

  it('finds planted sets, tells raised from lowered, and counts p-values that a seed repeats', async () => {
    const logits = tf.tidy(() => tf.matMul(sae.W_dec.slice<tf.Tensor2D>([9, 0], [1, -1]), model.copyWeight('blocks.1.attn.W_O').reshape<tf.Tensor2D>([-1, 128])).matMul(model.copyWeight('unembed.W_U')).dataSync()) // prettier-ignore
    const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!)
    const sets = { top: order.slice(0, 8), bottom: order.slice(-8), spread: order.filter((_, i) => i % 40 === 20), all: order } // prettier-ignore
    const options = { latents: [9, 10], permutations: 199, seed: 4, onProgress }
    const found = await enrichment(view, sets, options)
    expect(['top', 'bottom', 'all'].map((set) => found.at(set, '9', 'signed'))).to.deep.equal([1, -1, 1])
    expect(found.at('top', '9', 'p')).to.be.closeTo(1 / 200, 1e-7)
    expect(found.at('spread', '9', 'p')).to.be.greaterThan(0.5)
    expect(found.at('all', '9', 'p')).to.equal(1)
    expect(found.provenance.seed).to.equal(4)
    expect((await enrichment(view, sets, options)).values).to.deep.equal(found.values)
    const table = topEnriched(found, { k: 1, sets: ['bottom', 'top'] })
    expect(table.rows.map((row) => row.slice(0, 5))).to.deep.equal([['bottom', 8, '9', 1, -1], ['top', 8, '9', 1, 1]]) // prettier-ignore
  })

  it('is drawn as a Manhattan plot, called by name above a height', async () => {
    const found = await enrichment(
      view,
      { one: [5], some: [1, 2, 3, 4] },
      { latents: [...Array(40).keys()], onProgress },
    )
    const figure = manhattan(found, { sets: ['one'], called: 2 })
    const y = enrichmentHeights(found.select('set', 'one').select('measure', 'score').values, 1, model.config.dVocab)
    expectClose(figure.data[0]!['y'] as number[], y, 1e-5)
    const highest = [...y.keys()].filter((i) => y[i]! > 1).sort((a, b) => y[b]! - y[a]!).slice(0, 2) // prettier-ignore
    expect((figure.layout['annotations'] as { text: string }[]).map(({ text }) => text)).to.deep.equal(highest.map((i) => `one ${i}`)) // prettier-ignore
    expect(manhattan(found).data).to.have.length(2)
    expect(enrichmentHeights([0, 0.5, 1], 4, 10)).to.deep.equal([-0, Math.log(2), Math.log(12)])
    expect(drawFigure(figure, { colour: false, width: 60 })).to.include('enrichment of token sets')
  })

  it('refuses what it cannot do', async () => {
    expect(await refusalOf(() => enrichment(view, { none: [] }))).to.include(
      "enrichment: the token set 'none' is empty.",
    )
    expect(await refusalOf(() => enrichment(view, { a: [1] }, { permutations: 1.5 }))).to.include('enrichment: permutations is 1.5. It must be a whole number from 0.') // prettier-ignore
    expect(await refusalOf(() => enrichment(view, { a: [1] }, { seed: -1 }))).to.include('enrichment: seed is -1.')
    const signal = AbortSignal.abort(new Error('enough'))
    const stopped = enrichment(view, { a: [1] }, { signal, onProgress: false })
    expect(await stopped.catch((error: Error) => error.message)).to.equal('enough')
    expect(await refusalOf(() => enrichment(view, { a: [1] }, { seeds: 1 } as object))).to.include(
      "Did you mean 'seed'?",
    )
    const found = await enrichment(view, { letters: [1] }, { latents: [0], onProgress })
    expect([found.sizes, found.vocabulary, found.permutations, found.latents]).to.deep.equal([[1], 1293, 0, [0]])
    expect(await refusalOf(() => manhattan(found, { sets: ['leters'] }))).to.include("manhattan: there is no token set 'leters'. Did you mean 'letters'?") // prettier-ignore
    const other = await latentStatistics(view, { latents: [0], onProgress })
    expect(await refusalOf(() => topEnriched(other as Result as Enrichment))).to.include("topEnriched: the result is of kind 'latent statistics' with 2 axes.") // prettier-ignore
    using broken = randomSae({ hookName: 'blocks.2.hook_resid_pre', dIn: 128 })
    tf.tidy(() => void broken.load({ ...weightsOf(broken), W_dec: broken.W_dec.mul(NaN) }))
    const odd = model.withSaes(broken, { force: true })
    expect(await refusalOf(() => enrichment(odd, { a: [1] }, { onProgress }))).to.include('what latent 0 does to the logits holds NaN') // prettier-ignore
    expect((await latentStatistics(odd, { onProgress })).notes[0]).to.include('12 latents add NaN or infinity')
  })
})

function weightsOf(sae: Sae): Record<string, tf.Tensor> {
  return Object.fromEntries(Object.keys(sae.weightShapes()).map((name) => [name, sae.weight(name)]))
}
