/** Functions that make edits: plain data of a site, and what results call them. */
import { expect } from 'chai'
import * as tf from '@tensorflow/tfjs'
import { head, latents, neurons, point } from '../../../../lib/core/sites.js'
import { describeIntervention } from '../../../../lib/sweep/edits/describe-edits.js'
import { add, mean, nothing, patch, resample, zero, type Intervention } from '../../../../lib/sweep/index.js'

const sae = { hookName: 'blocks.2.hook_resid_pre', checkLatent: () => undefined }

describe('functions that make edits', () => {
  it('give plain data', () => {
    expect(zero(head(9, 6))).to.deep.equal({ hook: 'blocks.9.attn.hook_z', unit: 6, to: 'zero' })
    expect(mean(neurons(3, 14))).to.deep.equal({ hook: 'blocks.3.mlp.hook_post', unit: [14], to: 'mean' })
    expect(resample(point('mlp_out', 3))).to.deep.equal({ hook: 'blocks.3.hook_mlp_out', to: 'resample' })
    expect(patch(point('resid_pre', 7))).to.deep.equal({ hook: 'blocks.7.hook_resid_pre', to: 'source' })
    expect(patch(latents(sae, 3), 2.5)).to.deep.equal({
      hook: `${sae.hookName}.hook_sae_acts_post`,
      unit: [3],
      to: 2.5,
    })
    expect(add(point('resid_post', 5), [1, 2])).to.deep.equal({ hook: 'blocks.5.hook_resid_post', add: [1, 2] })
    expect(nothing).to.deep.equal({ nothing: true })
  })

  it('take positions, columns and labels', () => {
    const site = { hook: 'hook_embed' }
    expect(zero(site, { position: -1 })).to.deep.equal({ ...site, position: -1, to: 'zero' })
    expect(mean(site, { column: 2 })).to.deep.equal({ ...site, column: 2, to: 'mean' })
    expect(resample(site, { label: 'other' })).to.deep.equal({ ...site, label: 'other', to: 'resample' })
    expect(patch(site, 'source', { position: [1, 2] })).to.deep.equal({ ...site, position: [1, 2], to: 'source' })
    expect(add(site, 1, { position: 0 })).to.deep.equal({ ...site, position: 0, add: 1 })
  })

  it('make interventions that results call by what they change', () => {
    const tensor = tf.zeros([1])
    const z = 'blocks.9.attn.hook_z'
    const names: [Intervention, string][] = [
      [zero(head(9, 6)), `${z} 6 zero`],
      [zero(head(9, 6), { label: 'L9H6' }), 'L9H6'],
      [patch(latents(sae, 3, 14), 2.5, { position: [1, -1] }), 'blocks.2.hook_resid_pre.hook_sae_acts_post 3,14 at 1,-1 2.5'],
      [patch(point('z', 9), tensor, { column: 4 }), `${z} at 4 given`],
      [add(point('z', 9), 2), `${z} + 2`],
      [add(point('z', 9), [1]), `${z} + given`],
      [{ hook: z, by: function halve() {} }, `${z} halve`],
      [{ hook: z, by: [() => {}][0]! }, `${z} function`],
      [[patch(head(9, 6)), mean(point('z', 9))], `${z} 6 source + ${z} mean`],
      [nothing, 'nothing'],
      [{ nothing: true, label: 'no path' }, 'no path'],
    ] // prettier-ignore
    for (const [intervention, name] of names) expect(describeIntervention(intervention)).to.equal(name)
    tensor.dispose()
  })
})
