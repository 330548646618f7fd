/** Where runs resume: as late as is exact, by the points that are edited and the SAEs on their way. */
import { expect } from 'chai'
import type { HookedModel } from '../../../../lib/model.js'
import {
  joinOrder,
  replacesSaeOutput,
  ResumePoints,
  type ResumePoint,
} from '../../../../lib/sweep/plan/resume-points.js'
import { loadModel } from '../../../../models/load-model.js'
import type { Sae } from '../../../../saes/index.js'
import { Transcoder } from '../../../../saes/kinds/transcoder.js'
import { recordFolder } from '../../../support/record-model.js'
import { resolvedEdit } from '../../../support/sweep-parts.js'
import { randomSae, smallConfig } from '../../../support/saes.js'

const acts = 'hook_sae_acts_post'

/** Resume points of a view. */
function pointsOf(view: HookedModel, shortcuts = true): ResumePoints {
  const points = new Map(view.hookPoints.map((point) => [point.name, point]))
  return new ResumePoints({ points, nLayers: view.config.nLayers, attached: view.attached, shortcuts })
}

/** `block 1`, or with a shortcut `attention 1 by blocks.1.attn.hook_z`. */
function text({ entry, layer, shortcut }: ResumePoint): string {
  return `${entry} ${layer}${shortcut ? ` by ${shortcut.points.join(' + ')}` : ''}`
}

const of = (points: ResumePoints, ...names: string[]) => text(points.of(names.map((name) => resolvedEdit(name))))

