/** Parts of speech as token sets: tags of known words, what is left out, one tagging a tokenizer; the lists of words. */
import { expect } from 'chai'
import { partOfSpeechSets, wordLists, wordSets } from '../../../analyses/index.js'
import type { HookedModel } from '../../../lib/model.js'
import { loadModel } from '../../../models/load-model.js'
import { pocket } from '../../support/pocket.js'
import { reference } from '../../support/reference.js'
import { refusalOf } from '../../support/refusal.js'

describe('part-of-speech sets', () => {
  const told: [number, number][] = []
  let model: HookedModel
  let sets: Record<string, number[]>
  let tagOf: (token: string) => string | undefined

  before(async () => {
    model = await pocket()
    sets = await partOfSpeechSets(model, { onProgress: (...done) => told.push(done) })
    tagOf = (token) => {
      const id = model.toSingleToken(token)
      return Object.keys(sets).find((tag) => sets[tag]!.includes(id))
    }
  })

  it('have the tags of the Penn Treebank', () => {
    const tags = { ' school': 'NN', ' friends': 'NNS', ' Ben': 'NNP', ' went': 'VBD', ' is': 'VBZ', ' happy': 'JJ', ' his': 'PRP$', ' he': 'PRP', ' the': 'DT', ' very': 'RB', ' can': 'MD', ' and': 'CC', ' 12': 'CD', ' to': 'TO' } // prettier-ignore
    for (const [token, tag] of Object.entries(tags)) expect(tagOf(token), token).to.equal(tag)
  })

  it('hold each token at most once, and no signs, specials or unknown pieces', () => {
    const ids = Object.values(sets).flat()
    expect(new Set(ids).size).to.equal(ids.length)
    expect(ids.length).to.be.greaterThan(500)
    for (const id of ids)
      expect(model.toString([id]))
        .to.match(/[\p{L}\p{N}]/u)
        .and.not.include('\ufffd')
    for (const token of [',', '?"', ' bri', 'ng']) expect(tagOf(token), token).to.equal(undefined)
    for (const set of Object.values(sets)) expect(set).to.deep.equal([...set].sort((a, b) => a - b))
  })

  it('are made once a tokenizer, and are the caller’s', async () => {
    expect(told.at(-1)).to.deep.equal([1293, 1293])
    const before = told.length
    sets['NN']!.push(-1)
    const again = await partOfSpeechSets(model, { onProgress: (...done) => told.push(done) })
    expect(told).to.have.length(before)
    expect(again['NN']).to.deep.equal(sets['NN']!.slice(0, -1))
    sets['NN']!.pop()
    const record = await reference('saes')
    using other = (await loadModel(`${record.folder}/model`)) as HookedModel & Disposable
    expect(Object.values(await partOfSpeechSets(other, { onProgress: () => undefined })).flat().every((id) => id < 400)).to.equal(true) // prettier-ignore
  })

  it('need a tokenizer', async () => {
    const bare = Object.assign(Object.create(model) as HookedModel, {})
    Object.defineProperty(bare, 'tokenizer', { value: undefined })
    expect(await refusalOf(() => partOfSpeechSets(bare))).to.equal('TokenError: partOfSpeechSets: pocket-gpt2 has no tokenizer. Give the sets as token ids.') // prettier-ignore
  })
})

describe('word lists', () => {
  it('name each word once, names in one list alone, and become token sets', async () => {
    for (const [name, words] of Object.entries(wordLists)) {
      expect(words.length, name).to.be.greaterThan(20)
      expect(new Set(words).size, name).to.equal(words.length)
    }
    const { boys_names: boys, girls_names: girls, positive_words: good, negative_words: bad } = wordLists
    expect(boys.filter((name) => girls.includes(name))).to.deep.equal([])
    expect(good.filter((word) => bad.includes(word))).to.deep.equal([])
    const model = await pocket()
    const sets = wordSets(model, wordLists, { whole: true })
    expect(sets['boys_names']!.map((id) => model.toString([id]))).to.include.members([' Jack', ' Ben'])
    expect(sets['girls_names']!.map((id) => model.toString([id]))).to.include.members([' Mia', ' Zoe'])
  })
})
