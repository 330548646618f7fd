/** What of a view a sweep runs: SAEs that change something, and hooks before all edits. */
import { expect } from 'chai'
import type { AttachedSae, View } from '../../../../lib/core/view.js'
import { editsAfterHooks, neededView } from '../../../../lib/sweep/plan/needed-view.js'
import { attachedAt, resolvedEdit, viewOf } from '../../../support/sweep-parts.js'

const SITE = 'blocks.1.hook_resid_pre'

describe('the view that a sweep runs', () => {
  const namesOf = (view: View) => view.attached.map(({ readsAt }) => readsAt)

  it('has the SAEs that change something, or inside which something is changed or read', () => {
    const identity = viewOf({ attached: [attachedAt(SITE)] })
    expect(namesOf(neededView(identity, ['blocks.0.hook_mlp_out', SITE]))).to.deep.equal([])
    expect(namesOf(neededView(identity, [`${SITE}.hook_sae_acts_post`]))).to.deep.equal([SITE])
    expect(namesOf(neededView(viewOf({ attached: [attachedAt(SITE, SITE, false)] }), []))).to.deep.equal([SITE])
    const across = viewOf({ attached: [attachedAt(SITE, 'blocks.1.hook_mlp_out')] })
    expect(namesOf(neededView(across, ['blocks.1.hook_mlp_out.hook_sae_error']))).to.deep.equal([SITE])
  })

  it('has the SAE at whose output a needed one sits', () => {
    const second = `${SITE}.hook_sae_output`
    const chained = viewOf({ attached: [attachedAt(SITE), attachedAt(second)] })
    expect(namesOf(neededView(chained, [`${second}.hook_sae_acts_post`]))).to.deep.equal([SITE, second])
  })

  it('can resume where hooks lie in blocks before all edits, and before what transcoders read', () => {
    const edits = [resolvedEdit('blocks.1.attn.hook_z'), resolvedEdit('blocks.3.hook_resid_pre')]
    const after = (hooks: string[], saes: AttachedSae[] = []) =>
      editsAfterHooks(viewOf({ hooks, attached: saes }), edits)
    expect(after([])).to.equal(true)
    expect(after(['hook_embed', 'blocks.0.hook_mlp_out'])).to.equal(true)
    expect(after(['blocks.1.hook_resid_pre'])).to.equal(false)
    expect(after(['blocks.0.hook_resid_pre.hook_sae_acts_post'])).to.equal(false)
    expect(after(['blocks.0.hook_mlp_out'], [attachedAt('blocks.0.hook_resid_mid', 'blocks.2.hook_mlp_out')])).to.equal(false) // prettier-ignore
  })
})
