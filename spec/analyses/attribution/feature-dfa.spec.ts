/** Direct feature attribution: recorded scores, and the sum over sources on every kind of attention. */
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { featureDfa } from '../../../analyses/index.js'
import type { HookedModel } from '../../../lib/model.js'
import { type Prompts, Tokens } from '../../../lib/tokens/tokens.js'
import { loadModel } from '../../../models/load-model.js'
import { loadSae } from '../../../saes/load-sae.js'
import type { Sae } from '../../../saes/index.js'
import { expectClose, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { reference } from '../../support/reference.js'
import { refusalOf } from '../../support/refusal.js'
import { expectTraceable } from '../../support/results.js'
import { embeddedSae, randomSae } from '../../support/saes.js'

/** Sums over sources, with what the biases add, are the pre-activations. */
async function expectSums(view: HookedModel, sae: Sae, prompts: Prompts, position: number): Promise<void> {
  const latents = [2, 7, 11]
  const dfa = await featureDfa(view, prompts, { latents, position })
  const expected = tf.tidy(() => {
    const name = `${sae.hookName}.hook_sae_acts_pre`
    using cache = view.runWithCache(prompts, { names: name, logits: false })
    const taken = sae.config.applyBDecToInput
      ? tf.matMul(sae.b_dec.expandDims(0) as tf.Tensor2D, sae.W_enc).squeeze()
      : 0
    const pre = cache.get(name).sub(sae.weight('b_enc')).add(taken)
    const at = dfa.extra['positions'] as number[]
    return at.map((p, b) => tf.gather(pre.slice([b, p], [1, 1]).flatten(), latents).arraySync() as number[])
  })
  const sums = dfa.sum('source')
  expectClose(sums.values, latents.flatMap((_, f) => expected.map((row) => row[f]!)), tolerances.noise) // prettier-ignore
}

describe('feature dfa', () => {
  before(async () => void (await pocket()))

  it('has the recorded scores', async () => {
    const record = await reference('saes')
    const model = await loadModel(`${record.folder}/model`)
    try {
      using sae = await loadSae(`${record.folder}/sae_lens_6/standard_attn_z`)
      const names = Object.keys(record.json['tensors'] as object).flatMap((name) => {
        const [, latent, batch] = /^features\/dfa\/standard_attn_z\/(\d+)\/batch_(\d)\/scores$/.exec(name) ?? []
        return latent === undefined ? [] : [[name, Number(latent), batch!] as const]
      })
      expect(names).to.have.length(6)
      for (const [name, latent, batch] of names) {
        const { values, shape } = record.tensor(`features/batches/${batch}`)
        const rows = Array.from({ length: shape[0]! }, (_, r) => [...values.slice(r * shape[1]!, (r + 1) * shape[1]!)])
        const places = record.values(name.replace('scores', 'indices'))
        const found = []
        for (let i = 0; i < places.length; i += 2) {
          const row = rows[places[i]!]!
          found.push(...(await featureDfa(model.withSaes(sae), [row], { latents: [latent], position: places[i + 1]! })).values) // prettier-ignore
        }
        expectClose(found, record.values(name), tolerances.saes, name)
      }
    } finally {
      model.dispose()
    }
  })

  it('sums over sources to the pre-activation, padded too, with values shared among heads', async () => {
    const model = await pocket()
    using sae = await embeddedSae('pocket-z/blocks.2.hook_z')
    const view = model.withSaes(sae)
    const texts = ['Carl and Eva went to the hill', 'Rose gave a hat to']
    for (const paddingSide of ['left', 'right'] as const) {
      await expectSums(view, sae, model.toTokens(texts, { paddingSide }), -2)
    }
    for (const [family, dIn] of [
      ['llama', 32],
      ['gemma2', 48],
    ] as const) {
      // 4 heads that share 2 of values
      const tiny = await loadModel(fileURLToPath(new URL(`../../reference/models/${family}`, import.meta.url)))
      using wide = randomSae({ hookName: 'blocks.1.attn.hook_z', dIn, flattenHeads: true })
      try {
        const rows = new Tokens([[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]) // prettier-ignore
        for (const position of [-1, 2]) await expectSums(tiny.withSaes(wide, { force: true }), wide, rows, position)
      } finally {
        tiny.dispose()
      }
    }
    const result = await featureDfa(view, texts[0]!, { latents: [2], position: 4 })
    expect(result.axes.map(({ name, labels }) => `${name} ${labels.length}`)).to.deep.equal(['latent 1', 'prompt 1', 'source 8']) // prettier-ignore
    expect([...result.values.slice(5)]).to.deep.equal([0, 0, 0])
    await expectTraceable(result, { saes: ['pocket-z/blocks.2.hook_z'] })
  })

  it('refuses SAEs that have no sources, and latents that are not there', async () => {
    const model = await pocket()
    using sae = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
    using scaled = randomSae({ hookName: 'blocks.1.attn.hook_z', dIn: 128, flattenHeads: true, normalization: 'layer_norm' }) // prettier-ignore
    const attempt = (of: Sae, options = { latents: [0] }) => refusalOf(() => featureDfa(model.withSaes(of, { force: true }), 'Carl', options)) // prettier-ignore
    expect(await attempt(sae)).to.equal(
      "MismatchError: featureDfa: the SAE 'pocket-res/blocks.2.hook_resid_pre' reads blocks.2.hook_resid_pre. Attribution by source token needs an SAE of attn.hook_z.",
    )
    expect(await attempt(scaled)).to.equal(
      "MismatchError: featureDfa: the SAE 'blocks.1.attn.hook_z' rescales its input (layer_norm), so its latents are no sum over source tokens. Use an SAE without that.",
    )
    using z = await embeddedSae('pocket-z/blocks.2.hook_z')
    expect(await attempt(z, { latents: [512] })).to.include('latent 512: the SAE')
    expect(await refusalOf(() => featureDfa(model.withSaes(z), 'Carl', { latents: [1], position: 9 }))).to.include('featureDfa: there is no position 9') // prettier-ignore
  })
})
