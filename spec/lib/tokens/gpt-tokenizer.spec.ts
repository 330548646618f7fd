/** GPT-2's tokenizer: ids recorded from the Rust tokenizers with GPT-2's own files, and laws on seeded random text. */
import ranks from 'gpt-tokenizer/bpeRanks/r50k_base'
import { expect } from 'chai'
import { TokenError } from '../../../lib/errors/errors.js'
import { random } from '../../../lib/stats/random.js'
import { spell, spellText } from '../../../lib/tokens/byte-level.js'
import { gpt2Tokenizer } from '../../../lib/tokens/gpt-tokenizer.js'
import { tokenizerFromJson } from '../../../lib/tokens/tokenizer-json.js'
import { tokenizerJsonFromMerges } from '../../../lib/tokens/vocab-merges.js'
import { randomText } from './random-text.js'

/** tokenizers 0.22.2 (Rust), ByteLevel BPE on GPT-2's encoder.json and vocab.bpe. */
const recorded: [string, number[]][] = [
  ['Hello world', [15496, 995]],
  [' the cat sat', [262, 3797, 3332]],
  ['When Mary and John went to the store', [2215, 5335, 290, 1757, 1816, 284, 262, 3650]],
  [
    "don't we'll it's  two  spaces\tand\n\nlines  ",
    [9099, 470, 356, 1183, 340, 338, 220, 734, 220, 9029, 197, 392, 198, 198, 6615, 220, 220],
  ],
  ['naïve café — “quoted”', [2616, 38776, 40304, 851, 564, 250, 421, 5191, 447, 251]],
  ['emoji 🙂 👩\u200d🚀', [368, 31370, 32485, 50169, 102, 447, 235, 8582, 248, 222]],
  ['日本語 العربية', [33768, 98, 17312, 105, 45739, 252, 28981, 44690, 26897, 39848, 22654, 45632]],
  ['a<|endoftext|>b', [64, 50256, 65]],
  ['<|endoftext|><|endoftext|>x<|endof', [50256, 50256, 87, 27, 91, 437, 1659]],
  ["it\ufeff's \ufeff \ufeffb", [270, 171, 119, 123, 6, 82, 27332, 119, 123, 27332, 119, 123, 65]],
  ["a\u0085 b \u0085\u0085's", [64, 126, 227, 275, 1587, 227, 126, 227, 338]],
  ['\u00a0\u3000x \u200b', [1849, 5099, 222, 87, 20126]],
  ['12½ ٣ 2024', [1065, 23141, 18923, 96, 48609]],
  ['x\u001cy \u000b\u2028z', [87, 216, 88, 220, 199, 447, 101, 89]],
]

describe('gpt2Tokenizer', () => {
  it('gives the ids of the Rust tokenizers', async () => {
    const tokenizer = await gpt2Tokenizer()
    for (const [text, ids] of recorded) {
      expect(tokenizer.encode(text), JSON.stringify(text)).to.deep.equal(ids)
      expect(tokenizer.decode(ids)).to.equal(text)
    }
  })

  it('has 50,257 ids and one special token for everything', async () => {
    const { vocabSize, bosId, eosId, padId, prependsBos } = await gpt2Tokenizer()
    expect({ vocabSize, bosId, eosId, padId, prependsBos }).to.deep.equal({
      vocabSize: 50257,
      bosId: 50256,
      eosId: 50256,
      padId: 50256,
      prependsBos: false,
    })
  })

  it('spells its vocabulary as vocab.json does', async () => {
    const tokenizer = await gpt2Tokenizer()
    const entries = [0, 262, 198, 50256, 8582].map((id) => tokenizer.vocabularyEntry(id))
    expect(entries).to.deep.equal(['!', 'Ġthe', 'Ċ', '<|endoftext|>', 'ðŁ'])
    expect([262, 50256].map((id) => tokenizer.tokenString(id))).to.deep.equal([' the', '<|endoftext|>'])
  })

  it('decodes each call by itself, whatever bytes the call before left unfinished', async () => {
    const tokenizer = await gpt2Tokenizer()
    const [head, tail] = [8582, 25081]
    expect(tokenizer.decode([head, tail])).to.equal('🙂')
    expect(tokenizer.decode([head])).to.equal('\ufffd')
    expect(tokenizer.decode([tail])).to.equal('\ufffd\ufffd')
    expect(tokenizer.decode([head])).to.equal('\ufffd')
    expect(tokenizer.decode([15496])).to.equal('Hello')
    expect(tokenizer.decode([])).to.equal('')
  })

  it('gives back any text', async () => {
    const tokenizer = await gpt2Tokenizer()
    for (const text of randomTexts(3000, 11)) expect(tokenizer.decode(tokenizer.encode(text))).to.equal(text)
  })

  it('reads half of a surrogate pair as U+FFFD', async () => {
    const tokenizer = await gpt2Tokenizer()
    expect(tokenizer.decode(tokenizer.encode('a\ud83d b'))).to.equal('a\ufffd b')
  })

  it('agrees with the same merges in a tokenizer.json, id for id and text for text', async () => {
    const tokenizer = await gpt2Tokenizer()
    const other = tokenizerFromJson(tokenizerJsonFromMerges(...recoverMerges()))
    expect(other.vocabSize).to.equal(tokenizer.vocabSize)
    for (const text of randomTexts(3000, 12)) {
      expect(tokenizer.encode(text), JSON.stringify(text)).to.deep.equal(other.encode(text))
    }
    const draw = random(13)
    for (let i = 0; i < 3000; i++) {
      const ids = Array.from({ length: 1 + draw.integer(8) }, () => draw.integer(50257))
      expect(tokenizer.decode(ids), ids.join()).to.equal(other.decode(ids))
    }
  })

  it('has no text for ids beyond its vocabulary and refuses what is no id', async () => {
    const tokenizer = await gpt2Tokenizer()
    expect(tokenizer.decode([15496, 50300, 995])).to.equal('Hello world')
    expect(tokenizer.vocabularyEntry(50257)).to.equal('')
    for (const id of [-1, 1.5, NaN]) {
      expect(() => tokenizer.decode([id])).to.throw(
        TokenError,
        `decode: token id ${id} is not one. Token ids are whole numbers from 0.`,
      )
    }
  })
})

function randomTexts(count: number, seed: number): string[] {
  const draw = random(seed)
  return Array.from({ length: count }, () => randomText(draw, '<|endoftext|>'))
}

/** vocab.json and merges.txt out of the ranks: a token's merge is the pair left when only lower ranks may join. */
function recoverMerges(): [Record<string, number>, string] {
  const entries = ranks.map((token) => (typeof token === 'string' ? spellText(token) : spell(token)))
  const rankOf = new Map(entries.map((entry, rank) => [entry, rank]))
  const merges = entries.slice(256).map((entry, i) => {
    const parts = [...entry]
    while (parts.length > 2) {
      const pairs = parts.slice(1).map((right, at) => rankOf.get(parts[at]! + right) ?? Infinity)
      const lowest = Math.min(...pairs)
      if (lowest >= 256 + i) throw new Error(`token ${256 + i} is not made of two lower ones`)
      const at = pairs.indexOf(lowest)
      parts.splice(at, 2, entries[lowest]!)
    }
    return parts.join(' ')
  })
  return [Object.fromEntries(rankOf), ['#version: 0.2', ...merges, ''].join('\n')]
}
