/** Batches of ids: padding, masks, tensors, and prompts that are refused. */
import { inspect } from 'node:util'
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { ArgumentError, TokenError } from '../../../lib/errors/errors.js'
import { tokenizerFromJson } from '../../../lib/tokens/tokenizer-json.js'
import { Tokens, toTokens, type Prompts, type TokenContext } from '../../../lib/tokens/tokens.js'

const tokenizer = tokenizerFromJson(JSON.parse(readFileSync('models/pocket/tokenizer.json', 'utf8')), {
  eos_token: '<|endoftext|>',
})
const pocket: TokenContext = { tokenizer, nCtx: 8, dVocab: 1293, name: 'pocket' }
const bare: TokenContext = { ...pocket, tokenizer: undefined, name: 'bare' }

describe('toTokens', () => {
  it('takes one text, several, one list of ids, several, or a batch', () => {
    const [a] = tokenizer.encode('a')
    expect(toTokens(pocket, 'a').rows).to.deep.equal([[0, a]])
    expect(toTokens(pocket, ['a', '']).rows).to.deep.equal([
      [0, a],
      [0, 0],
    ])
    expect(toTokens(bare, [5, 6, 7]).rows).to.deep.equal([[5, 6, 7]])
    const batch = toTokens(bare, [
      [5, 6],
      [7, 8],
    ])
    expect([batch.batch, batch.positions, batch.mask]).to.deep.equal([2, 2, undefined])
    expect(toTokens(pocket, batch)).to.equal(batch)
  })

  it('keeps BOS visible where it is the padding token too', () => {
    const left = toTokens(pocket, ['', 'a a'], { paddingSide: 'left' })
    expect(left.rows[0]).to.deep.equal([0, 0, 0])
    expect(left.mask).to.deep.equal([
      [0, 0, 1],
      [1, 1, 1],
    ])
    expect(toTokens(pocket, ['', 'a a']).mask![0]).to.deep.equal([1, 0, 0])
  })

  it('hides only what it filled up, not a padding token that was given', () => {
    const { rows, mask } = toTokens(pocket, [[0, 5, 0], [7]], { paddingSide: 'left' })
    expect(rows).to.deep.equal([
      [0, 5, 0],
      [0, 0, 7],
    ])
    expect(mask).to.deep.equal([
      [1, 1, 1],
      [0, 0, 1],
    ])
  })

  it('fills lists of ids without a tokenizer, too', () => {
    const { rows, mask } = toTokens(bare, [[3], [4, 5]])
    expect(rows[0]).to.deep.equal([3, 0])
    expect(mask![0]).to.deep.equal([1, 0])
  })

  it('cuts each text of a batch before it pads', () => {
    const long = 'a a a a a a a a a a'
    const { positions, mask } = toTokens(pocket, [long, 'a'])
    expect(positions).to.equal(8)
    expect(mask![1]).to.deep.equal([1, 1, 0, 0, 0, 0, 0, 0])
    expect(toTokens(pocket, long, { prependBos: false }).rows[0]).to.deep.equal(tokenizer.encode(long).slice(0, 8))
  })

  const nine = [1, 2, 3, 4, 5, 6, 7, 8, 9]
  const refused: [string, TokenContext, Prompts, object, string][] = [
    ['no prompts', pocket, [], {}, 'toTokens: the list of prompts is empty. Give at least one prompt.'],
    [
      'an empty text without BOS',
      pocket,
      ['a', ''],
      { prependBos: false },
      'prompt 1 has no tokens. Give at least one',
    ],
    ['an empty list of ids', bare, [[5], []], {}, 'prompt 1 has no tokens.'],
    ['ids beyond the context', bare, nine, {}, 'prompt 0 has 9 tokens, but the context of bare is 8. Shorten it'],
    ['a long text not to be cut', pocket, 'a'.repeat(99), { truncate: false }, 'but the context of pocket is 8.'],
    [
      'an id beyond the vocabulary',
      bare,
      [[5, 6], [1293]],
      {},
      'toTokens: the token id at row 1, position 0 is 1293. The ids of bare are whole numbers from 0 to 1292.',
    ],
    ['a negative id', bare, [5, -1], {}, 'the token id at row 0, position 1 is -1.'],
    ['half an id', bare, [5, 6, 0.5], {}, 'the token id at row 0, position 2 is 0.5.'],
    ['NaN', bare, [NaN], {}, 'the token id at row 0, position 0 is NaN.'],
    ['text where there is no tokenizer', bare, 'a', {}, 'toTokens: bare has no tokenizer, so it cannot take text.'],
    ['a mix of texts and ids', pocket, ['a', 5] as never, {}, 'the prompts hold 5 beside a text. Give texts only'],
    ['a mix of lists and ids', pocket, [[5], 5] as never, {}, 'the prompts hold 5 beside a list.'],
    ['nothing', pocket, undefined as never, {}, 'the prompts hold undefined. Give texts only, or lists of ids only.'],
    ['an object', pocket, new Map() as never, {}, 'the prompts hold an object (Map).'],
  ]
  for (const [what, context, prompts, options, words] of refused) {
    it(`refuses ${what}`, () => expect(() => toTokens(context, prompts, options)).to.throw(TokenError, words))
  }

  it('refuses BOS where the tokenizer has none', () => {
    const context = { ...pocket, tokenizer: { ...tokenizer, bosId: undefined } }
    expect(() => toTokens(context, 'a')).to.throw(
      TokenError,
      'toTokens: the tokenizer of pocket has no BOS token. Set prependBos to false.',
    )
    expect(toTokens(context, 'a', { prependBos: false }).rows).to.deep.equal([tokenizer.encode('a')])
  })

  it('refuses a padding side that is none', () => {
    expect(() => toTokens(pocket, 'a', { paddingSide: 'middle' as never })).to.throw(
      ArgumentError,
      "toTokens: paddingSide is \"middle\". It must be 'left' or 'right'.",
    )
  })

  it('checks a batch made for another model', () => {
    expect(() => toTokens({ ...bare, dVocab: 6 }, new Tokens([[5, 6]]))).to.throw(TokenError, 'position 1 is 6.')
    expect(() => toTokens({ ...bare, nCtx: 1 }, new Tokens([[5, 6]]))).to.throw(TokenError, 'has 2 tokens')
  })
})

