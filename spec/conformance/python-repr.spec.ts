/** Text as Python writes it. */
import { expect } from 'chai'
import { pythonRepr } from './python-repr.js'

describe('pythonRepr', () => {
  // each as python3 -c 'print(repr(…))' gives it
  const cases: [text: string, repr: string][] = [
    ['plain', "'plain'"],
    ["it's", `"it's"`],
    [`it's "so"`, `'it\\'s "so"'`],
    ['a\nb\tc\rd\\', "'a\\nb\\tc\\rd\\\\'"],
    ['\x01\x7f\xa0\xe9', "'\\x01\\x7f\\xa0é'"],
    ['\u2028\u200b\ufffd☃', "'\\u2028\\u200b\ufffd☃'"],
    ['\u{e0001}🙂', "'\\U000e0001🙂'"],
  ]
  for (const [text, repr] of cases) it(`of ${JSON.stringify(text)}`, () => expect(pythonRepr(text)).to.equal(repr))
})
