/** tokenizer.json: rules of Rust that the JavaScript package misses, special tokens, and files that are refused. */
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { FileError, MismatchError, TokenError } from '../../../lib/errors/errors.js'
import { random } from '../../../lib/stats/random.js'
import { checkTokenizer } from '../../../lib/tokens/tokenizer.js'
import { tokenizerFromJson } from '../../../lib/tokens/tokenizer-json.js'
import { randomText } from './random-text.js'

interface Description {
  model: Record<string, unknown> & { vocab: Record<string, number>; merges: unknown[] }
  added_tokens: Record<string, unknown>[]
  [key: string]: unknown
}

const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Description
const pocket = () => read('models/pocket/tokenizer.json')

describe('tokenizerFromJson', () => {
  it('cuts words as Rust does next to U+FEFF, U+0085 and rare digits', () => {
    const gelu = tokenizerFromJson(read('spec/reference/models/gelu_1l/tokenizer.json'))
    // tokenizers 0.22.2 (Rust) on the same file
    const recorded: [string, number[]][] = [
      ["it\ufeff's \ufeff \ufeffb", [278, 174, 122, 126, 9, 85, 223, 174, 122, 126, 223, 174, 122, 126, 68]],
      ["a\u0085 b \u0085\u0085's", [67, 129, 230, 274, 223, 129, 230, 129, 230, 9, 85]],
      ['12½ ٣ 2024', [19, 20, 129, 124, 223, 152, 99, 223, 20, 18, 20, 22]],
      ['x\u001cy \u000b\u2028z', [90, 219, 91, 223, 202, 161, 225, 104, 92]],
    ]
    for (const [text, ids] of recorded) expect(gelu.encode(text), JSON.stringify(text)).to.deep.equal(ids)
  })

  it('takes every number of Unicode for a digit, as Rust does', () => {
    const numbers = (individual_digits: boolean) =>
      tokenizerFromJson({
        pre_tokenizer: { type: 'Digits', individual_digits },
        model: { type: 'BPE', vocab: { '½': 0, a: 1, '½½': 2, 'a½': 3 }, merges: ['a ½', '½ ½'] },
      })
    // tokenizers 0.22.2 (Rust) on the same description
    expect(numbers(true).encode('a½½')).to.deep.equal([1, 0, 0])
    expect(numbers(false).encode('a½½')).to.deep.equal([1, 2])
  })

  it('gives back any text', () => {
    const draw = random(21)
    const tokenizer = tokenizerFromJson(pocket())
    for (let i = 0; i < 2000; i++) {
      const text = randomText(draw, '<|endoftext|>')
      expect(tokenizer.decode(tokenizer.encode(text))).to.equal(text)
    }
  })

  it('finds special tokens anywhere, and adds none', () => {
    const tokenizer = tokenizerFromJson(pocket())
    const [a] = tokenizer.encode('a')
    expect(tokenizer.encode('<|endoftext|>a<|endoftext|><|endoftext|>a')).to.deep.equal([0, a, 0, 0, a])
    expect(tokenizer.encode('')).to.deep.equal([])
    expect(tokenizer.decode([])).to.equal('')
  })

  it('leaves the space before punctuation', () => {
    const tokenizer = tokenizerFromJson(pocket())
    for (const text of [' ,"', "a n't , b .", " 's ?"]) {
      expect(tokenizer.decode(tokenizer.encode(text))).to.equal(text)
    }
  })

  it('reads merges as pairs and as strings alike', () => {
    const pairs = pocket()
    const strings = pocket()
    strings.model.merges = strings.model.merges.map((pair) => (pair as string[]).join(' '))
    const text = 'George gave a lamp to Anna.'
    expect(tokenizerFromJson(strings).encode(text)).to.deep.equal(tokenizerFromJson(pairs).encode(text))
  })

  it('takes a model without a type for what it holds', () => {
    const untyped = pocket()
    delete untyped.model.type
    expect(tokenizerFromJson(untyped).encode(' lamp')).to.deep.equal(tokenizerFromJson(pocket()).encode(' lamp'))
  })
})

