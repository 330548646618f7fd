/** Choosing hook points by names, places, patterns and functions. */
import { expect } from 'chai'
import { chosenNames, type NameFilter } from '../../../lib/core/hook-filters.js'
import { head, point } from '../../../lib/core/sites.js'
import { hook } from '../../../lib/transformer/hook-names.js'
import { refusalOf } from '../../support/refusal.js'

const points = [
  { name: 'hook_embed', shape: '[B,P,D]' },
  { name: 'blocks.0.hook_resid_pre', shape: '[B,P,D]' },
  { name: 'blocks.0.hook_q_input', shape: '[B,P,H,D]', onRequest: true },
  { name: 'blocks.0.attn.hook_z', shape: '[B,P,H,K]' },
  { name: 'blocks.1.attn.hook_z', shape: '[B,P,H,K]' },
  { name: 'blocks.1.attn.hook_result', shape: '[B,P,H,D]', onRequest: true },
]
const choose = (filter?: NameFilter) => chosenNames('run', filter, { hookPoints: points, name: 'toy' })

describe('lib/core/hook-filters', () => {
  it('choose all points but those on request when there is none', () => {
    expect(choose()).to.deep.equal([
      'hook_embed',
      'blocks.0.hook_resid_pre',
      'blocks.0.attn.hook_z',
      'blocks.1.attn.hook_z',
    ])
  })

  it('choose one name, or several in firing order and once', () => {
    expect(choose('blocks.0.attn.hook_z')).to.deep.equal(['blocks.0.attn.hook_z'])
    expect(choose(['blocks.1.attn.hook_z', 'hook_embed', 'blocks.1.attn.hook_z'])).to.deep.equal([
      'hook_embed',
      'blocks.1.attn.hook_z',
    ])
  })

  it('choose points on request by name, by pattern and by function', () => {
    expect(choose('blocks.0.hook_q_input')).to.deep.equal(['blocks.0.hook_q_input'])
    expect(choose(/hook_result|hook_q/)).to.deep.equal(['blocks.0.hook_q_input', 'blocks.1.attn.hook_result'])
    expect(choose((name) => name.endsWith('t'))).to.deep.equal(['blocks.0.hook_q_input', 'blocks.1.attn.hook_result'])
  })

  it('choose a place, alone or among names', () => {
    expect(choose(point('resid_pre', 0))).to.deep.equal(['blocks.0.hook_resid_pre'])
    expect(choose([hook('z', 1), point('embed')])).to.deep.equal(['hook_embed', 'blocks.1.attn.hook_z'])
  })

  it('refuse a unit, as activations are taken whole', async () => {
    const message =
      'ArgumentError: run: {"hook":"blocks.1.attn.hook_z","unit":2} names a unit, and activations are taken whole. ' +
      "Give 'blocks.1.attn.hook_z'."
    expect(await refusalOf(() => choose(head(1, 2)))).to.equal(message)
    expect(await refusalOf(() => choose(['hook_embed', head(1, 2)]))).to.equal(message)
  })

  for (const flags of ['', 'g', 'y', 'gy', 'i']) {
    it(`match every name with a pattern of flags '${flags}', and leave it as it was`, () => {
      const pattern = new RegExp(flags.includes('i') ? 'BLOCKS\\..*_Z$' : 'blocks\\..*hook_z$', flags)
      const both = ['blocks.0.attn.hook_z', 'blocks.1.attn.hook_z']
      expect(choose(pattern)).to.deep.equal(both)
      expect(choose(pattern)).to.deep.equal(both)
      expect(pattern.lastIndex).to.equal(0)
    })
  }

  it('refuse an unknown name with the nearest one, alone or in a list', async () => {
    const message =
      "HookError: run: no hook point 'blocks.2.attn.hook_z' in toy (2 layers: 0–1). Did you mean 'blocks.1.attn.hook_z'?"
    expect(await refusalOf(() => choose('blocks.2.attn.hook_z'))).to.equal(message)
    expect(await refusalOf(() => choose(['hook_embed', 'blocks.2.attn.hook_z']))).to.equal(message)
    expect(await refusalOf(() => choose('zzz'))).to.equal("HookError: run: no hook point 'zzz' in toy (2 layers: 0–1).")
  })

  const isX = (name: string) => name === 'x'
  const none: [string, NameFilter, string][] = [
    ['a pattern', /hook_zz$/, '/hook_zz$/'],
    ['a function', isX, String(isX)],
    ['a list', [], '[]'],
  ]
  for (const [what, filter, shown] of none) {
    it(`refuse ${what} that chooses nothing`, async () => {
      expect(await refusalOf(() => choose(filter))).to.equal(
        `HookError: run: no hook point of toy is chosen by ${shown}. See model.hookNames for the names.`,
      )
    })
  }
})
