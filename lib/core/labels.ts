/** Labels that all analyses share: of tokens, and of the axes of prompts and positions. */
import type { Axis } from '../report/result/result.js'
import { readFragment } from '../tokens/byte-level.js'
import type { Tokenizer } from '../tokens/tokenizer.js'
import type { Tokens } from '../tokens/tokens.js'
import type { HookedView } from './hooked-view.js'

/** What labels are written with. */
type Writer = Pick<HookedView, 'tokenizer' | 'toString'>

/** One label a prompt, its text where the model has a tokenizer; `count` 1 stands for a metric over all prompts. */
export function promptAxis(view: Writer, tokens: Tokens, count = tokens.batch): Axis {
  if (count !== tokens.batch) return { name: 'prompt', labels: ['all prompts'] }
  return { name: 'prompt', labels: tokens.rows.map((row, b) => `${b}: ${promptText(view, row, tokens.mask?.[b])}`) }
}

function promptText(view: Writer, row: readonly number[], mask: readonly number[] | undefined): string {
  const { tokenizer } = view
  const real = row.filter((_, p) => mask?.[p] !== 0)
  if (!tokenizer) return real.join(' ')
  return view.toString(real[0] === tokenizer.bosId ? real.slice(1) : real)
}

/**
 * A token as results show it: its text, and where that is a part of a character the bytes, `\xe2\x80`; its id where the
 * model has no tokenizer.
 */
export function tokenLabel(tokenizer: Tokenizer | undefined, id: number): string {
  const text = tokenizer?.tokenString(id) ?? String(id)
  return text.includes('\ufffd') ? readFragment(tokenizer!.vocabularyEntry(id)) : text
}

/** One label a position: its number and token, the first prompt's with `…` where prompts differ. */
export function positionAxis(view: Writer, tokens: Tokens, positions: readonly number[]): Axis {
  const labels = positions.map((p) => {
    const id = tokens.rows[0]![p]!
    const token = tokenLabel(view.tokenizer, id).replace(/^ /, '')
    return `${p} ${token}${tokens.rows.every((row) => row[p] === id) ? '' : '…'}`
  })
  return { name: 'position', labels }
}
