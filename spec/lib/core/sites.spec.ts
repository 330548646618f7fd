/** Ways to point at a part of a model. */
import { expect } from 'chai'
import { head, latents, neurons, point } from '../../../lib/core/sites.js'
import { loadModel } from '../../../models/load-model.js'
import { loadSae } from '../../../saes/load-sae.js'
import { refusalOf } from '../../support/refusal.js'

describe('lib/core/sites', () => {
  it('name hook points, and units of them', () => {
    expect(point('resid_pre', 7)).to.deep.equal({ hook: 'blocks.7.hook_resid_pre' })
    expect(point('scale', 3, 'ln1')).to.deep.equal({ hook: 'blocks.3.ln1.hook_scale' })
    expect(head(9, 6)).to.deep.equal({ hook: 'blocks.9.attn.hook_z', unit: 6 })
    expect(head(0, 1, 'pattern')).to.deep.equal({ hook: 'blocks.0.attn.hook_pattern', unit: 1 })
    expect(neurons(3, 14, 15)).to.deep.equal({ hook: 'blocks.3.mlp.hook_post', unit: [14, 15] })
  })

  it('are all points and units that the embedded model has', async () => {
    using model = await loadModel()
    using sae = await loadSae('pocket-res', 'blocks.2.hook_resid_pre')
    const { hookNames } = model.withSaes(sae)
    expect(hookNames).to.include.members([point('mlp_out', 1).hook, head(2, 5, 'q').hook, neurons(3, 0).hook])
    expect(latents(sae, 3, 14)).to.deep.equal({ hook: 'blocks.2.hook_resid_pre.hook_sae_acts_post', unit: [3, 14] })
    expect(hookNames).to.include(latents(sae, 3).hook)
    expect(await refusalOf(() => latents(sae, 768))).to.match(/768/)
  })

  const refused: Record<string, [() => unknown, string]> = {
    'a layer that is none': [() => head(-1, 6), 'head: layer is -1. It must be a whole number, at least 0.'],
    'a head that is none': [() => head(1, 0.5), 'head: head is 0.5. It must be a whole number, at least 0.'],
    'no neuron': [() => neurons(1), 'neurons: no number is given. Give at least one: neurons(3, 14).'],
  }
  for (const [title, [build, words]] of Object.entries(refused)) {
    it(`refuse ${title}`, async () => expect(await refusalOf(build)).to.equal(`ArgumentError: ${words}`))
  }
})
