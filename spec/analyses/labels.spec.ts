/** Labels of prompts and positions. */
import { expect } from 'chai'
import { positionAxis, promptAxis } from '../../analyses/labels.js'
import { pocket } from '../support/pocket.js'
import { tinyModel } from '../support/tiny-gpt2.js'

describe('labels', () => {
  it('of prompts are their texts, without BOS and padding, and numbered', async () => {
    const model = await pocket()
    const texts = ['Anna and Ben', 'Anna', 'Anna and Ben']
    for (const paddingSide of ['left', 'right'] as const) {
      const tokens = model.toTokens(texts, { paddingSide })
      expect(promptAxis(model, tokens)).to.deep.equal({
        name: 'prompt',
        labels: ['0: Anna and Ben', '1: Anna', '2: Anna and Ben'],
      })
    }
    expect(promptAxis(model, model.toTokens(texts, { prependBos: false })).labels[1]).to.equal('1: Anna')
    expect(promptAxis(model, model.toTokens(texts), 1).labels).to.deep.equal(['all prompts'])
  })

  it('of positions hold number and token, with … where prompts differ', async () => {
    const model = await pocket()
    const tokens = model.toTokens(['Anna and Ben went', 'Anna and Eva went'])
    const all = tokens.rows[0]!.map((_, p) => p)
    expect(positionAxis(model, tokens, all)).to.deep.equal({
      name: 'position',
      labels: ['0 <|endoftext|>', '1 Anna', '2 and', '3 Ben…', '4 went'],
    })
    expect(positionAxis(model, tokens, [4, 1]).labels).to.deep.equal(['4 went', '1 Anna'])
  })

  it('are ids where the model has no tokenizer', async () => {
    using model = await tinyModel()
    const tokens = model.toTokens([
      [3, 1, 4],
      [3, 2, 4],
    ])
    expect(promptAxis(model, tokens).labels).to.deep.equal(['0: 3 1 4', '1: 3 2 4'])
    expect(positionAxis(model, tokens, [0, 1]).labels).to.deep.equal(['0 3', '1 1…'])
  })
})
