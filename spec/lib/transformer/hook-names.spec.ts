/** Shorthands of hook names, as recorded from TransformerLens. */
import { expect } from 'chai'
import { actName } from '../../../lib/transformer/hook-names.js'
import { reference } from '../../support/reference.js'

describe('lib/transformer/hook-names', () => {
  it('spells out every recorded shorthand', async () => {
    const { json } = await reference('models/gpt2')
    const cases = json['get_act_name'] as { args: [string, number?, string?]; name: string }[]
    expect(cases.length).to.be.greaterThan(30)
    for (const { args, name } of cases) expect(actName(...args), args.join(', ')).to.equal(name)
  })

  it('leaves full names as they are, layer or not', () => {
    for (const name of [
      'blocks.0.attn.hook_z',
      'hook_embed',
      'ln_final.hook_scale',
      'blocks.1.hook_resid_pre.hook_sae_error',
    ]) {
      expect(actName(name)).to.equal(name)
      expect(actName(name, 3)).to.equal(name)
    }
  })

  it('reads a layer and a norm that are packed into the name', () => {
    expect(actName('resid_post11')).to.equal('blocks.11.hook_resid_post')
    expect(actName('normalized2ln2')).to.equal('blocks.2.ln2.hook_normalized')
    expect(actName('scale3', undefined, 'mlp')).to.equal('blocks.3.ln2.hook_scale')
  })
})
