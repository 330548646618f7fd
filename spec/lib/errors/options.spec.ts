/** Names of options that nobody reads. */
import { expect } from 'chai'
import { checkOptions } from '../../../lib/errors/options.js'
import { refusalOf } from '../../support/refusal.js'

interface Options {
  readonly target?: string
  readonly position?: number
}

describe('lib/errors/options', () => {
  const known = { target: true, position: true } as const
  const check = (options: unknown) => refusalOf(() => checkOptions<Options>('ablation', options as Options, known))

  it('takes the names of an interface, or none', () => {
    checkOptions<Options>('ablation', {}, known)
    checkOptions<Options>('ablation', { position: -1, target: 'heads' }, known)
  })

  it('refuses any other name, with the nearest', async () => {
    expect(await check({ target: 'heads', postion: -1 })).to.equal(
      "ArgumentError: ablation: there is no option 'postion'. Did you mean 'position'? The options are target, position.",
    )
    expect(await check({ toString: 1 })).to.match(/there is no option 'toString'\. The options/)
  })

  it('refuses what is no object', async () => {
    expect(await check(['heads'])).to.match(
      /^ArgumentError: ablation: options is a list\. It must be an object such as/,
    )
    expect(await check('heads')).to.match(/options is heads\./)
    expect(await check(null)).to.match(/options is null\./)
  })
})
