/** Texts, tokens and positions: what is refused and how it is said. The right answers are in recorded.spec.ts. */
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { ArgumentError, TokenError } from '../../../lib/errors/errors.js'
import { getTokenPosition, toSingleToken, toStrTokens, toString } from '../../../lib/tokens/strings.js'
import { tokenizerFromJson } from '../../../lib/tokens/tokenizer-json.js'
import type { TokenContext } from '../../../lib/tokens/tokens.js'

const tokenizer = tokenizerFromJson(JSON.parse(readFileSync('models/pocket/tokenizer.json', 'utf8')), {
  eos_token: '<|endoftext|>',
})
const pocket: TokenContext = { tokenizer, nCtx: 256, dVocab: 1293, name: 'pocket' }
const bare: TokenContext = { ...pocket, tokenizer: undefined, name: 'bare' }
const mary = toSingleToken(pocket, ' Mary')

describe('toSingleToken', () => {
  it('lists the tokens of a text that is several', () => {
    const ids = tokenizer.encode('Zür')
    const list = ids.map((id) => `${JSON.stringify(tokenizer.tokenString(id))} (${id})`).join(', ')
    expect(ids).to.have.length.above(1)
    expect(() => toSingleToken(pocket, 'Zür')).to.throw(
      TokenError,
      `toSingleToken: "Zür" is ${ids.length} tokens: ${list}. Give exactly one.`,
    )
  })

  it('suggests the space in front, or none', () => {
    expect(() => toSingleToken(pocket, '  Mary')).to.throw(TokenError, 'Give exactly one. Did you mean "Mary"?')
    const inside = { encode: (text: string) => (text === ' Zoë' ? [7] : [8, 9]), tokenString: () => 'Z' }
    const context = { ...pocket, tokenizer: { ...tokenizer, ...inside } }
    expect(() => toSingleToken(context, 'Zoë')).to.throw(TokenError, 'Did you mean " Zoë"?')
  })

  it('refuses an empty text', () => {
    expect(() => toSingleToken(pocket, '')).to.throw(TokenError, 'toSingleToken: "" is no tokens. Give exactly one.')
  })
})

describe('getTokenPosition', () => {
  it('takes ids and counts them as they are', () => {
    expect(getTokenPosition(bare, 5, [4, 5, 5])).to.equal(1)
    expect(getTokenPosition(bare, 5, [4, 5, 5], { mode: 'last' })).to.equal(2)
    expect(getTokenPosition(pocket, mary, 'A Mary', { prependBos: false })).to.equal(1)
  })

  it('says what the prompt holds, and what may have been meant', () => {
    expect(() => getTokenPosition(pocket, 'Mary', 'A Mary')).to.throw(
      TokenError,
      `getTokenPosition: token "Mary" (${toSingleToken(pocket, 'Mary')}) does not occur in the prompt. ` +
        `Its tokens are "<|endoftext|>", "A", " Mary". Did you mean ' Mary'?`,
    )
    expect(() => getTokenPosition(bare, 9, Array<number>(50).fill(1))).to.throw(TokenError, '"1", and 10 more.')
  })

  it('refuses a mode that is none, and ids beyond the vocabulary', () => {
    expect(() => getTokenPosition(bare, 5, [5], { mode: 'middle' as never })).to.throw(
      ArgumentError,
      "getTokenPosition: mode is \"middle\". It must be 'first' or 'last'.",
    )
    expect(() => getTokenPosition(bare, 1293, [5])).to.throw(TokenError, 'the token id is 1293.')
    expect(() => getTokenPosition(bare, 5, [5, -2])).to.throw(
      TokenError,
      'getTokenPosition: the token id at position 1',
    )
  })
})

describe('toString and toStrTokens', () => {
  it('refuse ids beyond the vocabulary', () => {
    expect(() => toString(pocket, [5, 1293])).to.throw(TokenError, 'toString: the token id at position 1 is 1293.')
    expect(() => toStrTokens(pocket, [1.5])).to.throw(TokenError, 'toStrTokens: the token id at position 0 is 1.5.')
  })

  it('say when the model has no tokenizer', () => {
    expect(() => toString(bare, [5])).to.throw(TokenError, 'toString: bare has no tokenizer')
    expect(() => toStrTokens(bare, [5])).to.throw(TokenError, 'toStrTokens: bare has no tokenizer')
    expect(() => toSingleToken(bare, 'a')).to.throw(TokenError, 'toSingleToken: bare has no tokenizer')
  })

  it('give nothing for nothing', () => {
    expect(toString(pocket, [])).to.equal('')
    expect(toStrTokens(pocket, '', { prependBos: false })).to.deep.equal([])
  })
})
