/** Regular expressions in Python's spelling and with its meaning, as far as token sets use them. */
import { ArgumentError } from '../../lib/errors/errors.js'

/** Python's \w, \d and \s on text, written for the inside of a character class. */
const classes: Readonly<Record<string, string>> = {
  w: '\\p{L}\\p{N}_',
  d: '\\p{Nd}',
  s: '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000',
}
const word = `[${classes['w']}]`

/** Outside of character classes, where JavaScript means something else. */
const anchors: Readonly<Record<string, string>> = {
  A: '(?<![^])',
  Z: '(?![^])',
  b: `(?:(?<=${word})(?!${word})|(?<!${word})(?=${word}))`,
  B: `(?:(?<=${word})(?=${word})|(?<!${word})(?!${word}))`,
}

/**
 * Whether a text begins with a match, as Python's `re.match` sees it: \w, \d, \s and \b know Unicode, `.` is all but a
 * line feed, `$` also stands before a line feed at the end. A RegExp is taken as JavaScript means it.
 * @throws ArgumentError for what is no regular expression, or uses what JavaScript does not have
 */
export function startMatcher(pattern: string | RegExp): (text: string) => boolean {
  const sticky = compile(pattern)
  return (text) => {
    sticky.lastIndex = 0
    return sticky.test(text)
  }
}

function compile(pattern: string | RegExp): RegExp {
  if (pattern instanceof RegExp) return new RegExp(pattern.source, `${pattern.flags.replace(/[gy]/g, '')}y`)
  try {
    return new RegExp(translate(pattern), 'uy')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ArgumentError(
      `regexSets: '${pattern}' is no pattern that can be matched: ${reason}. Write it as Python's re does, without ` +
        'flags, or give a RegExp.',
      { cause: error },
    )
  }
}

/** Python's pattern as JavaScript's, for the flag `u`. */
function translate(pattern: string): string {
  let [translated, inClass] = ['', false]
  for (let i = 0; i < pattern.length; i++) {
    const letter = pattern.charAt(i)
    if (letter === '\\') {
      translated += escape(pattern[++i], inClass)
      continue
    }
    const opens = letter === '[' && !inClass
    translated += inClass ? letter : outside(letter, pattern.slice(i))
    if (letter === ']') inClass = false
    if (opens) inClass = true
  }
  return translated.replaceAll('(?P<', '(?<')
}

function outside(letter: string, rest: string): string {
  if (letter === '.') return '[^\\n]'
  if (letter === '$') return '(?=\\n?(?![^]))'
  if (letter === '{' && !/^\{(\d+(,\d*)?|,\d+)\}/.test(rest)) return '\\{'
  return letter
}

function escape(letter: string | undefined, inClass: boolean): string {
  if (letter === undefined) throw new SyntaxError('it ends with a backslash')
  const small = classes[letter.toLowerCase()]
  if (small !== undefined && letter in classes) return inClass ? small : `[${small}]`
  if (small !== undefined) {
    if (inClass) throw new SyntaxError(`\\${letter} inside […] is not supported`)
    return `[^${small}]`
  }
  const anchor = inClass ? undefined : anchors[letter]
  if (anchor !== undefined) return anchor
  // Python takes a backslash before any punctuation; JavaScript only where it is needed
  if (/[!"#%&',:;<=>@`~ _]/.test(letter) || (letter === '-' && !inClass)) return letter
  return `\\${letter}`
}
