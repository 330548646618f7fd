/** The largest activation of each latent in each prompt of a data set, held to those of all prompts at once. */
import { expect } from 'chai'
import { latentMaxima, latentPeaks, maxActivating, peakExamples } from '../../../analyses/index.js'
import { compare } from '../../../lib/report/result/compare.js'
import { loadData } from '../../../lib/data/load-data.js'
import type { TokenData } from '../../../lib/data/token-data.js'
import type { HookedModel } from '../../../lib/model.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { embeddedSae } from '../../support/saes.js'

const texts = [
  'Carl and Eva went to the hill',
  'Rose gave a hat to',
  'Eva had a big red hat and a dog, and Carl had a cat',
  'Once upon a time there was a boy named Leo.',
  'Q: What is 3 plus 4? A: 7',
]

describe('the largest activations of prompts', () => {
  let view: HookedModel
  let sae: Sae
  let data: TokenData
  before(async () => {
    sae = await embeddedSae('pocket-mlp/blocks.1.mlp.hook_post')
    view = (await pocket()).withSaes(sae)
    data = await loadData(view, texts, { layout: 'documents', positions: 24, rows: 2 })
  })
  after(() => void sae.dispose())

  it('are those of all prompts at once, the k best kept with their tokens', async () => {
    const seen: number[] = []
    const found = await latentPeaks(view, data, { k: 2, dropLast: 1, onBatch: (maxima, first) => void seen.push(first, maxima.shape[0]!) }) // prettier-ignore
    const maxima = await latentMaxima(view, texts, { dropLast: 1 })
    const { positions } = maxima
    expect(seen).to.deep.equal([0, 2, 2, 2, 4, 1])
    expect(found.prompts).to.equal(5)
    for (let f = 0; f < 1024; f += 31) {
      const own = texts.map((_, b) => ({ prompt: b, activation: maxima.at(b, f), position: positions[b * 1024 + f]! }))
      const firing = own.filter(({ activation }) => activation > 0).sort((a, b) => b.activation - a.activation)
      expect(found.firing[f]).to.equal(firing.length)
      expectClose([found.max[f]!], [firing[0]?.activation ?? 0], tolerances.noise)
      const wanted = firing.slice(0, 2).map(({ prompt, position }) => [prompt, position])
      expect(found.peaks[f]!.map(({ prompt, position }) => [prompt, position])).to.deep.equal(wanted)
      for (const { prompt, ids } of found.peaks[f]!) expect(ids).to.deep.equal(view.toTokens(texts[prompt]!).rows[0])
    }
    const some = await latentPeaks(view, data, { latents: [62, 31], k: 2, dropLast: 1 })
    expectClose(some.max, [found.max[62]!, found.max[31]!], tolerances.noise)
    expect((await latentPeaks(view, data, { latents: [31], limit: 2, onProgress: () => undefined })).prompts).to.equal(
      2,
    )
  })

  it('have a table of the largest, a row for each kept prompt, and the maxima as a result that compares', async () => {
    const all = await latentPeaks(view, data, { k: 1 })
    const latents = [...all.latents.keys()].sort((a, b) => all.max[b]! - all.max[a]!).slice(0, 3)
    const found = await latentPeaks(view, data, { latents: [...latents].reverse(), k: 2 })
    const order = [...found.max.keys()].sort((a, b) => found.max[b]! - found.max[a]!)
    const [largest, first] = [order[0]!, found.peaks[order[0]!]![0]!]
    expect(found.toTable({ limit: 1 }).rows).to.deep.equal([
      [found.latents[largest], found.max[largest], found.firing[largest], `${first.prompt}:${first.position}`],
    ])
    const { columns, length } = found.toRows()
    expect(length).to.equal(found.peaks.flat().length)
    expect(columns.map(({ name }) => name)).to.deep.equal(['latent', 'place', 'prompt', 'position', 'activation'])
    const other = await latentPeaks(view, data, { latents: found.latents, k: 2, dropLast: 1 })
    const { difference } = compare(found, other)
    expect(difference.axes[0]!.labels).to.deep.equal(found.latents.map((latent) => `latent ${latent}`))
    expect(order).to.deep.equal([2, 1, 0])
    expect(found.provenance.saes).to.have.length(1)
  })

  it('have the text around them that a search over all data finds', async () => {
    const found = await latentPeaks(view, data, { k: 3 })
    const latents = [...found.max.keys()].sort((a, b) => found.max[b]! - found.max[a]!).slice(0, 4) // prettier-ignore
    const near = await peakExamples(view, found, { latents, k: 2, buffer: 1 })
    const all = await maxActivating(view, data, { latents, k: 2, buffer: 1 })
    latents.forEach((latent) => {
      const [own, wanted] = [near, all].map((result) => result.of(latent))
      expectClose(own!.map(({ activation }) => activation), wanted!.map(({ activation }) => activation), tolerances.noise) // prettier-ignore
      const place = ({ row, position, tokens }: (typeof wanted & object)[number]) => [row, position, tokens.join('')]
      expect(own!.map(place)).to.deep.equal(wanted!.map(place))
    })
  })

  it('are refused where there is nothing to search or to show', async () => {
    expect(await refusalOf(() => latentPeaks(view, data, { k: 0 }))).to.include('latentPeaks: k is 0.')
    expect(await refusalOf(() => latentPeaks(view, data, { latents: [] }))).to.include('latentPeaks: latents is [].')
    const found = await latentPeaks(view, data, { k: 1 })
    const silent = found.max.indexOf(0)
    expect(silent).to.be.at.least(0)
    expect(found.peaks[silent]).to.deep.equal([])
    expect(await refusalOf(() => peakExamples(view, found, { latents: [silent] }))).to.equal(
      `ArgumentError: peakExamples: latents ${silent} fire in none of the 5 prompts. Give latents that fire.`,
    )
    const one = { ...found, latents: [3], peaks: [[]] }
    expect(await refusalOf(() => peakExamples(view, one, { latents: [4] }))).to.equal(
      'ArgumentError: peakExamples: latent 4 was not searched. Search it with latentPeaks.',
    )
  })
})
