/** Which source tokens made the examples of an attention SAE: a second run, over the rows of these examples alone. */
import type { HookedModel } from '../../lib/model.js'
import { Tokens } from '../../lib/tokens/tokens.js'
import type { Sae } from '../../saes/index.js'
import { sourceScores } from '../source-scores.js'
import { tokenLabel } from '../../lib/core/labels.js'
import type { Example, SourceAttribution } from './max-activating-result.js'
import type { KeptRow, KeptRows } from './rows.js'

/** Tokens of one run. */
const STEP = 2048

/** The examples [latent][…] with the attribution of each of their row's tokens up to their own. */
export async function attributeSources(
  view: HookedModel,
  sae: Sae,
  kept: KeptRows,
  examples: readonly (readonly Example[])[],
): Promise<Example[][]> {
  const byRow = grouped(examples.flat(), ({ row }) => row)
  const attributed = new Map<Example, Example>()
  for (const rows of runsOf([...byRow.keys()], kept)) {
    const tokens = new Tokens(rows.map((row) => kept.get(row).ids))
    const own = rows.flatMap((row, r) => byRow.get(row)!.map((example) => ({ example, r, kept: kept.get(row) })))
    const targets = own.map(({ example, r, kept: { start } }) => {
      return { row: r, position: example.position - start, latent: example.latent }
    })
    const scores = await sourceScores(view, sae, tokens, targets)
    own.forEach(({ example, kept: row }, e) => {
      const count = targets[e]!.position + 1
      const upTo = [...scores.subarray(e * tokens.positions, e * tokens.positions + count)]
      attributed.set(example, { ...example, dfa: dfaOf(view, row, upTo) })
    })
  }
  return examples.map((list) => list.map((example) => attributed.get(example)!))
}

function dfaOf(view: HookedModel, { start, ids }: KeptRow, scores: number[]): SourceAttribution {
  const before = ids.slice(0, scores.length)
  const source = scores.reduce((best, score, p) => (score > scores[best]! ? p : best), 0)
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
