/** Labels of prompts, positions and tokens: text where there is some, bytes where a token is a part of a character. */
import { expect } from 'chai'
import { positionAxis, promptAxis, tokenLabel } from '../../../lib/core/labels.js'
import type { HookedModel } from '../../../lib/model.js'
import { spell, spellText } from '../../../lib/tokens/byte-level.js'
import { gpt2Tokenizer } from '../../../lib/tokens/gpt-tokenizer.js'
import type { Tokenizer } from '../../../lib/tokens/tokenizer.js'
import { pocket } from '../../support/pocket.js'
import { tinyModel } from '../../support/tiny-gpt2.js'

describe('lib/core/labels', () => {
  let tokenizer: Tokenizer
  let model: HookedModel
  before(async () => {
    model = await pocket()
    tokenizer = await gpt2Tokenizer()
  })
  const labels = (text: string) => tokenizer.encode(text).map((id) => tokenLabel(tokenizer, id))

  it('shows the text of a token', () => {
    expect(labels(' Mary\n!')).to.deep.equal([' Mary', '\n', '!'])
    expect(labels('café')).to.deep.equal(['c', 'af', 'é'])
    expect(tokenLabel(tokenizer, tokenizer.eosId!)).to.equal('<|endoftext|>')
  })

  it('shows the bytes of a part of a character, and what is whole beside it', () => {
    expect(labels('“')).to.deep.equal(['\\xe2\\x80', '\\x9c'])
    expect(labels(' 😀')).to.deep.equal([' \\xf0\\x9f\\x98', '\\x80'])
  })

  it('shows just the bytes of which every token is made', () => {
    const escapes = /\\x([89a-f][\da-f])/
    for (let id = 0; id < tokenizer.vocabSize; id++) {
      const text = tokenizer.tokenString(id)
      const label = tokenLabel(tokenizer, id)
      if (!text.includes('\ufffd')) expect(label).to.equal(text)
      else {
        const parts = label.split(escapes).map((part, i) => (i % 2 ? spell([parseInt(part, 16)]) : spellText(part)))
        expect(parts.join(''), `token ${id}`).to.equal(tokenizer.vocabularyEntry(id))
      }
    }
  })

  it('shows U+FFFD where it is the text itself, and the id where there is no tokenizer', () => {
    expect(tokenizer.encode('\ufffd').map((id) => tokenLabel(tokenizer, id)).join('')).to.equal('\ufffd') // prettier-ignore
    expect(tokenLabel(undefined, 17)).to.equal('17')
  })

  it('labels prompts by their texts, without BOS and padding, and numbered', async () => {
    const texts = ['Anna and Ben', 'Anna', 'Anna and Ben']
    for (const paddingSide of ['left', 'right'] as const) {
      const tokens = model.toTokens(texts, { paddingSide })
      expect(promptAxis(model, tokens)).to.deep.equal({
        name: 'prompt',
        labels: ['0: Anna and Ben', '1: Anna', '2: Anna and Ben'],
      })
    }
    expect(promptAxis(model, model.toTokens(texts, { prependBos: false })).labels[1]).to.equal('1: Anna')
    expect(promptAxis(model, model.toTokens(texts), 1).labels).to.deep.equal(['all prompts'])
  })

  it('labels positions by number and token, with … where prompts differ', async () => {
    const tokens = model.toTokens(['Anna and Ben went', 'Anna and Eva went'])
    const all = tokens.rows[0]!.map((_, p) => p)
    expect(positionAxis(model, tokens, all)).to.deep.equal({
      name: 'position',
      labels: ['0 <|endoftext|>', '1 Anna', '2 and', '3 Ben…', '4 went'],
    })
    expect(positionAxis(model, tokens, [4, 1]).labels).to.deep.equal(['4 went', '1 Anna'])
  })

  it('labels both by ids where the model has no tokenizer', async () => {
    using tiny = await tinyModel()
    const tokens = tiny.toTokens([
      [3, 1, 4],
      [3, 2, 4],
    ])
    expect(promptAxis(tiny, tokens).labels).to.deep.equal(['0: 3 1 4', '1: 3 2 4'])
    expect(positionAxis(tiny, tokens, [0, 1]).labels).to.deep.equal(['0 3', '1 1…'])
  })
})
