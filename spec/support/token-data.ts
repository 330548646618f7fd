/** Token data in specs: a model that reads letters, and what every TokenData must keep to. */
import { expect } from 'chai'
import type { DataModel } from '../../lib/data/row-rules.js'
import type { DataPosition, TokenBatch, TokenData } from '../../lib/data/token-data.js'
import type { Tokenizer } from '../../lib/tokens/tokenizer.js'

/** Letters a to z have ids 4 to 29; `^`, `$` and `_` are BOS 1, EOS 2 and padding 3. Nothing else has an id. */
export const lettersTokenizer: Tokenizer = {
  vocabSize: 30,
  bosId: 1,
  eosId: 2,
  padId: 3,
  prependsBos: false,
  encode: (text) =>
    Array.from(text, (letter) => '?^$_abcdefghijklmnopqrstuvwxyz'.indexOf(letter)).filter((id) => id >= 0),
  decode: (ids) => ids.map((id) => '?^$_abcdefghijklmnopqrstuvwxyz'[id]).join(''),
  tokenString: (id) => '?^$_abcdefghijklmnopqrstuvwxyz'[id]!,
  vocabularyEntry: (id) => '?^$_abcdefghijklmnopqrstuvwxyz'[id]!,
}

export const lettersModel: DataModel = {
  name: 'letters',
  tokenizer: lettersTokenizer,
  config: { nCtx: 100, dVocab: 30 },
}

export async function batchesOf(data: TokenData, from?: DataPosition): Promise<TokenBatch[]> {
  const batches: TokenBatch[] = []
  for await (const batch of data.batches(from)) batches.push(batch)
  return batches
}

/** All rows, padding left out. */
export async function rowsOf(data: TokenData, from?: DataPosition): Promise<number[][]> {
  const batches = await batchesOf(data, from)
  return batches.flatMap(({ tokens }) => tokens.rows.map((row, b) => row.filter((_, p) => tokens.mask?.[b]![p] !== 0)))
}

/** The rows as letters. */
export async function textsOf(data: TokenData): Promise<string[]> {
  return (await rowsOf(data)).map((row) => lettersTokenizer.decode(row))
}

/** Reading is repeatable, and goes on from each batch's `next`, also when that was JSON, as if it had not stopped. */
export async function expectResumable(data: TokenData): Promise<void> {
  const whole = await batchesOf(data)
  expect(await batchesOf(data), 'a second time').to.deep.equal(whole)
  for (const [i, { next }] of whole.entries()) {
    const rest = await batchesOf(data, JSON.parse(JSON.stringify(next)) as DataPosition)
    expect(rest, `from batch ${i + 1} on`).to.deep.equal(whole.slice(i + 1))
  }
}
