/** Seeded random text full of what tokenizers trip over: white space of all kinds, accents, emoji, numbers, specials. */
import type { Random } from '../../../lib/stats/random.js'

const pieces =
  " |  |\n|\t|\r\n|\u0085|\ufeff|\u00a0|\u3000|\u200b|\u2028|\u0000|\u001c|'s|'re|'LL|’s|🙂|👩\u200d🚀|é|e\u0301|日本|ال|½|²|٣|12|x|the| the|Hello|don't|_|...|aaaa|abab|𝔘|ß"
    .split('|')
    .concat('<|endof', '|')

/** Up to 14 pieces: known troublemakers, the special token, random letters or any character of Unicode. */
export function randomText(draw: Random, special: string): string {
  return Array.from({ length: draw.integer(15) }, () => randomPiece(draw, special)).join('')
}

function randomPiece(draw: Random, special: string): string {
  const kind = draw.integer(20)
  if (kind === 0) return special
  if (kind < 14) return pieces[draw.integer(pieces.length)]!
  if (kind < 17) return Array.from({ length: 1 + draw.integer(20) }, () => letter(draw)).join('')
  const code = draw.integer(kind < 19 ? 0x3000 : 0x110000)
  return String.fromCodePoint(code >= 0xd800 && code < 0xe000 ? 0x41 : code)
}

const letter = (draw: Random) => String.fromCharCode(97 + draw.integer(26))
