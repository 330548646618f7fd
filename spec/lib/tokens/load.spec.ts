/** Which files of a folder make its tokenizer. */
import { existsSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { FileError } from '../../../lib/errors/errors.js'
import { readTokenizer, type TokenizerFiles } from '../../../lib/tokens/load.js'

/** A folder without some of its files, and with others written anew. */
function folder(path: string, without: string[] = [], written: Record<string, string> = {}): TokenizerFiles {
  const has = (file: string) => file in written || (!without.includes(file) && existsSync(`${path}/${file}`))
  return {
    has: async (file) => has(file),
    readText: async (file) => written[file] ?? readFileSync(`${path}/${file}`, 'utf8'),
  }
}

const gpt2 = 'spec/reference/models/gpt2'
const saes = 'spec/reference/saes/model'
const text = "When Mary didn't, <|endoftext|>Zürich did\n 🙂"

const loadTokenizer = async (...of: Parameters<typeof readTokenizer>) => (await readTokenizer(...of))?.()

describe('loadTokenizer', () => {
  for (const path of [gpt2, 'spec/reference/models/gpt2_sharded', saes]) {
    it(`reads vocab.json and merges.txt of ${path} as its tokenizer.json`, async () => {
      const own = await loadTokenizer(folder(path), {})
      const older = await loadTokenizer(folder(path, ['tokenizer.json']), {})
      expect(older!.encode(text)).to.deep.equal(own!.encode(text))
      const ids = Array.from({ length: own!.vocabSize }, (_, id) => id)
      expect(ids.map(older!.vocabularyEntry)).to.deep.equal(ids.map(own!.vocabularyEntry))
      for (const key of ['vocabSize', 'bosId', 'eosId', 'padId'] as const) expect(older![key]).to.equal(own![key])
    })
  }

  it('gives <|endoftext|> the next free id where vocab.json and the other files have none', async () => {
    const files = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json']
    const tokenizer = await loadTokenizer(folder(saes, files), { bos_token_id: 399, eos_token_id: 399 } as object)
    expect(tokenizer!.encode('<|endoftext|>')).to.deep.equal([399])
    expect([tokenizer!.bosId, tokenizer!.eosId, tokenizer!.padId]).to.deep.equal([399, 399, 399])
  })

  it("falls back to GPT-2's own for a GPT-2 or GPT-Neo of its size, and to none", async () => {
    const empty = folder('no/such/folder')
    for (const model_type of ['gpt2', 'gpt_neo']) {
      const tokenizer = await loadTokenizer(empty, { model_type, vocab_size: 50257 })
      expect(tokenizer!.encode('Hello world')).to.deep.equal([15496, 995])
    }
    expect(await loadTokenizer(empty, { model_type: 'gpt2', vocab_size: 384 })).to.equal(undefined)
    expect(await loadTokenizer(empty, { model_type: 'gpt_neox', vocab_size: 50257 })).to.equal(undefined)
    expect(await loadTokenizer(empty, {})).to.equal(undefined)
  })

  it('takes special tokens from config.json where no other file names them', async () => {
    const files = folder(gpt2, ['tokenizer_config.json', 'special_tokens_map.json'])
    const tokenizer = await loadTokenizer(files, JSON.parse(readFileSync(`${gpt2}/config.json`, 'utf8')) as object)
    expect([tokenizer!.bosId, tokenizer!.eosId, tokenizer!.padId]).to.deep.equal([383, 383, 383])
  })

  const refused: [string, TokenizerFiles, string][] = [
    [
      'a tokenizer.json cut short',
      folder(gpt2, [], { 'tokenizer.json': '{"model": {' }),
      'loadTokenizer: tokenizer.json: unexpected end at line 1, column 12. Valid JSON is needed.',
    ],
    [
      'a line of merges.txt that is no pair',
      folder(gpt2, ['tokenizer.json'], { 'merges.txt': '#version: 0.2\nh e\nĠthe\n' }),
      "line 3 of merges.txt is 'Ġthe'. Each line must be two tokens with a space between.",
    ],
    [
      'a merges.txt of another tokenizer',
      folder(gpt2, ['tokenizer.json'], { 'merges.txt': 'q x\n' }),
      'model.merges[0] needs the token "qx", which the vocabulary lacks.',
    ],
    ['a vocab.json that is a list', folder(gpt2, ['tokenizer.json'], { 'vocab.json': '[]' }), 'model.vocab is [].'],
  ]
  for (const [what, files, words] of refused) {
    it(`refuses ${what}`, async () => {
      const error = await loadTokenizer(files, {}).then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      expect(error).to.be.instanceOf(FileError)
      expect((error as Error).message).to.include(words)
    })
  }
})
