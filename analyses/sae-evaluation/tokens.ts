/** Which tokens count in an SAE's evaluation, as masks. B rows, P positions. */
import * as tf from '@tensorflow/tfjs'
import type { Keeps } from '../../lib/data/excluded.js'
import type { Tokens } from '../../lib/tokens/tokens.js'

/** 1 where a token counts, else 0; the caller owns the tensors. */
export interface Counted {
  /** Of activations [B,P]. */
  activations(tokens: Tokens): tf.Tensor2D
  /** Where the activation is replaced, and what predictions count [B,P]. */
  replaced(tokens: Tokens): tf.Tensor2D
  /** Of next-token losses [B,P−1]: the token at that place counts, and the next is no filling. */
  predicted(tokens: Tokens): tf.Tensor2D
}

/** Of activations those that are kept; of losses the same, or all. */
export function countedTokens(keep: Keeps, losses: 'counted' | 'all'): Counted {
  const ofLosses: Keeps = losses === 'all' ? () => true : keep
  return {
    activations: (tokens) => mask(tokens, countsOf(tokens, keep)),
    replaced: (tokens) => mask(tokens, countsOf(tokens, ofLosses)),
    predicted: (tokens) => {
      const [counts, real] = [countsOf(tokens, ofLosses), countsOf(tokens, () => true)]
      return mask(
        tokens,
        counts.map((row, b) => row.slice(1).map((_, p) => row[p]! * real[b]![p + 1]!)),
      )
    },
  }
}

/** [B][P]; positions are counted from the first token of a row that is no padding. */
function countsOf({ rows, mask }: Tokens, keep: Keeps): number[][] {
  return rows.map((row, b) => {
    const first = Math.max(0, mask?.[b]!.indexOf(1) ?? 0)
    return row.map((id, p) => (mask?.[b]![p] !== 0 && keep(id, p - first) ? 1 : 0))
  })
}

const mask = (tokens: Tokens, rows: number[][]): tf.Tensor2D =>
  tf.tensor2d(rows, [tokens.batch, rows[0]!.length], 'float32')
