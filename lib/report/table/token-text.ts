/** Tokens and other foreign text made fit to be shown: what is invisible becomes visible, what is active harmless. */

/**
 * A token as it is shown in tables, plots and HTML: spaces at either end as '·', newline '⏎', tab '⇥', and what
 * cannot be seen or would steer the terminal or the direction of text as an escape ('\x1b', '\u202e').
 * Applied twice it gives the same as applied once.
 */
export function visibleToken(token: string): string {
  return visibleControls(token.replace(/^ +| +$/g, (spaces) => '·'.repeat(spaces.length)))
}

/**
 * Text with its line breaks, tabs, control and formatting characters (bidi controls, zero-width joiners, byte-order
 * mark, line separators), unusual spaces and lone surrogates made visible; ordinary spaces and U+FFFD stay.
 */
export function visibleControls(text: string): string {
  return text
    .replace(/\r\n|\n/g, '⏎')
    .replace(/\t/g, '⇥')
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, escaped)
}

function escaped(character: string): string {
  const code = character.codePointAt(0)!
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`
  return code <= 0xffff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text safe as HTML content and inside quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!)
}

/** The text cut to at most `length` characters, '…' standing for what was cut off; no character is cut in two. */
export function shorten(text: string, length: number): string {
  const characters = [...text]
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`
}

/** The text cut to at most `length` characters, '…' in the middle standing for what was cut out. */
export function shortenMiddle(text: string, length: number): string {
  const characters = [...text]
  if (characters.length <= length) return text
  const end = Math.floor((length - 1) / 2)
  const start = length - 1 - end
  return `${characters.slice(0, start).join('')}…${characters.slice(characters.length - end).join('')}`
}
