/** Shorthands of hook names, as recorded from TransformerLens. */
import { expect } from 'chai'
import { actName, blockOf, isAfterBlocks, layerOf, parseHook } from '../../../lib/transformer/hook-names.js'
import { reference } from '../../support/reference.js'

describe('lib/transformer/hook-names', () => {
  it('takes a name apart', () => {
    const cases: Record<string, ReturnType<typeof parseHook>> = {
      'blocks.11.attn.hook_z': { layer: 11, module: 'attn', point: 'hook_z', sae: undefined, local: 'attn.hook_z' },
      'blocks.0.hook_resid_pre': { layer: 0, module: undefined, point: 'hook_resid_pre', sae: undefined, local: 'hook_resid_pre' }, // prettier-ignore
      'blocks.3.mlp.ln.hook_scale': { layer: 3, module: 'mlp.ln', point: 'hook_scale', sae: undefined, local: 'mlp.ln.hook_scale' }, // prettier-ignore
      'ln_final.hook_normalized': { layer: undefined, module: 'ln_final', point: 'hook_normalized', sae: undefined, local: 'ln_final.hook_normalized' }, // prettier-ignore
      hook_embed: { layer: undefined, module: undefined, point: 'hook_embed', sae: undefined, local: 'hook_embed' },
    }
    for (const [name, parts] of Object.entries(cases)) {
      expect(parseHook(name), name).to.deep.equal(parts)
      for (const inside of ['hook_sae_acts_post', 'hook_sae_output.hook_sae_acts_post'])
        expect(parseHook(`${name}.${inside}`), name).to.deep.equal({ ...parts, sae: 'hook_sae_acts_post' })
    }
  })

  it('says the block, and what lies before and after all of them', () => {
    const names = ['hook_embed', 'blocks.3.ln1.hook_scale', 'ln_final.hook_scale', 'unembed.hook_out', 'xblocks.3.hook']
    expect(names.map(layerOf)).to.deep.equal([undefined, 3, undefined, undefined, undefined])
    expect(names.map(blockOf)).to.deep.equal([-1, 3, Infinity, Infinity, -1])
    expect(names.map(isAfterBlocks)).to.deep.equal([false, false, true, true, false])
  })

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