describe('a run with edits resumes', () => {
  let model: HookedModel
  let nLayers: number
  const saes: Sae[] = []
  before(async () => {
    model = await loadModel(recordFolder('gpt2'))
    nLayers = model.config.nLayers
  })
  afterEach(() => saes.splice(0).forEach((sae) => sae.dispose()))
  after(() => model.dispose())

  /** A view with SAEs of random weights at some points. */
  function withSaes(...hookNames: string[]): HookedModel {
    const { dModel, nHeads, dHead } = model.config
    const added = hookNames.map((hookName, i) => {
      const width = { hook_z: nHeads * dHead, hook_result: nHeads * dModel }[hookName.split('.').at(-1) ?? '']
      return randomSae({ hookName, dIn: width ?? dModel, dSae: 24, flattenHeads: width !== undefined }, i)
    })
    saes.push(...added)
    return model.withSaes(added, { errorTerm: true })
  }

  it('before the point that is edited', () => {
    const points = pointsOf(model)
    const expected: Record<string, string> = {
      hook_embed: 'tokens 0',
      'blocks.1.hook_resid_pre': 'block 1',
      'blocks.1.ln1.hook_normalized': 'block 1',
      'blocks.1.attn.hook_q': 'block 1',
      'blocks.1.attn.hook_pattern': 'block 1',
      'blocks.1.hook_attn_out': 'attention 1',
      'blocks.1.hook_resid_mid': 'attention 1',
      'blocks.1.mlp.hook_pre': 'attention 1',
      'blocks.1.hook_resid_post': 'end 1',
      'ln_final.hook_normalized': `block ${nLayers}`,
      'unembed.hook_out': `block ${nLayers}`,
    }
    for (const [name, start] of Object.entries(expected)) expect(of(points, name), name).to.equal(start)
  })

  it('where what is edited arrives, if it writes linearly', () => {
    const points = pointsOf(model)
    expect(of(points, 'blocks.1.attn.hook_z')).to.equal('attention 1 by blocks.1.attn.hook_z')
    expect(of(points, 'blocks.1.attn.hook_result')).to.equal('attention 1 by blocks.1.attn.hook_result')
    expect(of(points, 'blocks.0.mlp.hook_post')).to.equal('end 0 by blocks.0.mlp.hook_post')
    expect(of(points, 'blocks.0.hook_mlp_out')).to.equal('end 0 by blocks.0.hook_mlp_out')
  })

  it('before the first of several edits; a shortcut holds where no other edit lies on its way', () => {
    const points = pointsOf(model)
    expect(of(points, 'blocks.1.hook_mlp_out', 'blocks.0.hook_resid_mid')).to.equal('attention 0')
    expect(of(points, 'ln_final.hook_scale', 'hook_embed')).to.equal('tokens 0')
    expect(of(points, 'blocks.1.attn.hook_q', 'blocks.0.attn.hook_z')).to.equal('attention 0 by blocks.0.attn.hook_z')
    expect(of(points, 'blocks.0.attn.hook_z', 'blocks.0.hook_attn_out')).to.equal('attention 0 by blocks.0.attn.hook_z')
    expect(of(points, 'blocks.0.attn.hook_z', 'blocks.0.attn.hook_result')).to.equal('block 0')
    expect(of(points, 'blocks.0.mlp.hook_post', 'blocks.0.hook_mlp_out')).to.equal('attention 0')
  })

  it('at blocks alone where an activation is read, so that every later point fires', () => {
    const points = pointsOf(model, false)
    expect(of(points, 'blocks.1.attn.hook_z')).to.equal('block 1')
    expect(of(points, 'blocks.1.hook_resid_post')).to.equal('block 1')
  })

  it('before attention where a norm follows it', async () => {
    using gemma = await loadModel(recordFolder('gemma2'))
    const points = pointsOf(gemma)
    expect(of(points, 'blocks.1.attn.hook_z')).to.equal('block 1')
    expect(of(points, 'blocks.1.mlp.hook_post')).to.equal('attention 1')
    expect(of(points, 'blocks.1.hook_mlp_out')).to.equal('end 1 by blocks.1.hook_mlp_out')
  })

  it('after an SAE whose latents or error are edited', () => {
    const cases: Record<string, string> = {
      'blocks.1.hook_resid_pre': 'block 1',
      'blocks.1.attn.hook_z': 'attention 1',
      'blocks.1.hook_attn_out': 'attention 1',
      'blocks.1.hook_resid_mid': 'attention 1',
      'blocks.1.hook_mlp_out': 'end 1',
      'blocks.1.hook_resid_post': 'end 1',
    }
    for (const [hookName, start] of Object.entries(cases)) {
      const points = pointsOf(withSaes(hookName))
      const [latents, error] = [`${hookName}.${acts}`, `${hookName}.hook_sae_error`]
      expect(of(points, latents), hookName).to.equal(`${start} by ${latents}`)
      expect(of(points, error), hookName).to.equal(`${start} by ${error}`)
      expect(of(points, error, latents), hookName).to.equal(`${start} by ${latents} + ${error}`)
      const replaces = !/hook_(z|mlp_out)$/.test(hookName)
      expect(replacesSaeOutput(points.of([resolvedEdit(latents)])), hookName).to.equal(replaces)
    }
  })

  it('before an SAE whose latents do not write linearly, or that others see', () => {
    const { dModel } = model.config
    const at = 'blocks.1.hook_resid_pre'
    const scaled = randomSae({ hookName: at, dIn: dModel, dSae: 24, normalization: 'layer_norm' }, 9)
    saes.push(scaled)
    expect(of(pointsOf(model.withSaes(scaled)), `${at}.${acts}`)).to.equal('block 1')
    expect(of(pointsOf(withSaes(at, at)), `${at}.${acts}`)).to.equal('block 1')
    const watched = pointsOf(withSaes('blocks.1.attn.hook_result'))
    expect(of(watched, 'blocks.1.attn.hook_z')).to.equal('block 1')
    expect(of(pointsOf(withSaes('blocks.1.hook_mlp_out')), 'blocks.1.mlp.hook_post')).to.equal('attention 1')
  })

  it('in the block where a transcoder reads that writes after the edit', () => {
    const { dModel } = model.config
    const names = { hookName: 'blocks.0.hook_resid_mid', hookNameOut: `blocks.${nLayers - 1}.hook_attn_out` }
    const between = { ...names, architecture: 'transcoder' as const, dIn: dModel, dOut: dModel, dSae: 24 }
    const across = new Transcoder({ config: smallConfig({ ...between, applyBDecToInput: false }) })
    saes.push(across)
    const points = pointsOf(model.withSaes(across, { errorTerm: true }))
    expect(of(points, 'blocks.1.hook_resid_pre')).to.equal('block 0')
    expect(of(points, `blocks.${nLayers - 1}.hook_resid_post`)).to.equal(`end ${nLayers - 1}`)
  })

  it('with one key for runs that may share a batch, and an order in which rows join', () => {
    const points = pointsOf(model)
    const start = (name: string) => points.of([resolvedEdit(name)])
    expect(start('blocks.1.attn.hook_q').key).to.equal(start('blocks.1.attn.hook_k').key)
    expect(start('blocks.1.attn.hook_z').key).to.not.equal(start('blocks.1.hook_attn_out').key)
    const inOrder = ['hook_embed', 'blocks.0.attn.hook_q', 'blocks.0.hook_resid_mid', 'blocks.0.hook_mlp_out', 'blocks.1.attn.hook_q'] // prettier-ignore
    const orders = inOrder.map((name) => joinOrder(start(name)))
    expect(orders).to.deep.equal([...orders].sort((a, b) => a - b))
    expect(new Set(orders).size).to.equal(inOrder.length)
  })
})
