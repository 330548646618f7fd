/** Targets as data: which places they stand for, and which do not exist. */
import { expect } from 'chai'
import { isLayerTarget, resolveTarget, type Target } from '../../../analyses/patching/targets.js'
import { head, latents, neurons, point } from '../../../lib/core/sites.js'
import type { HookedModel } from '../../../lib/model.js'
import type { Sae } from '../../../saes/index.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { embeddedSae } from '../../support/saes.js'

describe('analyses/patching/targets', () => {
  let model: HookedModel
  let res: Sae
  let z: Sae

  before(async () => {
    model = await pocket()
    res = await embeddedSae('pocket-res/blocks.2.hook_resid_pre')
    z = await embeddedSae('pocket-z/blocks.1.hook_z')
  })
  after(() => [res, z].forEach((sae) => sae.dispose()))

  const resolve = (target: Target, view: HookedModel = model) => resolveTarget('ablation', view, target)
  const refusal = (target: unknown, view: HookedModel = model) => refusalOf(() => resolve(target as Target, view))
  const acts = (sae: Sae) => `${sae.hookName}.hook_sae_acts_post`

  it('makes a place of every head, the last axis fastest', () => {
    const { axes, places } = resolve('heads')
    expect(axes.map(({ name, labels }) => [name, labels.length])).to.deep.equal([
      ['layer', 4],
      ['head', 8],
    ])
    expect(places).to.have.length(32)
    expect(places[0]).to.deep.equal({ hook: 'blocks.0.attn.hook_z', unit: 0 })
    expect(places[9]).to.deep.equal({ hook: 'blocks.1.attn.hook_z', unit: 1 })
    expect(places[31]).to.deep.equal({ hook: 'blocks.3.attn.hook_z', unit: 7 })
  })

  it('makes a place of another point of every head, keys and values as many as there are', () => {
    for (const point of ['q', 'k', 'v', 'pattern'] as const) {
      const { axes, places } = resolve(point)
      expect(axes.map(({ labels }) => labels.length)).to.deep.equal([4, 8])
      expect(places[9]).to.deep.equal({ hook: `blocks.1.attn.hook_${point}`, unit: 1 })
      const shared = resolve(point, { config: { ...model.config, nKeyValueHeads: 2 } } as HookedModel)
      expect(shared.axes[1]!.labels).to.have.length(point === 'k' || point === 'v' ? 2 : 8)
    }
  })

  it('makes a place of a point of every layer', () => {
    for (const point of ['resid_pre', 'resid_mid', 'resid_post', 'attn_out', 'mlp_out'] as const) {
      const { axes, places } = resolve(point)
      expect(axes).to.deep.equal([{ name: 'layer', labels: ['layer 0', 'layer 1', 'layer 2', 'layer 3'] }])
      expect(places).to.deep.equal([0, 1, 2, 3].map((l) => ({ hook: `blocks.${l}.hook_${point}` })))
      for (const { hook } of places) expect(model.hookNames).to.include(hook)
    }
  })

  it('takes heads, latents and hook points in the order given, one place a unit', () => {
    expect(resolve([head(3, 1), head(0, 7)])).to.deep.equal({
      axes: [{ name: 'head', labels: ['L3H1', 'L0H7'] }],
      places: [
        { hook: 'blocks.3.attn.hook_z', unit: 1 },
        { hook: 'blocks.0.attn.hook_z', unit: 7 },
      ],
    })
    expect(resolve(latents(res, 9, 2), model.withSaes(res))).to.deep.equal({
      axes: [{ name: 'latent', labels: ['latent 9', 'latent 2'] }],
      places: [
        { hook: acts(res), unit: 9 },
        { hook: acts(res), unit: 2 },
      ],
    })
    expect(resolve(latents(z, 511), model.withSaes([res, z])).places).to.deep.equal([{ hook: acts(z), unit: 511 }])
    const hooks = [`${z.hookName}.hook_sae_error`, 'hook_embed']
    expect(
      resolve(
        hooks.map((hook) => ({ hook })),
        model.withSaes(z, { errorTerm: true }),
      ),
    ).to.deep.equal({
      axes: [{ name: 'hook', labels: hooks }],
      places: hooks.map((hook) => ({ hook })),
    })
  })

  it('names an axis of several kinds site', () => {
    expect(resolve([head(3, 1), neurons(2, 5, 7), point('embed')]).axes).to.deep.equal([
      { name: 'site', labels: ['L3H1', 'L2N5', 'L2N7', 'hook_embed'] },
    ])
  })

  it('says which targets are points of every layer', () => {
    expect(['resid_pre', 'mlp_out', 'heads', 'q'].map((target) => isLayerTarget(target as Target))).to.deep.equal([
      true,
      true,
      false,
      false,
    ])
    expect(isLayerTarget(point('resid_pre', 7))).to.equal(false)
  })

  it('refuses an unknown target, naming the nearest and all there are', async () => {
    const known =
      "'heads', 'q', 'k', 'v', 'pattern', 'resid_pre', 'resid_mid', 'resid_post', 'attn_out', 'mlp_out', or sites such as head(9, 6)."
    expect(await refusal('resid_per')).to.equal(
      `ArgumentError: ablation: resid_per is no target. Did you mean 'resid_pre'? Give ${known}`,
    )
    for (const target of [undefined, null, 7]) expect(await refusal(target)).to.include(`${target} is no target.`)
  })
})
