/** Text in columns of a terminal, where some characters take two places and some none. */
import type { Ansis } from 'ansis'
import { shortenMiddle } from '../table/token-text.js'

/** Colours, or none: an instance of ansis. */
export type Paint = Ansis

const noPlace = /^[\p{M}\u200b-\u200f]$/u
const twoPlaces =
  /^[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff01-\uff60]$/u

/** Places the text takes. */
export function displayWidth(text: string): number {
  let width = 0
  for (const character of text) width += noPlace.test(character) ? 0 : twoPlaces.test(character) ? 2 : 1
  return width
}

/** The text cut and filled up to exactly `width` places. */
export function fitted(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  let cut = shortenMiddle(text, width)
  for (let length = width - 1; displayWidth(cut) > width; length--) cut = shortenMiddle(text, length)
  const fill = ' '.repeat(width - displayWidth(cut))
  return align === 'left' ? cut + fill : fill + cut
}

/** Places of the widest text, `most` at most. */
export function widest(texts: readonly string[], most: number): number {
  return Math.min(most, Math.max(0, ...texts.map(displayWidth)))
}

/** The text in lines of at most `width` places, broken between words; a longer word is cut. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const piece = displayWidth(word) > width ? fitted(word, width) : word
    const last = lines.at(-1)
    if (last !== undefined && displayWidth(last) + 1 + displayWidth(piece) <= width)
      lines[lines.length - 1] = `${last} ${piece}` // prettier-ignore
    else lines.push(piece)
  }
  return lines
}
