/** JSON of unknown origin: the place of a fault, keys given twice, and agreement with JSON.parse. */
import { expect } from 'chai'
import { parseJson, parseJsonWithUniqueKeys, readJson } from '../../../lib/files/json-file.js'
import { fileErrorOf, seededRandom } from '../../support/weight-files.js'

const faults: [string, string][] = [
  ['', 'unexpected end at line 1, column 1'],
  ['{"a": 1,\n "b": }', 'unexpected "}" at line 2, column 7'],
  ['{"a": 1', 'unexpected end at line 1, column 8'],
  ['{"a": 1,}', 'unexpected "}" at line 1, column 9'],
  ["{'a': 1}", 'unexpected "\'" at line 1, column 2'],
  ['{"a" 1}', 'unexpected "1" at line 1, column 6'],
  ['[1, 2\n, 03]', 'unexpected "3" at line 2, column 4'],
  ['[NaN]', 'unexpected "N" at line 1, column 2'],
  ['"two\nlines"', 'unexpected "\\n" at line 1, column 5'],
  ['"\\x"', 'unexpected "\\\\" at line 1, column 2'],
  ['"no end', 'unexpected end at line 1, column 8'],
  ['{} {}', 'unexpected "{" at line 1, column 4'],
]

describe('lib/files/json-file', () => {
  for (const [text, words] of faults) {
    it(`names the fault of ${JSON.stringify(text)}`, async () => {
      const { message } = await fileErrorOf(() => parseJson(text, 'read config.json'))
      expect(message).to.equal(`read config.json: ${words}. Valid JSON is needed.`)
    })
  }

  it('reads a file of a source, and names source and file when it is bad', async () => {
    const source = { id: 'my-model', readText: async (file: string) => (file === 'good.json' ? '{"n": [1]}' : '{') }
    expect(await readJson(source, 'good.json')).to.deep.equal({ n: [1] })
    const { message } = await fileErrorOf(() => readJson(source, 'bad.json'))
    expect(message).to.equal('read my-model/bad.json: unexpected end at line 1, column 2. Valid JSON is needed.')
  })

  it('refuses a key given twice in one object, however it is escaped, and only there', async () => {
    expect(parseJsonWithUniqueKeys('{"a": {"b": 1}, "b": {"b": "a"}, "c": ["b", "b"]}', 'x')).to.have.keys(
      'a',
      'b',
      'c',
    )
    const { message } = await fileErrorOf(() => parseJsonWithUniqueKeys('{"ab": 1,\n "c": 2, "a\\u0062": 3}', 'read x'))
    expect(message).to.equal("read x: key 'ab' a second time at line 2, column 10. Valid JSON is needed.")
    expect(parseJson('{"a": 1, "a": 2}', 'x')).to.deep.equal({ a: 2 })
  })

  it('refuses nesting without end instead of overflowing the stack', async () => {
    const { message } = await fileErrorOf(() => parseJsonWithUniqueKeys('['.repeat(1e5) + ']'.repeat(1e5), 'read x'))
    expect(message).to.contain('more than 200 levels of nesting at line 1, column 201')
  })

  it('finds a fault in exactly those texts that JSON.parse refuses', () => {
    const random = seededRandom(11)
    const sound = '{"a\\n": [1, -0.5e+3, true], "b": {"c": null, "d": ""}, "e": "x\\u00e9"}'
    const letters = '{}[]",:\\ 01-.eEtrufalsn\n\u00e9'
    const verdicts = { good: 0, bad: 0 }
    for (let i = 0; i < 5000; i++) {
      const at = Math.floor(random() * sound.length)
      const letter = letters[Math.floor(random() * letters.length)]!
      const text = sound.slice(0, at) + (random() < 0.3 ? '' : letter) + sound.slice(at + (random() < 0.5 ? 1 : 0))
      verdicts[agree(text)]++
    }
    expect(verdicts.good).to.be.greaterThan(300)
    expect(verdicts.bad).to.be.greaterThan(2000)
  })
})

function agree(text: string): 'good' | 'bad' {
  let good = true
  try {
    JSON.parse(text)
  } catch {
    good = false
  }
  let message = ''
  try {
    parseJsonWithUniqueKeys(text, 'x')
  } catch (error) {
    message = (error as Error).message
  }
  if (good) expect(message, text).to.match(/^$|a second time/)
  else expect(message, text).to.match(/^x: unexpected .* at line \d+, column \d+\. Valid JSON is needed\.$/)
  return good ? 'good' : 'bad'
}
