/** Fields of a config.json: what is taken and the words for what is not. */
import { expect } from 'chai'
import { ConfigReader } from '../../../lib/transformer/config-reader.js'
import { refusalOf } from '../../support/refusal.js'

const reader = (json: unknown) => new ConfigReader(json, 'm/config.json')

describe('lib/transformer/config-reader', () => {
  it('reads fields of every kind', () => {
    const read = reader({ n: 12, eps: 1e-5, on: false, name: 'x', act: 'relu', inner: { n: 3 }, none: null })
    expect(read.size('n')).to.equal(12)
    expect(read.positive('eps')).to.equal(1e-5)
    expect(read.flag('on')).to.equal(false)
    expect(read.text('name')).to.equal('x')
    expect(read.oneOf('act', ['gelu', 'relu'])).to.equal('relu')
    expect(read.record('inner').size('n')).to.equal(3)
    expect(['n', 'on', 'none', 'missing'].map((key) => read.has(key))).to.deep.equal([true, true, false, false])
  })

  it('takes the fallback for a field that is missing or null', () => {
    const read = reader({ n_inner: null })
    expect(read.size('n_inner', 48)).to.equal(48)
    expect(read.positive('eps', 0.5)).to.equal(0.5)
    expect(read.flag('on', true)).to.equal(true)
    expect(read.text('name', 'y')).to.equal('y')
    expect(read.oneOf('act', ['gelu', 'relu'], 'gelu')).to.equal('gelu')
  })

  it('names a missing field, its kind, and a field that looks like it', async () => {
    expect(await refusalOf(() => reader({ n_layers: 2 }).size('n_layer'))).to.equal(
      "ConfigError: m/config.json: the field 'n_layer' is missing. It must be a whole number above 0. Did you mean 'n_layers'?",
    )
    expect(await refusalOf(() => reader({}).text('model_type'))).to.equal(
      "ConfigError: m/config.json: the field 'model_type' is missing. It must be a string.",
    )
    expect(await refusalOf(() => reader({ on: null }).flag('on'))).to.match(
      /^ConfigError: .*'on' is missing\. It must be true or false\./,
    )
  })

  const wrong: [string, (read: ConfigReader) => unknown, unknown[]][] = [
    ['a whole number above 0', (read) => read.size('field'), ['12', 0, -1, 1.5, 2 ** 31, true, [12], {}]],
    ['a number above 0', (read) => read.positive('field'), ['1', 0, -1e-5, false, [1]]],
    ['true or false', (read) => read.flag('field'), ['true', 1, 0, []]],
    ['a string', (read) => read.text('field'), [1, false, ['gelu'], {}]],
  ]
  for (const [what, get, values] of wrong) {
    for (const value of values) {
      it(`refuses ${JSON.stringify(value)} for ${what}`, async () => {
        expect(await refusalOf(() => get(reader({ field: value })))).to.equal(
          `ConfigError: m/config.json: field is ${JSON.stringify(value)}. It must be ${what}.`,
        )
      })
    }
  }

  it('names the choices and the nearest for a string that is none of them', async () => {
    expect(await refusalOf(() => reader({ act: 'gelu_nw' }).oneOf('act', ['gelu_new', 'relu']))).to.equal(
      "ConfigError: m/config.json: act is 'gelu_nw', which is not supported. It must be 'gelu_new' or 'relu'. Did you mean 'gelu_new'?",
    )
  })

  for (const [json, shown] of [
    [null, 'null'],
    [[1, 2], '[1,2]'],
    ['text', '"text"'],
    [3, '3'],
    [undefined, 'undefined'],
  ] as const) {
    it(`refuses a file that holds ${shown}`, async () => {
      expect(await refusalOf(() => reader(json))).to.equal(
        `ConfigError: m/config.json: the file holds ${shown}. It must be a JSON object.`,
      )
    })
  }

  it('names the place of a record that is none', async () => {
    expect(await refusalOf(() => reader({ inner: 3 }).record('inner'))).to.equal(
      'ConfigError: m/config.json (inner): the file holds 3. It must be a JSON object.',
    )
  })
})
