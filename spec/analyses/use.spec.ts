/** model.use: analyses as methods of a view. */
import { expect } from 'chai'
import { ablation, attributionPatching, directLogitAttribution } from '../../analyses/index.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import { head, latents } from '../../lib/core/sites.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts } from '../../lib/tokens/tokens.js'
import type { Sae } from '../../saes/index.js'
import { expectClose } from '../support/close.js'
import { ioi, quiet, type Ioi } from '../support/ioi.js'
import { pocket } from '../support/pocket.js'
import { embeddedSae } from '../support/saes.js'

/** An analysis of somebody else's: not async, with arguments of its own. */
const countLayers = (view: HookedModel, factor: number, text = 'layers') => `${view.config.nLayers * factor} ${text}`

/** What a method can tell of the view it is called on. */
const describeView = (view: HookedModel, _input?: Prompts) => ({
  saes: view.saes.map((sae) => sae.label),
  hooks: view.hookNames.filter((name) => name.includes('hook_sae_')).length,
  view,
})

describe('use', () => {
  let model: HookedModel
  let few: Ioi
  let sae: Sae

  before(async () => {
    model = await pocket()
    few = await ioi(2)
    sae = await embeddedSae('pocket-z/blocks.2.hook_z')
  })
  after(() => sae.dispose())

  it('gives typed methods that do what the functions do', async () => {
    const lens = model.use({ ablation, directLogitAttribution })
    const options = { metric: few.metric, target: head(1, 1), ...quiet }
    const [method, plain] = [await lens.ablation(few.clean, options), await ablation(model, few.clean, options)]
    expectClose(method.values, plain.values, 0)
    expect(method.toJSON()).to.deep.equal(plain.toJSON())
    const text: string = model.use({ countLayers }).countLayers(2)
    expect(text).to.equal('8 layers')
    expect(model.use({ countLayers }).countLayers(3, 'floors')).to.equal('12 floors')
    // @ts-expect-error a string is no factor
    expect(model.use({ countLayers }).countLayers('two')).to.equal('NaN layers')
  })

  it('works on every view that is derived from it, each method seeing the view it is called on', async () => {
    const lens = model.use({ ablation, attributionPatching, describeView })
    const spliced = lens.withSaes(sae, { errorTerm: true })
    expect(spliced.describeView()).to.deep.equal({ saes: ['pocket-z/blocks.2.hook_z'], hooks: 6, view: spliced })
    expect(lens.describeView()).to.deep.equal({ saes: [], hooks: 0, view: lens })
    expect(spliced.plain().describeView().saes).to.deep.equal([])
    expect(lens.stopAt(2).describeView().view.toString()).to.equal(lens.stopAt(2).toString())
    const hooked = spliced.withHooks({ hook_embed: () => undefined })
    const options = { metric: few.metric, target: latents(sae, 37), position: -1, ...quiet } as const
    const result = await hooked.ablation(few.clean, options)
    expect(result.provenance).to.include.keys('saes', 'hooks')
    expectClose(result.values, (await ablation(spliced, few.clean, options)).values, 0)
  })

  it('adds to what is used already, and leaves the view it is called on alone', () => {
    const first = model.use({ countLayers })
    const both = first.use({ describeView })
    expect([both.countLayers(1), both.describeView().view]).to.deep.equal(['4 layers', both])
    expect('describeView' in first).to.equal(false)
    expect('countLayers' in model).to.equal(false)
    expect(Object.keys(both)).to.include.members(['countLayers', 'describeView'])
  })

  it('refuses a name that is taken', () => {
    for (const name of ['run', 'withSaes', 'config', 'use', 'toString', 'constructor', 'dispose', 'hasOwnProperty'])
      expect(() => model.use({ [name]: countLayers }), name).to.throw(
        ArgumentError,
        `use: the name '${name}' is taken on this model. Give the analysis another name.`,
      )
    const lens = model.use({ countLayers })
    expect(() => lens.use({ countLayers })).to.throw(ArgumentError, "the name 'countLayers' is taken")
    expect(() => lens.withSaes(sae).use({ countLayers })).to.throw(ArgumentError, "the name 'countLayers' is taken")
  })

  it('refuses what is no function', () => {
    for (const [thing, what] of [
      [{}, 'object'],
      ['ablation', 'string'],
      [undefined, 'undefined'],
    ] as const)
      expect(() => model.use({ lens: thing as never })).to.throw(
        ArgumentError,
        `use: 'lens' is ${what}. An analysis is a function.`,
      )
  })
})
