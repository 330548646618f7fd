/** Sites one place at a time: their labels, and what is refused. */
import { expect } from 'chai'
import { attachedAt, saeWithError } from '../../analyses/attached-saes.js'
import { latentsOfSite, placesOf } from '../../analyses/sites.js'
import { head, latents, neurons, point, type Site } from '../../lib/core/sites.js'
import type { HookedModel } from '../../lib/model.js'
import type { Sae } from '../../saes/index.js'
import { pocket } from '../support/pocket.js'
import { refusalOf } from '../support/refusal.js'
import { embeddedSae } from '../support/saes.js'

describe('analyses/sites', () => {
  let model: HookedModel
  let res: Sae
  let z: Sae

  before(async () => {
    model = await pocket()
    res = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
    z = await embeddedSae('pocket-z/blocks.1.hook_z')
  })
  after(() => [res, z].forEach((sae) => sae.dispose()))

  const labelsOf = (sites: Site | Site[], view = model) => placesOf('test', view, sites).map(({ label }) => label)
  const refusal = (sites: unknown, view = model) => refusalOf(() => placesOf('test', view, sites as Site))

  it('name places by what they are, one a unit', () => {
    expect(labelsOf([head(3, 1), head(0, 7, 'q'), head(2, 0, 'pattern')])).to.deep.equal([
      'L3H1',
      'L0H7.q',
      'L2H0.pattern',
    ])
    expect(labelsOf(neurons(2, 5, 7))).to.deep.equal(['L2N5', 'L2N7'])
    expect(labelsOf(point('resid_pre', 2))).to.deep.equal(['blocks.2.hook_resid_pre'])
    expect(labelsOf(latents(res, 9, 2), model.withSaes(res))).to.deep.equal(['latent 9', 'latent 2'])
    const both = [latents(res, 9), head(1, 2), latents(z, 3)]
    expect(labelsOf(both, model.withSaes([res, z]))).to.deep.equal([
      'latent 9 at blocks.2.hook_resid_pre',
      'L1H2',
      'latent 3 at blocks.1.attn.hook_z',
    ])
    const kinds = placesOf('test', model, [head(3, 1), neurons(2, 5), point('embed')]).map(({ kind }) => kind)
    expect(kinds).to.deep.equal(['head', 'neuron', 'hook'])
  })

  it('refuse what is no site, and lists of none', async () => {
    expect(await refusal([])).to.equal('ArgumentError: test: the list of sites is empty. Give at least one.')
    expect(await refusal({ heads: [[0, 1]] })).to.equal(
      'ArgumentError: test: {"heads":[[0,1]]} is no site. Give head(9, 6), latents(sae, 3, 14), neurons(3, 14) or ' +
        "point('resid_pre', 7), or a list of such.",
    )
    expect(await refusal(['blocks.1.attn.hook_z'])).to.include('"blocks.1.attn.hook_z" is no site.')
    expect(await refusal({ hook: 'hook_embed', unit: [] })).to.equal(
      "ArgumentError: test: the unit of the site at 'hook_embed' is []. Give at least one.",
    )
  })

  it('refuse units that are not there', async () => {
    for (const [at, unit] of [
      [head(0, 8), 8],
      [{ hook: 'blocks.0.attn.hook_z', unit: -1 }, -1],
      [{ hook: 'blocks.0.attn.hook_z', unit: 1.5 }, 1.5],
    ] as const) {
      expect(await refusal(at)).to.equal(
        `ArgumentError: test: there is no head ${unit} at 'blocks.0.attn.hook_z'. It has heads 0 to 7.`,
      )
    }
    const shared = { ...model.config, nKeyValueHeads: 2 }
    const view = { config: shared, hookPoints: model.hookPoints, hookNames: model.hookNames, name: 'm' } as HookedModel
    expect(await refusal(head(1, 2, 'k'), view)).to.include("'blocks.1.attn.hook_k'. It has heads 0 to 1.")
    expect(placesOf('test', view, head(1, 2, 'q'))).to.have.length(1)
    expect(await refusal(neurons(1, 512))).to.include('there is no neuron 512')
    expect(await refusal({ hook: 'blocks.1.hook_resid_pre', unit: 3 })).to.equal(
      "ArgumentError: test: 'blocks.1.hook_resid_pre' has no heads, latents or neurons. Leave the unit out.",
    )
    for (const latent of [768, -1, 0.5]) {
      const target = { hook: `${res.hookName}.hook_sae_acts_post`, unit: [0, latent] }
      expect(await refusal(target, model.withSaes(res))).to.equal(
        `ArgumentError: latent ${latent}: the SAE 'pocket-res/blocks.2.hook_resid_pre' has latents 0 to 767.`,
      )
    }
  })

  it('refuse hook points that the view does not have, and SAEs', async () => {
    expect(await refusal([point('embed'), { hook: 'blocks.1.hook_mlp_outt' }])).to.equal(
      "HookError: test: no hook point 'blocks.1.hook_mlp_outt' in pocket-gpt2 (4 layers: 0–3). Did you mean 'blocks.1.hook_mlp_out'?",
    )
    expect(await refusal(head(4, 0))).to.include("Did you mean 'blocks.3.attn.hook_z'?")
    expect(await refusal(latents(res, 0))).to.equal(
      "HookError: test: there is no SAE at 'blocks.2.hook_resid_pre'. The view has no SAE: attach one with withSaes.",
    )
    expect(await refusal(latents(res, 0), model.withSaes(z))).to.include('The view has SAEs at blocks.1.attn.hook_z.')
    const error = { hook: `${res.hookName}.hook_sae_error` } // attached without its error term
    expect(await refusal(error, model.withSaes(res))).to.match(/^HookError: test: no hook point/)
  })

  it('give latents with the SAE that has them, all without units', async () => {
    const view = model.withSaes([res, z])
    const { attached, latents: some } = latentsOfSite('test', view, latents(z, 5, 3))
    expect([attached.sae, some]).to.deep.equal([z, [5, 3]])
    expect(latentsOfSite('test', view, { hook: `${z.hookName}.hook_sae_acts_post` }).latents).to.have.length(512)
    expect(await refusalOf(() => latentsOfSite('test', view, head(1, 2)))).to.include(
      'are no latents. Give latents(sae, 3, 14).',
    )
    expect(await refusalOf(() => latentsOfSite('test', view, latents(z, 3, 3)))).to.include('latent 3 is listed twice.')
  })
})

