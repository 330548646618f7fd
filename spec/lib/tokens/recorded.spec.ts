/** Every tokenizer case that was recorded from TransformerLens, and the prompts of the embedded model. */
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { TokenError } from '../../../lib/errors/errors.js'
import { getTokenPosition, toSingleToken, toStrTokens, toString } from '../../../lib/tokens/strings.js'
import { tokenizerFromJson } from '../../../lib/tokens/tokenizer-json.js'
import { toTokens, type PaddingSide, type TokenContext } from '../../../lib/tokens/tokens.js'

interface Recorded {
  vocab_size: number
  bos_token_id: number
  eos_token_id: number
  pad_token_id: number
  tokenizer_prepends_bos: boolean
  n_ctx: number
  texts: {
    text: string
    to_tokens_bos: number[]
    to_str_tokens_bos: string[]
    to_tokens_no_bos: number[]
    to_str_tokens_no_bos: string[]
    to_string: string
    round_trip: boolean
  }[]
  truncation: { text: string; truncated_length: number; untruncated_length: number; truncated_last_ids: number[] }
  batch: {
    texts: string[]
    cases: { padding_side: PaddingSide; prepend_bos: boolean; tokens: number[][]; attention_mask: number[][] }[]
  }
  get_token_position: {
    token: string
    text: string
    mode: 'first' | 'last'
    prepend_bos: boolean
    position: number | null
  }[]
  to_single_token: { text: string; id: number }[]
  to_single_token_error: { text: string }
}

const readJson = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>

function contextOf(folder: string): TokenContext {
  const [json, tokenizerConfig, special, config] = [
    'tokenizer.json',
    'tokenizer_config.json',
    'special_tokens_map.json',
    'config.json',
  ].map((file) => readJson(`${folder}/${file}`))
  const tokenizer = tokenizerFromJson(json, tokenizerConfig, special, config)
  const nCtx = (config!.n_positions ?? config!.n_ctx) as number
  const dVocab = (config!.vocab_size ?? config!.d_vocab) as number
  return { tokenizer, nCtx, dVocab, name: folder }
}

