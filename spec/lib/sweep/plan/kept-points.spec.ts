/** What clean runs keep: edited units, and where runs start. */
import { expect } from 'chai'
import { plainView } from '../../../../lib/core/view.js'
import type { ResolvedEdit } from '../../../../lib/sweep/edits/index.js'
import { keptPoints } from '../../../../lib/sweep/plan/kept-points.js'
import { attachedAt, resolvedEdit, viewOf } from '../../../support/sweep-parts.js'

const SITE = 'blocks.1.hook_resid_pre'

describe('what a sweep keeps of clean runs', () => {
  const keep = (edits: ResolvedEdit[], view = plainView, read?: string) =>
    Object.fromEntries(
      [...keptPoints(edits, view, { reached: { has: () => true }, read })].map(([name, units]) => [
        name,
        units && [...units],
      ]),
    )
  const entries = (layer: number) =>
    Object.fromEntries(
      ['resid_pre', 'attn_out', 'resid_post'].map((point) => [`blocks.${layer}.hook_${point}`, undefined]),
    )

  it('is the edited units of each point, in their order, and where runs start', () => {
    const z = 'blocks.1.attn.hook_z'
    const edits = [resolvedEdit(z, { units: [5, 2] }), resolvedEdit(z, { units: [2, 7] })]
    expect(keep(edits)).to.deep.equal({ [z]: [[5, 0], [2, 1], [7, 2]], ...entries(1) }) // prettier-ignore
    expect(keep([...edits, resolvedEdit(z)])).to.deep.equal({ [z]: undefined, ...entries(1) })
    expect(keep([resolvedEdit('hook_embed')])).to.deep.equal({ hook_embed: undefined, ...entries(0) })
  })

  it('is all of an error, of what SAEs put out and of what the metric reads', () => {
    const error = `${SITE}.hook_sae_error`
    const view = viewOf({ attached: [attachedAt(SITE), attachedAt('blocks.0.hook_mlp_out', undefined, false)] })
    expect(keep([resolvedEdit(error, { units: [1] })], view, 'ln_final.hook_scale')).to.deep.equal({
      [error]: undefined,
      'blocks.0.hook_mlp_out.hook_sae_output': undefined,
      'ln_final.hook_scale': undefined,
      ...entries(0),
      ...entries(1),
    })
  })

  it('is of points that the view has', () => {
    const kept = keptPoints([resolvedEdit('blocks.1.attn.hook_z')], plainView, { reached: new Set([SITE]) })
    expect([...kept.keys()]).to.deep.equal([SITE])
  })
})
