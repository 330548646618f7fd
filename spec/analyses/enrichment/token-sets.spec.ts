/** Token sets: the recorded ones, and Python's way with patterns. */
import { expect } from 'chai'
import { decadeSets, letterSets, regexSets, tokenPatterns, wordSets } from '../../../analyses/index.js'
import { startMatcher } from '../../../analyses/enrichment/start-matcher.js'
import { checkedSets } from '../../../analyses/enrichment/token-sets.js'
import type { HookedModel } from '../../../lib/model.js'
import { loadModel } from '../../../models/load-model.js'
import { pocket } from '../../support/pocket.js'
import { reference } from '../../support/reference.js'
import { refusalOf } from '../../support/refusal.js'

describe('token sets', () => {
  it('by letter, pattern and decade are the recorded ones', async () => {
    const record = await reference('saes')
    const { token_sets: recorded } = record.json['tsea'] as { token_sets: Record<string, number[]> }
    using model = (await loadModel(`${record.folder}/model`)) as HookedModel & Disposable
    const made = { ...letterSets(model), ...regexSets(model), ...decadeSets(model) }
    expect(Object.keys(made)).to.have.length(26 + 17 + 11)
    for (const [name, ids] of Object.entries(made)) expect(ids, name).to.deep.equal(recorded[name])
  })

  it('of words hold every token, or only whole words', async () => {
    const model = await pocket()
    const { tokenizer } = model
    const words = ['Ben', 'school', 'unheard-of']
    const all = new Set(words.flatMap((word) => tokenizer!.encode(` ${word}`)))
    expect(wordSets(model, { words })['words']).to.deep.equal([...all].sort((a, b) => a - b))
    const whole = wordSets(model, { words }, { whole: true })['words']!
    expect(whole.map((id) => tokenizer!.tokenString(id)).sort()).to.deep.equal([' Ben', ' school'])
  })

  it('by pattern match as Python does', () => {
    // text by text what Python 3.11's re.match says
    const cases: [pattern: string, yes: string[], no: string[]][] = [
      ['a', ['a', 'ab'], ['ba', '']],
      ['a|b$', ['ax', 'b', 'b\n'], ['bx']],
      ['\\w{2}$', ['éß', 'x1', '_٣', 'Ⅷ½', '中文'], ['e\u0301', 'a-', '\u200da']],
      ['\\d+$', ['12', '٣'], ['½', '²', 'Ⅷ']],
      ['[^\\w\\s]+$', ['!?', '\u0301', '\ufeff'], ['a', '\x1c', '\x85', '\u3000']],
      ['\\S', ['\ufeff', 'a'], ['\x1f', '\u2028']],
      ['.$', ['\r', '\u2028', 'a\n'], ['\n', 'ab']],
      ['\\D\\W', ['a-'], ['1-', 'ab']],
      ['a\\b', ['a', 'a '], ['aé']],
      ["(?P<x>\\'\\-)\\Z", ["'-"], ["'-\n"]],
      ['{', ['{'], ['}']],
      ['😀.', ['😀x'], ['😀']],
    ]
    for (const [pattern, yes, no] of cases) {
      const matches = startMatcher(pattern)
      for (const text of yes) expect(matches(text), `${pattern} on ${JSON.stringify(text)}`).to.equal(true)
      for (const text of no) expect(matches(text), `${pattern} on ${JSON.stringify(text)}`).to.equal(false)
    }
    expect(['xa', 'Xb', 'yx'].map(startMatcher(/x/gi))).to.deep.equal([true, true, false])
  })

  it('are refused when empty or outside of the vocabulary, and patterns that are none', async () => {
    const model = await pocket()
    expect(Object.keys(tokenPatterns)).to.have.length(17)
    expect(await refusalOf(() => regexSets(model, { odd: '(' }))).to.match(/^ArgumentError: regexSets: '\(' is no pattern that can be matched: .+ Write it as Python's re does, without flags, or give a RegExp\.$/) // prettier-ignore
    expect(await refusalOf(() => regexSets(model, { odd: '[\\W]' }))).to.include('\\W inside […] is not supported')
    expect(await refusalOf(() => wordSets(model, { names: [] }))).to.include("wordSets: 'names' is []. Give a list of at least one word.") // prettier-ignore
    expect(await refusalOf(() => checkedSets('enrichment', { none: [] }, 9))).to.include("enrichment: the token set 'none' is empty. Leave it out") // prettier-ignore
    expect(await refusalOf(() => checkedSets('enrichment', {}, 9))).to.include('there are no token sets')
    expect(await refusalOf(() => checkedSets('enrichment', { far: [1, 9] }, 9))).to.include("the token set 'far' holds 9. Token ids run from 0 to 8.") // prettier-ignore
  })
})