describe('byte fallback and BOS of a SentencePiece-like tokenizer.json', () => {
  const tokenizer = tokenizerFromJson(sentencePiece(), { bos_token: { content: '<bos>' } })

  it('knows that its post-processor prepends BOS, but never does', () => {
    expect(tokenizer.prependsBos).to.equal(true)
    expect(tokenizer.bosId).to.equal(0)
    expect(tokenizer.encode('a ab')).to.deep.equal([259, 263])
  })

  it('encodes as Rust does', () => {
    expect(tokenizer.encode('é a')).to.deep.equal([197, 171, 261])
    expect(tokenizer.encode('\ufeffab<bos>b')).to.deep.equal([241, 189, 193, 262, 0, 260])
    expect(tokenizer.encode('🙂')).to.deep.equal([242, 161, 155, 132])
  })

  it('decodes runs of bytes as Rust does: UTF-8, or one U+FFFD a byte', () => {
    expect(tokenizer.decode([259, 197, 171, 0])).to.equal('aé<bos>')
    expect(tokenizer.decode([259, 242, 161, 0])).to.equal('a\ufffd\ufffd<bos>')
    expect(tokenizer.decode([259, 197, 171, 242, 0])).to.equal('a\ufffd\ufffd\ufffd<bos>')
    expect(tokenizer.decode([259, 241, 189, 193, 0])).to.equal('a\ufeff<bos>')
    expect(tokenizer.tokenString(263)).to.equal(' ab')
    expect(tokenizer.vocabularyEntry(263)).to.equal('▁ab')
  })

  it('reads each byte token alone, whatever came before', () => {
    expect([242, 161, 155, 132].map((id) => tokenizer.tokenString(id))).to.deep.equal(Array(4).fill('\ufffd'))
    expect(tokenizer.decode([259])).to.equal('a')
  })
})

describe('special tokens of a tokenizer.json', () => {
  const ids = (...files: unknown[]) => {
    const { bosId, eosId, padId } = tokenizerFromJson(sentencePiece(), ...files)
    return [bosId, eosId, padId]
  }

  it('are those named, as text or with content', () => {
    expect(ids({ bos_token: '<bos>', eos_token: { content: 'a' }, pad_token: 'b' })).to.deep.equal([0, 259, 260])
    expect(ids({ bos_token: '<bos>' }, { eos_token: 'a', pad_token: 'b' })).to.deep.equal([0, 259, 260])
  })

  it('fall back to config.json, and BOS and padding to EOS', () => {
    expect(ids({}, {}, { bos_token_id: 0, eos_token_id: [260, 259] })).to.deep.equal([0, 260, 260])
    expect(ids({ eos_token: 'a' })).to.deep.equal([259, 259, 259])
    expect(ids({ eos_token: 'a' }, undefined, { bos_token_id: 0, pad_token_id: 1 })).to.deep.equal([0, 259, 259])
  })

  it('are EOS where tokenizer_config.json says there is no BOS', () => {
    expect(ids({ bos_token: null, eos_token: 'a' }, undefined, { bos_token_id: 0 })).to.deep.equal([259, 259, 259])
  })

  it('are none when nothing names them, or the vocabulary lacks them', () => {
    expect(ids()).to.deep.equal([undefined, undefined, undefined])
    expect(ids({ pad_token: '[PAD]' }, {}, { bos_token_id: 999 })).to.deep.equal([undefined, undefined, undefined])
  })

  it('come from added_tokens_decoder too', () => {
    const config = { eos_token: '<end>', added_tokens_decoder: { 264: { content: '<end>', special: true } } }
    const tokenizer = tokenizerFromJson(sentencePiece(), config)
    expect(tokenizer.eosId).to.equal(264)
    expect(tokenizer.vocabSize).to.equal(265)
    expect(tokenizer.encode('a<end>b')).to.deep.equal([259, 264, 260])
  })
})