describe('Tokens', () => {
  it('gives int32 tensors that the caller owns', async () => {
    const tokens = toTokens(bare, [[3], [4, 5]])
    const [ids, mask] = [tokens.tensor(), tokens.maskTensor()!]
    expect([ids.dtype, ids.shape, mask.dtype, mask.shape]).to.deep.equal(['int32', [2, 2], 'int32', [2, 2]])
    expect(await ids.array()).to.deep.equal(tokens.rows)
    expect(await mask.array()).to.deep.equal(tokens.mask)
    ids.dispose()
    mask.dispose()
    expect(toTokens(bare, [3]).maskTensor()).to.equal(undefined)
  })

  it('shows shape and rows', () => {
    expect(inspect(toTokens(bare, [[3], [4, 5]], { paddingSide: 'left' }))).to.equal(
      'Tokens [2,2], padded left\n  0 3\n  4 5',
    )
    const many = new Tokens(Array.from({ length: 10 }, () => Array<number>(40).fill(7)))
    const lines = inspect(many).split('\n')
    expect(lines).to.have.length(10)
    expect(lines[1]).to.match(/^ {2}(7 ){32}…$/)
    expect(lines[9]).to.equal('  … 2 more')
  })

  it('refuses rows or a mask that are not of one shape', () => {
    expect(() => new Tokens([[1, 2], [3]])).to.throw(
      TokenError,
      'Tokens: rows have lengths [2, 1]. Rows and mask need one length, of at least 1.',
    )
    expect(() => new Tokens([])).to.throw(TokenError, 'rows have lengths []')
    expect(() => new Tokens([[1, 2]], [[1]])).to.throw(TokenError, 'Rows and mask need one length')
  })
})
