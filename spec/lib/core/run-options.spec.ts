/** Verbs refuse options that they do not have, before any run. */
import { expect } from 'chai'
import type { HookedModel } from '../../../lib/model.js'
import { refusalOf } from '../../support/refusal.js'
import { warmTinyModel } from '../../support/tiny-gpt2.js'

describe('lib/core/run-options', () => {
  let tiny: HookedModel
  before(async () => (tiny = await warmTinyModel()))
  after(() => tiny.dispose())

  const prompt = [3, 1, 4]
  const wrong = (options: object) => options as never
  const calls: [verb: string, (options: object) => unknown, misspelt: string, meant: string][] = [
    ['run', (o) => tiny.run(prompt, wrong(o)), 'form', 'from'],
    ['runWithCache', (o) => tiny.runWithCache(prompt, wrong(o)), 'name', 'names'],
    ['runWithGradients', (o) => tiny.runWithGradients(prompt, wrong(o)), 'metrics', 'metric'],
    ['loss', (o) => tiny.loss(prompt, wrong(o)), 'prependBOS', 'prependBos'],
    ['lossPerToken', (o) => tiny.lossPerToken(prompt, wrong(o)), 'paddingside', 'paddingSide'],
    ['generate', (o) => tiny.generate(prompt, wrong(o)), 'maxTokens', 'maxNewTokens'],
    ['generate', (o) => tiny.stream(prompt, wrong(o)), 'temprature', 'temperature'],
    ['toTokens', (o) => tiny.toTokens(prompt, wrong(o)), 'trunkate', 'truncate'],
    ['toStrTokens', (o) => tiny.toStrTokens(prompt, wrong(o)), 'prepend', 'prependBos'],
    ['getTokenPosition', (o) => tiny.getTokenPosition(4, prompt, wrong(o)), 'mod', 'mode'],
    ['withSaes', (o) => tiny.withSaes([], wrong(o)), 'errorTrem', 'errorTerm'],
  ]
  for (const [verb, call, misspelt, meant] of calls) {
    it(`${verb} asks whether ${misspelt} was meant to be ${meant}`, async () => {
      const start = `ArgumentError: ${verb}: there is no option '${misspelt}'. Did you mean '${meant}'? The options are `
      expect(await refusalOf(() => call({ [misspelt]: true }))).to.satisfy((text: string) => text.startsWith(start))
    })
  }
})