describe('a damaged tokenizer.json', () => {
  const damaged = (change: (json: Description) => void) => {
    const json = pocket()
    change(json)
    return () => tokenizerFromJson(json)
  }
  const refused: [string, () => unknown, string][] = [
    ['is no object', () => tokenizerFromJson([1]), 'tokenizerFromJson: it is not an object.'],
    ['has no model', damaged((json) => delete (json as Partial<Description>).model), 'model is missing.'],
    ['has no vocabulary', damaged(({ model }) => (model.vocab = {})), 'model.vocab is {}. It must map tokens to ids'],
    ['has an id that is none', damaged(({ model }) => (model.vocab.a = 1.5)), 'the id of "a" is 1.5. Ids are whole'],
    ['has a huge id', damaged(({ model }) => (model.vocab.a = 2 ** 31)), 'the id of "a" is 2147483648.'],
    ['gives an id twice', damaged(({ model }) => (model.vocab['!'] = 2)), '"!" and "\\"" both have id 2.'],
    ['has merges of one part', damaged(({ model }) => (model.merges[3] = 'ab')), 'model.merges[3] is "ab".'],
    [
      'has merges of other tokens',
      damaged(({ model }) => (model.merges[0] = ['zq', 'x'])),
      'model.merges[0] needs the token "zq", which the vocabulary lacks.',
    ],
    [
      'has a nameless special',
      damaged((json) => (json.added_tokens[0] = { id: 0 })),
      'the added token {"id":0} has no',
    ],
    [
      'has a special on a taken id',
      damaged((json) => (json.added_tokens[0]!.id = 5)),
      'and "<|endoftext|>" both have id 5.',
    ],
    [
      'is of an unknown kind',
      damaged(({ model }) => (model.type = 'Riddle')),
      'model.type is Riddle, but it holds what BPE does. BPE with merges, Unigram with scores and WordPiece are supported.',
    ],
    [
      'lacks its merges',
      damaged(({ model }) => delete (model as Record<string, unknown>).merges),
      'model.type is BPE, but it holds what WordPiece does.',
    ],
    ['has an unknown step', damaged((json) => (json.decoder = { type: 'Riddle' })), 'Unknown Decoder type: Riddle.'],
  ]
  for (const [what, load, words] of refused) {
    it(`${what}: is refused`, () => expect(load).to.throw(FileError, words))
  }

  it('that cannot spell a text says so instead of losing it', () => {
    const json = sentencePiece()
    json.model.byte_fallback = false
    json.model.unk_token = ''
    const tokenizer = tokenizerFromJson(json)
    expect(() => tokenizer.encode('a é')).to.throw(TokenError, "encode: the vocabulary cannot spell 'a é'")
  })
})

describe('checkTokenizer', () => {
  const tokenizer = tokenizerFromJson(sentencePiece())

  it('takes a tokenizer as large as the model or smaller', () => {
    checkTokenizer(tokenizer, 264, 'm')
    checkTokenizer(tokenizer, 512, 'm')
  })

  it('refuses one with more ids', () => {
    expect(() => checkTokenizer(tokenizer, 263, 'my-model')).to.throw(
      MismatchError,
      'checkTokenizer: the tokenizer has ids up to 263, but the vocabulary of my-model ends at 262. ' +
        'Use the tokenizer that the model was trained with.',
    )
  })
})

/** As Gemma's and Llama's: ▁ for a space, a token for each byte, BOS from the post-processor. */
function sentencePiece(): Description {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
  const tokens = ['<bos>', '<unk>', ...bytes, '▁', 'a', 'b', '▁a', 'ab', '▁ab']
  const single = [{ SpecialToken: { id: '<bos>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }]
  return {
    added_tokens: [{ id: 0, content: '<bos>', special: true, normalized: false }],
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    post_processor: { type: 'TemplateProcessing', single, pair: [] },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
      ],
    },
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: [
        ['▁', 'a'],
        ['a', 'b'],
        ['▁a', 'b'],
      ],
    },
  }
}