describe('analyses/attached-saes', () => {
  it('finds what is attached by its hook point, or as the only one', async () => {
    const model = await pocket()
    using res = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
    using z = await embeddedSae('pocket-z/blocks.1.hook_z')
    const both = model.withSaes([res, z])
    const refusal = (view: HookedModel, hook?: string) => refusalOf(() => attachedAt('test', view, hook))
    expect(await refusal(model)).to.equal(
      'HookError: test: no hook point is named. The view has no SAE: attach one with withSaes.',
    )
    expect(await refusal(both)).to.equal(
      'HookError: test: no hook point is named. The view has SAEs at blocks.2.hook_resid_pre, blocks.1.attn.hook_z.',
    )
    expect(await refusal(both, 'blocks.1.attn.hook_x')).to.equal(
      "HookError: test: there is no SAE at 'blocks.1.attn.hook_x'. Did you mean 'blocks.1.attn.hook_z'? The view has SAEs at blocks.2.hook_resid_pre, blocks.1.attn.hook_z.",
    )
    expect(attachedAt('test', model.withSaes(z)).sae).to.equal(z)
    expect(attachedAt('test', both, res.hookName).sae).to.equal(res)
    expect(await refusalOf(() => saeWithError('test', model.withSaes(res)))).to.equal(
      'ArgumentError: test: the SAE at blocks.2.hook_resid_pre is attached without its error term, so that all else it misses would be changed too. Attach it with { errorTerm: true }.',
    )
    expect(saeWithError('test', model.withSaes(res, { errorTerm: true })).sae).to.equal(res)
  })
})
