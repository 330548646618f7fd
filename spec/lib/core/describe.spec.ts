/** What is told of a view. */
import { expect } from 'chai'
import type { HookedModel } from '../../../lib/model.js'
import { embeddedSae } from '../../support/saes.js'
import { pocket } from '../../support/pocket.js'

describe('lib/core/describe', () => {
  let model: HookedModel
  before(async () => {
    model = await pocket()
  })

  it('lists every hook point with its axes and its shape in this model', () => {
    const { columns, rows } = model.hooksTable()
    expect(columns.map(({ name }) => name)).to.deep.equal(['hook point', 'axes', 'shape', 'computed'])
    expect(rows.map(([name]) => name)).to.deep.equal(model.hookNames)
    const row = (name: string) => rows.find(([each]) => each === name)
    expect(row('blocks.2.attn.hook_z')).to.deep.equal(['blocks.2.attn.hook_z', '[B,P,H,K]', '[B,P,8,16]', ''])
    expect(row('blocks.0.hook_q_input')).to.deep.equal([
      'blocks.0.hook_q_input',
      '[B,P,H,D]',
      '[B,P,8,128]',
      'on request',
    ])
  })

  it('lists the points inside SAEs by their axes, whose letters are the SAE’s own', async () => {
    using sae = await embeddedSae('pocket-z/blocks.1.hook_z')
    const { rows } = model.withSaes(sae).hooksTable()
    const name = 'blocks.1.attn.hook_z.hook_sae_acts_post'
    expect(rows.find(([each]) => each === name)).to.deep.equal([name, '[B,P,S]', '', ''])
  })
})
