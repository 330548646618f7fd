/** Targets as data: which places they stand for, and which do not exist. */
import { expect } from 'chai'
import { resolveTarget, type Target } from '../../../analyses/patching/targets.js'
import { attachedAt } from '../../../analyses/attached-saes.js'
import type { HookedModel } from '../../../lib/model.js'
import type { Sae } from '../../../saes/index.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { embeddedSae } from '../../support/saes.js'

describe('resolveTarget', () => {
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

  it('makes a site of every head, the last axis fastest', () => {
    const { axes, sites } = resolve('heads')
    expect(axes.map(({ name, labels }) => [name, labels.length])).to.deep.equal([
      ['layer', 4],
      ['head', 8],
    ])
    expect(sites).to.have.length(32)
    expect(sites[0]).to.deep.equal({ name: 'blocks.0.attn.hook_z', unit: 0 })
    expect(sites[9]).to.deep.equal({ name: 'blocks.1.attn.hook_z', unit: 1 })
    expect(sites[31]).to.deep.equal({ name: 'blocks.3.attn.hook_z', unit: 7 })
  })

  it('makes a site of another point of every head, keys and values as many as there are', () => {
    for (const point of ['q', 'k', 'v', 'pattern'] as const) {
      const { axes, sites } = resolve(point)
      expect(axes.map(({ labels }) => labels.length)).to.deep.equal([4, 8])
      expect(sites[9]).to.deep.equal({ name: `blocks.1.attn.hook_${point}`, unit: 1 })
      const shared = resolve(point, { config: { ...model.config, nKeyValueHeads: 2 } } as HookedModel)
      expect(shared.axes[1]!.labels).to.have.length(point === 'k' || point === 'v' ? 2 : 8)
    }
  })

  it('makes a site of a point of every layer', () => {
    for (const point of ['resid_pre', 'resid_mid', 'resid_post', 'attn_out', 'mlp_out'] as const) {
      const { axes, sites } = resolve(point)
      expect(axes).to.deep.equal([{ name: 'layer', labels: ['layer 0', 'layer 1', 'layer 2', 'layer 3'] }])
      expect(sites).to.deep.equal([0, 1, 2, 3].map((l) => ({ name: `blocks.${l}.hook_${point}` })))
      for (const { name } of sites) expect(model.hookNames).to.include(name)
    }
  })

  it('takes heads, latents and hooks in the order given', () => {
    expect(
      resolve({
        heads: [
          [3, 1],
          [0, 7],
        ],
      }),
    ).to.deep.equal({
      axes: [{ name: 'head', labels: ['L3H1', 'L0H7'] }],
      sites: [
        { name: 'blocks.3.attn.hook_z', unit: 1 },
        { name: 'blocks.0.attn.hook_z', unit: 7 },
      ],
    })
    expect(resolve({ latents: [9, 2] }, model.withSaes(res))).to.deep.equal({
      axes: [{ name: 'latent', labels: ['latent 9', 'latent 2'] }],
      sites: [
        { name: acts(res), unit: 9 },
        { name: acts(res), unit: 2 },
      ],
    })
    expect(resolve({ latents: [511], hook: z.hookName }, model.withSaes([res, z])).sites).to.deep.equal([
      { name: acts(z), unit: 511 },
    ])
    const hooks = [`${z.hookName}.hook_sae_error`, 'hook_embed']
    expect(resolve({ hooks }, model.withSaes(z, { errorTerm: true }))).to.deep.equal({
      axes: [{ name: 'hook', labels: hooks }],
      sites: hooks.map((name) => ({ name })),
    })
  })

  it('refuses an unknown target, naming the nearest and all there are', async () => {
    const known =
      "'heads', 'q', 'k', 'v', 'pattern', 'resid_pre', 'resid_mid', 'resid_post', 'attn_out', 'mlp_out', { heads }, { latents } or { hooks }."
    expect(await refusal('resid_per')).to.equal(
      `ArgumentError: ablation: resid_per is no target. Give ${known} Did you mean 'resid_pre'?`,
    )
    expect(await refusal({ head: [[0, 1]] })).to.include(`ablation: {"head":[[0,1]]} is no target. Give ${known}`)
    for (const target of [undefined, null, 7]) expect(await refusal(target)).to.include(`${target} is no target.`)
  })

  it('refuses empty lists and what is none', async () => {
    for (const key of ['heads', 'hooks']) {
      expect(await refusal({ [key]: [] })).to.equal(
        `ArgumentError: ablation: ${key} is []. Give a list of at least one.`,
      )
      expect(await refusal({ [key]: 'all' })).to.include(`${key} is "all". Give a list of at least one.`)
    }
    expect(await refusal({ latents: [] }, model.withSaes(res))).to.include(
      'latents is []. Give a list of at least one.',
    )
    expect(await refusal({ latents: 3 }, model.withSaes(res))).to.include('latents is 3. Give a list of at least one.')
  })

  it('refuses heads that the model does not have', async () => {
    for (const head of [[4, 0], [0, 8], [-1, 0], [0, 1.5], [1], 3, null] as unknown[])
      expect(await refusal({ heads: [[0, 0], head] })).to.equal(
        `ArgumentError: ablation: there is no head ${JSON.stringify(head)} in pocket-gpt2. It has layers 0 to 3 with heads 0 to 7.`,
      )
  })

  it('refuses latents that the SAE does not have', async () => {
    const view = model.withSaes(res)
    for (const latent of [768, -1, 0.5])
      expect(await refusal({ latents: [0, latent] }, view)).to.equal(
        `ArgumentError: latent ${latent}: the SAE 'pocket-res/blocks.2.hook_resid_pre' has latents 0 to 767.`,
      )
  })

  it('refuses hook points that the view does not have', async () => {
    expect(await refusal({ hooks: ['hook_embed', 'blocks.1.hook_mlp_outt'] })).to.equal(
      "HookError: ablation: no hook point 'blocks.1.hook_mlp_outt' in pocket-gpt2 (4 layers: 0–3). Did you mean 'blocks.1.hook_mlp_out'?",
    )
    expect(await refusal({ hooks: [acts(res)] })).to.match(/^HookError: .*no hook point/)
    expect(await refusal({ hooks: [`${res.hookName}.hook_sae_error`] }, model.withSaes(res))).to.match(/^HookError: /)
  })

  it('refuses latents when it is not plain whose', async () => {
    expect(await refusal({ latents: [0] })).to.equal(
      'HookError: ablation: no hook point is named. The view has no SAE: attach one with withSaes.',
    )
    const both = model.withSaes([res, z])
    expect(await refusal({ latents: [0] }, both)).to.equal(
      'HookError: ablation: no hook point is named. The view has SAEs at blocks.2.hook_resid_pre, blocks.1.attn.hook_z.',
    )
    expect(await refusal({ latents: [0], hook: 'blocks.1.attn.hook_x' }, both)).to.equal(
      "HookError: ablation: there is no SAE at 'blocks.1.attn.hook_x'. Did you mean 'blocks.1.attn.hook_z'? The view has SAEs at blocks.2.hook_resid_pre, blocks.1.attn.hook_z.",
    )
    expect(attachedAt('ablation', model.withSaes(z)).sae).to.equal(z)
    expect(attachedAt('ablation', both, res.hookName).sae).to.equal(res)
  })
})
