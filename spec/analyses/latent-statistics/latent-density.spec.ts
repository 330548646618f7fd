/** How often latents fire: as the evaluation counts it, and as is counted by hand, padding and special tokens left out. */
import { expect } from 'chai'
import { evaluateSae, latentDensity, latentStatistics } from '../../../analyses/index.js'
import { loadData } from '../../../lib/data/load-data.js'
import type { TokenData } from '../../../lib/data/token-data.js'
import type { HookedModel } from '../../../lib/model.js'
import { pocketText } from '../../../models/index.js'
import { expectClose } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { expectTraceable } from '../../support/results.js'
import { embeddedSae } from '../../support/saes.js'

describe('latent density', () => {
  let model: HookedModel
  before(async () => {
    model = await pocket()
  })

  it('is that of the evaluation, in one pass, and becomes the sparsity of statistics', async () => {
    using sae = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
    const view = model.withSaes(sae)
    const data = await loadData(model, pocketText('test'), { layout: 'documents', positions: 40, limit: 12, rows: 5 })
    for (const exclude of ['special', 'none'] as const) {
      const told: number[] = []
      const found = await latentDensity(view, data, { exclude, onProgress: (rows) => told.push(rows) })
      const { logDensity, tokens } = await evaluateSae(model, data, { sae, exclude })
      expect([found.tokens, found.exclude, found.data]).to.deep.equal([tokens, exclude, data.about])
      expect(told).to.deep.equal([5, 10, 12])
      expectClose(found.values, logDensity.values, 1e-6) // whole counts, rounded to float32 once
      await expectTraceable(found, { saes: [sae.label], prependBos: undefined })
    }
    const { values } = await latentDensity(view, data)
    sae.logSparsity = values
    const statistics = await latentStatistics(view, { latents: [3, 700], onProgress: () => undefined })
    expect([...statistics.select('statistic', 'log sparsity').values]).to.deep.equal([values[3], values[700]])
  })

  it('of a latent that never fires is −10, and of data without tokens refused', async () => {
    using sae = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
    const view = model.withSaes(sae)
    const one = model.toTokens(['Ben went home.'])
    const data: TokenData = {
      about: {},
      async *batches() {
        yield { tokens: one, firstRow: 0, next: {} }
      },
    }
    const found = await latentDensity(view, data)
    const cache = view.runWithCache(one, { names: 'blocks.2.hook_resid_pre.hook_sae_acts_post' })
    const acts = (await cache.get('blocks.2.hook_resid_pre.hook_sae_acts_post').array()) as number[][][]
    cache.dispose()
    const inText = acts[0]!.slice(1) // without BOS
    for (const latent of [...Array(768).keys()]) {
      const share = inText.filter((row) => row[latent]! > 0).length / inText.length
      expect(found.at(latent)).to.be.closeTo(share === 0 ? -10 : Math.log10(share), 1e-6)
    }
    expect(found.values.filter((value) => value === -10).length).to.be.greaterThan(300)
    const nothing: TokenData = { about: {}, async *batches() {} }
    expect(await refusalOf(() => latentDensity(view, nothing))).to.equal('ArgumentError: latentDensity: no token of the data counts, with exclude "special". Give text, or exclude less.') // prettier-ignore
    expect(await refusalOf(() => latentDensity(model, nothing))).to.include('latentDensity: no hook point is named. The view has no SAE') // prettier-ignore
  })
})
