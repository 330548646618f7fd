/**
 * The byte level of GPT-2: text is cut into words, and each byte of a word is written as one printable letter, so
 * that a vocabulary file can spell any bytes (Radford et al. 2019). A space is Ġ, a line feed Ċ.
 */

/** Bytes that are their own letter: the printable ones of Latin-1. The others take U+0100, U+0101, … in order. */
const isPrintable = (byte: number) =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff)

/** The letter of each byte, `[256]`. */
export const byteLetters: readonly string[] = spellBytes()

const byteOfLetter = new Map(byteLetters.map((letter, byte) => [letter, byte]))
const encoder = new TextEncoder()
/** Never streaming, so that no call leaves bytes to the next one; a BOM is text like any other. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * How GPT-2 cuts text into words. White space is the property of Unicode, as in the Rust tokenizers: JavaScript's `\s`
 * takes U+FEFF for a space and U+0085 for none.
 */
export const wordPattern =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu

function spellBytes(): string[] {
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++))
}

/** Bytes as letters. */
export function spell(bytes: Iterable<number>): string {
  let letters = ''
  for (const byte of bytes) letters += byteLetters[byte]
  return letters
}

/** The UTF-8 bytes of a text as letters; half of a surrogate pair counts as U+FFFD. */
export function spellText(text: string): string {
  return spell(encoder.encode(text))
}

/** The text of letters; bytes that are not UTF-8 become U+FFFD, and what is no letter of a byte stands for itself. */
export function readLetters(letters: string): string {
  return decoder.decode(bytesOf(letters))
}

/** The same, but bytes that are not UTF-8 as they would be written in code: `\xe2\x80`. */
export function readFragment(letters: string): string {
  const bytes = bytesOf(letters)
  let text = ''
  for (let at = 0; at < bytes.length;) {
    const [character, length] = characterAt(bytes, at)
    text += character
    at += length
  }
  return text
}

function bytesOf(letters: string): Uint8Array {
  const bytes: number[] = []
  for (const letter of letters) {
    const byte = byteOfLetter.get(letter)
    if (byte === undefined) bytes.push(...encoder.encode(letter))
    else bytes.push(byte)
  }
  return Uint8Array.from(bytes)
}

const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })

/** The character whose bytes begin here, of one to four bytes, or the byte where none does. */
function characterAt(bytes: Uint8Array, at: number): [text: string, length: number] {
  const first = bytes[at]!
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  try {
    return [strict.decode(bytes.subarray(at, at + length)), length]
  } catch {
    return [`\\x${first.toString(16)}`, 1]
  }
}
