/** Which source tokens made the examples of an attention SAE: a second run, over the rows of these examples alone. */
import type { HookedModel } from '../../lib/model.js'
import { argMax } from '../../lib/generation/sampling.js'
import { Tokens } from '../../lib/tokens/tokens.js'
import type { Sae } from '../../saes/index.js'
import { sourceScores } from '../source-scores.js'
import { tokenLabel } from '../../lib/core/labels.js'
import type { MaxActivatingExample, SourceAttribution } from './max-activating-result.js'
import type { KeptRow, KeptRows } from './kept-rows.js'

/** Tokens of one run. */
const STEP = 2048

/** Examples of an attention SAE, and the rows they are from. */
export interface AttributedExamples {
  readonly sae: Sae
  readonly kept: KeptRows
  /** [latent][…] */
  readonly examples: readonly (readonly MaxActivatingExample[])[]
}

/** The examples with the attribution of each of their row's tokens up to their own. */
export async function attributeSources(
  view: HookedModel,
  { sae, kept, examples }: AttributedExamples,
): Promise<MaxActivatingExample[][]> {
  const byRow = grouped(examples.flat(), ({ row }) => row)
  const attributed = new Map<MaxActivatingExample, MaxActivatingExample>()
  for (const rows of runsOf([...byRow.keys()], kept)) {
    const tokens = new Tokens(rows.map((row) => kept.get(row).ids))
    const own = rows.flatMap((row, r) =>
      (byRow.get(row) ?? []).map((example) => {
        const keptRow = kept.get(row)
        return {
          example,
          keptRow,
          target: { row: r, position: example.position - keptRow.start, latent: example.latent },
        }
      }),
    )
    const targets = own.map(({ target }) => target)
    const scores = await sourceScores(view, sae, tokens, targets)
    for (const [e, { example, keptRow, target }] of own.entries()) {
      const upTo = [...scores.subarray(e * tokens.positions, e * tokens.positions + target.position + 1)]
      attributed.set(example, { ...example, dfa: dfaOf(view, keptRow, upTo) })
    }
  }
  return examples.map((list) => list.map((example) => attributed.get(example) ?? example))
}

function dfaOf(view: HookedModel, { start, ids }: KeptRow, scores: number[]): SourceAttribution {
  const before = ids.slice(0, scores.length)
  const source = argMax(scores)
  const tokens = before.map((id) => tokenLabel(view.tokenizer, id))
  return { source: start + source, start, ids: before, tokens, scores }
}

/** Rows of one length together, as many as a run may hold. */
function runsOf(rows: readonly number[], kept: KeptRows): number[][] {
  const byLength = grouped(rows, (row) => kept.get(row).ids.length)
  return [...byLength].flatMap(([length, same]) => {
    const size = Math.max(1, Math.floor(STEP / length))
    return Array.from({ length: Math.ceil(same.length / size) }, (_, i) => same.slice(i * size, (i + 1) * size))
  })
}

function grouped<T>(items: readonly T[], key: (item: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group) group.push(item)
    else groups.set(key(item), [item])
  }
  return groups
}
