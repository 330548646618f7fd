/** Sums to ask a model, and how often it answers right. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { arithmeticPrompts, generationAccuracy, writePrompts } from '../../../analyses/index.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'

describe('arithmetic prompts', () => {
  it('ask what they say, with the right answer, in range, behind another worked question where asked', () => {
    for (const example of [false, true]) {
      const prompts = arithmeticPrompts({ count: 300, example, largest: 12 })
      expect(new Set(prompts.map(({ operation }) => operation))).to.have.keys('plus', 'minus', 'times')
      for (const { text, answer, operation, a, b } of prompts) {
        const results = { plus: a + b, minus: a - b, times: a * b }
        expect(answer).to.equal(` ${results[operation]}`)
        expect(results[operation]).to.be.at.least(0)
        expect(Math.max(a, b)).to.be.at.most(operation === 'times' ? 6 : 12)
        const questions = text.split('\n')
        expect(questions.at(-1)).to.equal(`Q: What is ${a} ${operation} ${b}? A:`)
        expect(questions).to.have.length(example ? 2 : 1)
        if (!example) continue
        const [, x, by, y, said] = /^Q: What is (\d+) (\w+) (\d+)\? A: (\d+)$/.exec(questions[0]!)!
        expect(by).to.equal(operation)
        const worked = { plus: Number(x) + Number(y), minus: Number(x) - Number(y), times: Number(x) * Number(y) }
        expect(Number(said)).to.equal(worked[operation])
        expect(questions[0]!.startsWith(questions[1]!)).to.equal(false)
      }
    }
  })

  it('are the same for a seed, others for another, and records in a file', async () => {
    const prompts = arithmeticPrompts({ count: 5, seed: 3 })
    expect(arithmeticPrompts({ count: 5, seed: 3 })).to.deep.equal(prompts)
    expect(arithmeticPrompts({ count: 5, seed: 4 })).not.to.deep.equal(prompts)
    const folder = mkdtempSync(join(tmpdir(), 'sums-'))
    await writePrompts(join(folder, 'sums.jsonl'), prompts)
    const lines = readFileSync(join(folder, 'sums.jsonl'), 'utf8').trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line) as unknown)).to.deep.equal(prompts)
    rmSync(folder, { recursive: true })
  })

  it('refuse what they cannot ask', async () => {
    expect(await refusalOf(() => arithmeticPrompts({ count: 0 }))).to.equal(
      'ArgumentError: arithmeticPrompts: count is 0. It must be a whole number from 1.',
    )
    expect(await refusalOf(() => arithmeticPrompts({ largest: 1 }))).to.match(/largest is 1\. It must .* from 2\.$/)
    expect(await refusalOf(() => arithmeticPrompts({ operations: ['over' as 'plus'] }))).to.equal(
      `ArgumentError: arithmeticPrompts: operations is ["over"]. Give some of 'plus', 'minus', 'times'.`,
    )
  })
})

describe('generation accuracy', () => {
  before(async () => void (await pocket()))

  it('is that of generating each prompt by itself', async () => {
    const model = await pocket()
    const prompts = arithmeticPrompts({ count: 9, seed: 2 }).flatMap((one) => [one, { ...one, answer: ' 1' }])
    const found = await generationAccuracy(model, prompts, { sample: false })
    const { said, right, accuracy } = found
    for (const [i, { text, answer }] of prompts.entries()) {
      using alone = await model.generate(text, { sample: false, maxNewTokens: 4 })
      const [, first] = /^( \d+)/.exec(alone.texts[0]!)!
      expect(right[i], text).to.equal(first === answer) // and so ` 14` is no ` 1`
      if (right[i]) expect(said[i]).to.equal(answer)
    }
    expect(accuracy).to.be.closeTo(right.filter(Boolean).length / 18, 1e-12)
    expect(accuracy).to.be.within(0.2, 0.6) // the half with ' 1' is nearly all wrong
    expect(found.toTable().rows[0]!.slice(0, 2)).to.deep.equal([prompts[0]!.text, prompts[0]!.answer])
  })

  it('needs a question', async () => {
    const model = await pocket()
    expect(await refusalOf(() => generationAccuracy(model, []))).to.equal(
      'ArgumentError: generationAccuracy: there is no question. Give at least one.',
    )
  })
})
