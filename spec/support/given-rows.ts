/** Token data for specs: given rows, some at a time. */
import type { TokenData } from '../../lib/data/token-data.js'
import { Tokens } from '../../lib/tokens/tokens.js'

/** Batches of `size` of the rows; masks, if any, as the rows. */
export function givenRows(
  rows: readonly (readonly number[])[],
  size: number,
  mask?: readonly (readonly number[])[],
): TokenData {
  return {
    about: { kind: 'rows', count: rows.length },
    async *batches(from) {
      for (let row = Number(from?.['row'] ?? 0); row < rows.length; row += size) {
        const end = Math.min(row + size, rows.length)
        const tokens = new Tokens(rows.slice(row, end), mask?.slice(row, end))
        yield await Promise.resolve({ tokens, firstRow: row, next: { row: end } })
      }
    },
  }
}