for (const name of ['gpt2', 'gelu_1l']) {
  const folder = `spec/reference/models/${name}`
  const recorded = readJson(`${folder}/expected.json`).tokenizer as Recorded
  const context = contextOf(folder)

  describe(`recorded tokenizer of ${name}`, () => {
    it('has the special tokens and the size', () => {
      const { vocabSize, bosId, eosId, padId, prependsBos } = context.tokenizer!
      expect({ vocabSize, bosId, eosId, padId, prependsBos, nCtx: context.nCtx }).to.deep.equal({
        vocabSize: recorded.vocab_size,
        bosId: recorded.bos_token_id,
        eosId: recorded.eos_token_id,
        padId: recorded.pad_token_id,
        prependsBos: recorded.tokenizer_prepends_bos,
        nCtx: recorded.n_ctx,
      })
    })

    for (const row of recorded.texts) {
      it(`reads ${JSON.stringify(row.text)}`, () => {
        expect(toTokens(context, row.text).rows).to.deep.equal([row.to_tokens_bos])
        expect(toStrTokens(context, row.text)).to.deep.equal(row.to_str_tokens_bos)
        expect(context.tokenizer!.encode(row.text)).to.deep.equal(row.to_tokens_no_bos)
        expect(toStrTokens(context, row.text, { prependBos: false })).to.deep.equal(row.to_str_tokens_no_bos)
        expect(toStrTokens(context, row.to_tokens_no_bos)).to.deep.equal(row.to_str_tokens_no_bos)
        expect(toString(context, row.to_tokens_no_bos)).to.equal(row.to_string)
        expect(row.to_string === row.text).to.equal(row.round_trip)
      })
    }

    it('cuts a long text to the context, BOS included', () => {
      const { text, truncated_length, untruncated_length, truncated_last_ids } = recorded.truncation
      const tokens = toTokens(context, text)
      expect(tokens.positions).to.equal(truncated_length)
      expect(tokens.rows[0]!.slice(-truncated_last_ids.length)).to.deep.equal(truncated_last_ids)
      const roomy = { ...context, nCtx: untruncated_length }
      expect(toTokens(roomy, text, { truncate: false }).positions).to.equal(untruncated_length)
      expect(() => toTokens(context, text, { truncate: false })).to.throw(
        TokenError,
        `prompt 0 has ${untruncated_length} tokens, but the context of ${folder} is ${recorded.n_ctx}.`,
      )
    })

    for (const { padding_side, prepend_bos, tokens, attention_mask } of recorded.batch.cases) {
      it(`pads a batch on the ${padding_side} ${prepend_bos ? 'with' : 'without'} BOS`, () => {
        const options = { paddingSide: padding_side, prependBos: prepend_bos }
        const batch = toTokens(context, recorded.batch.texts, options)
        expect(batch.rows).to.deep.equal(tokens)
        expect(batch.mask).to.deep.equal(attention_mask)
        expect(batch.paddingSide).to.equal(padding_side)
      })
    }

    for (const { token, text, mode, prepend_bos, position } of recorded.get_token_position) {
      it(`finds the ${mode} ${JSON.stringify(token)} ${prepend_bos ? 'with' : 'without'} BOS`, () => {
        const find = () => getTokenPosition(context, token, text, { mode, prependBos: prepend_bos })
        if (position === null) expect(find).to.throw(TokenError, 'does not occur in the prompt')
        else expect(find()).to.equal(position)
      })
    }

    it('knows single tokens', () => {
      for (const { text, id } of recorded.to_single_token) expect(toSingleToken(context, text)).to.equal(id)
      expect(() => toSingleToken(context, recorded.to_single_token_error.text)).to.throw(
        TokenError,
        'Give exactly one.',
      )
    })
  })
}

describe('recorded tokens', () => {
  it('are those of the model under the SAEs', () => {
    const context = contextOf('spec/reference/saes/model')
    const { model } = readJson('spec/reference/saes/expected.json') as {
      model: { tokenizer_samples: { text: string; tokens: number[] }[] }
    }
    const samples = model.tokenizer_samples
    expect(samples).to.have.length.above(0)
    for (const { text, tokens } of samples) expect(context.tokenizer!.encode(text)).to.deep.equal(tokens)
  })

  it('are those of the embedded model', () => {
    const context = contextOf('models/pocket')
    const { prompts } = readJson('spec/reference/pocket/expected.json') as {
      prompts: Record<'clean' | 'corrupt' | 'answer' | 'wrong', string>[]
    }
    const ids = readIds('spec/reference/pocket/expected.safetensors')
    const texts = (key: 'clean' | 'corrupt') => prompts.map((prompt) => prompt[key])
    expect(toTokens(context, texts('clean')).rows.flat()).to.deep.equal(ids('tokens'))
    expect(toTokens(context, texts('corrupt')).rows.flat()).to.deep.equal(ids('corrupt_tokens'))
    expect(toTokens(context, texts('clean')).mask).to.equal(undefined)
    expect(prompts.map(({ answer }) => toSingleToken(context, answer))).to.deep.equal(ids('answer'))
    expect(prompts.map(({ wrong }) => toSingleToken(context, wrong))).to.deep.equal(ids('wrong'))
  })
})

/** The int32 tensors of a safetensors file: a length, a JSON header, then the numbers. */
function readIds(path: string): (name: string) => number[] {
  const bytes = readFileSync(path)
  const start = 8 + Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, { data_offsets: [number, number] }>
  return (name) => {
    const [from, to] = header[name]!.data_offsets
    return Array.from({ length: (to - from) / 4 }, (_, i) => bytes.readInt32LE(start + from + 4 * i))
  }
}
