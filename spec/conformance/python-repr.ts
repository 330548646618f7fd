/** Text as Python's `repr` writes it. */

/** Single quotes, unless there are such and no double ones; control and other characters that do not print escaped. */
export function pythonRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const body = [...text].map((character) => {
    if (character === '\\' || character === quote) return `\\${character}`
    const named = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character]
    if (named) return named
    return /[\p{C}\p{Z}]/u.test(character) && character !== ' ' ? escaped(character.codePointAt(0)!) : character
  })
  return `${quote}${body.join('')}${quote}`
}

function escaped(code: number): string {
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`
  return code <= 0xffff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`
}
