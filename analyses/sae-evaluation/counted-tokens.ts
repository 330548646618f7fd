/** Which tokens count in an SAE's evaluation, as masks. B rows, P positions. */
import * as tf from '@tensorflow/tfjs'
import type { Keeps } from '../../lib/data/excluded-tokens.js'
import type { Tokens } from '../../lib/tokens/tokens.js'

/** 1 where a token counts, else 0; the caller owns the tensors. */
export interface CountedTokens {
  /** Of activations [B,P]. */
  activations(tokens: Tokens): tf.Tensor2D
  /** Where the activation is replaced, and what predictions count [B,P]. */
  replaced(tokens: Tokens): tf.Tensor2D
  /** Of next-token losses [B,P−1]: the token at that place counts, and the next is no filling. */
  predicted(tokens: Tokens): tf.Tensor2D
}

/** Of activations those that are kept; of losses the same, or all. */
export function countedTokens(keep: Keeps, losses: 'counted' | 'all'): CountedTokens {
  const ofLosses: Keeps = losses === 'all' ? () => true : keep
  return {
    activations: (tokens) => maskOf(tokens, countsOf(tokens, keep)),
    replaced: (tokens) => maskOf(tokens, countsOf(tokens, ofLosses)),
    predicted: (tokens) => {
      const real = countsOf(tokens, () => true).map((row) => row.slice(1))
      return tf.tidy(() => {
        const counts = countsOf(tokens, ofLosses).map((row) => row.slice(0, -1))
        return maskOf(tokens, counts).mul<tf.Tensor2D>(maskOf(tokens, real))
      })
    },
  }
}

/** [B][P]; positions are counted from the first token of a row that is no padding. */
function countsOf({ rows, mask }: Tokens, keep: Keeps): number[][] {
  return rows.map((row, b) => {
    const real = mask?.[b]
    const first = Math.max(0, real?.indexOf(1) ?? 0)
    return row.map((id, p) => (real?.[p] !== 0 && keep(id, p - first) ? 1 : 0))
  })
}

const maskOf = ({ batch }: Tokens, rows: number[][]): tf.Tensor2D => {
  return tf.tensor2d(rows.flat(), [batch, rows.flat().length / batch], 'float32')
}
