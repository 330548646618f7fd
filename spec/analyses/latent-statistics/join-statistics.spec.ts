/** Statistics of SAEs taken one at a time are those of all at once. */
import { expect } from 'chai'
import {
  joinStatistics,
  latentProperties,
  latentsBy,
  latentStatistics,
  LatentStatistics,
  statisticAnimation,
  statisticAreas,
  statisticBoxes,
  statisticHistogram,
  statisticScatter,
} from '../../../analyses/index.js'
import type { HookedModel } from '../../../lib/model.js'
import { quantile } from '../../../lib/stats/quantile.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { embeddedSae, randomSae } from '../../support/saes.js'

const onProgress = () => undefined

describe('joined statistics', () => {
  let model: HookedModel
  const saes: Sae[] = []
  let parts: LatentStatistics[]
  let joined: LatentStatistics
  before(async () => {
    model = await pocket()
    for (const layer of [0, 3]) saes.push(await embeddedSae(`pocket-res/blocks.${layer}.hook_resid_pre`))
    parts = [await latentStatistics(model.withSaes(saes[0]!), { onProgress }), await latentStatistics(model.withSaes(saes[1]!), { latents: [9, 4, 700], onProgress })] // prettier-ignore
    joined = joinStatistics(parts)
  })
  after(() => saes.forEach((sae) => sae.dispose()))

  it('are those of a view that has all SAEs, also in queries', async () => {
    const whole = [await latentStatistics(model.withSaes(saes[0]!), { onProgress }), await latentStatistics(model.withSaes(saes[1]!), { onProgress })] // prettier-ignore
    const all = joinStatistics(whole)
    const atOnce = await latentStatistics(model.withSaes(saes), { onProgress })
    expect(all.values).to.deep.equal(atOnce.values)
    expect(all.axes).to.deep.equal(atOnce.axes)
    expect(all.extra).to.deep.equal(atOnce.extra)
    expect(all.provenance).to.deep.equal(atOnce.provenance)
    expect(latentsBy(all, 'kurtosis', { k: 20 })).to.deep.equal(latentsBy(atOnce, 'kurtosis', { k: 20 }))
    expect(joined.at('blocks.3.hook_resid_pre/4', 'std')).to.equal(parts[1]!.at('4', 'std'))
    expect(LatentStatistics.fromJSON(JSON.parse(JSON.stringify(joined))).values).to.deep.equal(joined.values)
  })

  it('give notes with their SAE, and of properties too', async () => {
    using odd = randomSae({ hookName: 'blocks.1.hook_resid_pre', dIn: 128 })
    const weights = await latentProperties(model.withSaes(odd, { force: true }))
    const both = joinStatistics([weights, await latentProperties(model.withSaes(saes[0]!))])
    expect(both.notes).to.deep.equal([`${odd.label}: The SAE was loaded without its sparsity: log sparsity and dead are not known.`]) // prettier-ignore
    expect(both.shape).to.deep.equal([12 + 768, 6])
  })

  it('are drawn SAE by SAE', () => {
    const boxes = statisticBoxes(joined, 'std').data[0]!
    const stds = (part: LatentStatistics) => [...latentsBy(part, 'std').values]
    const medians = parts.map((part) => quantile(stds(part), 0.5))
    expectClose(boxes['median'] as number[], medians, { atol: 0, rtol: 1e-6 }) // figures hold the digits of float32
    const few = statisticScatter(joined, { x: 'std', y: 'kurtosis', points: 100 })
    expect([few.data[0]!['x'], few.data[0]!['text']].map((list) => (list as unknown[]).length)).to.deep.equal([100, 100]) // prettier-ignore
    expect(few.layout['title']).to.deep.include({ text: 'kurtosis against std of 100 of 771 latents' })
    expect(() => statisticScatter(joined, { x: 'std', y: 'kurtosis', points: 0 })).to.throw('statisticScatter: points is 0. It must be a whole number from 1.') // prettier-ignore
    const medians50 = statisticAreas(joined, 'std').data.find(({ name }) => name === '50 %')!
    expect(medians50['y']).to.deep.equal(boxes['median'])
    expect(() => statisticAreas(parts[0]!, 'std')).to.throw('statisticAreas: the result has one SAE, at blocks.0.hook_resid_pre.') // prettier-ignore
    const moving = statisticAnimation(joined, { x: 'skewness', y: 'kurtosis', log: 'y', points: 50 })
    const frames = moving.frames as unknown as { data: [{ x: number[]; y: number[]; text: string[] }] }[]
    expect(frames.map(({ data: [{ x }] }) => x.length)).to.deep.equal([50, 3])
    const at = frames[1]!.data[0].text.indexOf('blocks.3.hook_resid_pre latent 700')
    const [point] = frames[1]!.data
    const own = ['skewness', 'kurtosis'].map((name) => parts[1]!.at('700', name))
    expectClose([point.x[at]!, point.y[at]!], own, { atol: 0, rtol: 1e-6 })
  })

  it('are refused where they do not belong together', async () => {
    const cosine = await latentStatistics(model.withSaes(saes[1]!), { latents: [1], cosine: true, onProgress })
    expect(statisticHistogram(cosine, 'mean', { bins: 2 }).layout['title']).to.deep.include({ text: 'mean of 1 latents, columns of W_U of norm 1' }) // prettier-ignore
    expect(await refusalOf(() => joinStatistics([]))).to.equal('ArgumentError: joinStatistics: there are no results. Give at least one of latentStatistics.') // prettier-ignore
    expect(await refusalOf(() => joinStatistics([parts[0]!, cosine]))).to.equal('ArgumentError: joinStatistics: one result is latent statistics of pocket-gpt2, another latent statistics by cosine of pocket-gpt2. Give results of one kind and model.') // prettier-ignore
    expect(await refusalOf(() => joinStatistics([parts[0]!, parts[0]!]))).to.equal('ArgumentError: joinStatistics: two results have an SAE at blocks.0.hook_resid_pre. Give one of each hook point.') // prettier-ignore
    expect(await refusalOf(() => joinStatistics([parts[0]!.mean('latent') as LatentStatistics]))).to.include("joinStatistics: the result is of kind 'latent statistics'. Give one of") // prettier-ignore
  })
})
