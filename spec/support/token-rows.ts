/** Token data for specs: rows as they are given, and rows of the embedded model's stories. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { TokenData } from '../../lib/data/token-data.js'
import type { HookedModel } from '../../lib/model.js'
import { Tokens } from '../../lib/tokens/tokens.js'

/** Batches of `size` of the rows, padded on the right where they differ in length. */
export function rowsData(rows: readonly (readonly number[])[], size: number): TokenData {
  return {
    about: { source: 'rows' },
    async *batches(from) {
      for (let row = Number(from?.['row'] ?? 0); row < rows.length; row += size) {
        yield {
          tokens: Tokens.padded(rows.slice(row, row + size), 0, 'right'),
          firstRow: row,
          next: { row: row + size },
        }
      }
    },
  }
}

/** `count` rows of BOS and 127 tokens of the stories that the pocket model was not trained on. */
export async function storyRows(model: HookedModel, count: number): Promise<number[][]> {
  const file = fileURLToPath(new URL('../../models/pocket/text/stories-test.jsonl', import.meta.url))
  const lines = (await readFile(file, 'utf8')).trim().split('\n')
  const { tokenizer } = model
  const ids = lines.flatMap((line) => [0, ...tokenizer!.encode((JSON.parse(line) as { text: string }).text)])
  return Array.from({ length: count }, (_, row) => [0, ...ids.slice(127 * row, 127 * (row + 1))])
}
