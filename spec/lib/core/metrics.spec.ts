/** Metrics: their formulas, where they look under padding, and what they refuse before a run. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import {
  answerIds,
  bindMetric,
  checkMetric,
  describeMetric,
  logitDiff,
  logProb,
  loss,
  type Metric,
} from '../../../lib/core/metrics.js'
import { promptPositions } from '../../../lib/core/positions.js'
import type { HookedModel } from '../../../lib/model.js'
import { Tokens } from '../../../lib/tokens/tokens.js'
import { expectClose, tolerances } from '../../support/close.js'
import { refusalOf } from '../../support/refusal.js'
import { normalTensor } from '../../support/slope.js'
import { pocket } from '../../support/pocket.js'

const rows = [
  [1, 2, 3, 4],
  [5, 6],
  [7, 8, 9],
]
const words: Record<string, number> = { ' Mary': 2, ' John': 4 }
const context = (tokens: Tokens) => ({ tokens, dVocab: 6, name: 'toy', toSingleToken: (text: string) => words[text]! })
const left = Tokens.padded(rows, 0, 'left')
const right = Tokens.padded(rows, 0, 'right')

describe('lib/core/metrics', () => {
  let model: HookedModel
  before(async () => {
    model = await pocket()
  })

  it('looks at the last real token, on whichever side the padding is', () => {
    expect(promptPositions(left, -1)).to.deep.equal([3, 3, 3])
    expect(promptPositions(right, -1)).to.deep.equal([3, 1, 2])
    expect(promptPositions(left, -2)).to.deep.equal([2, 2, 2])
    expect(promptPositions(left, 0)).to.deep.equal([0, 2, 1])
    expect(promptPositions(right, 1)).to.deep.equal([1, 1, 1])
    expect(promptPositions(new Tokens([[1, 2, 3]]), -1)).to.deep.equal([2])
  })

  for (const [side, tokens, at] of [
    ['left', left, [3, 3, 3]],
    ['right', right, [3, 1, 2]],
  ] as const) {
    it(`takes logit differences and log probabilities there, padded on the ${side}`, () => {
      tf.tidy(() => {
        const logits = normalTensor([3, 4, 6], 1) as tf.Tensor3D
        const last = logits.arraySync().map((prompt, b) => prompt[at[b]!]!)
        const answers = [0, ' Mary', 5]
        const ids = [0, 2, 5]
        const differences = last.map((row, b) => row[ids[b]!]! - row[4]!)
        const logProbs = last.map((row, b) => row[ids[b]!]! - Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)))
        expectClose(logitDiff(answers, ' John').bind(context(tokens))(logits), differences, tolerances.op)
        expectClose(logProb(answers).bind(context(tokens))(logits), logProbs, tolerances.op)
      })
    })
  }

  it('looks at another position on request', () => {
    tf.tidy(() => {
      const logits = normalTensor([3, 4, 6], 2) as tf.Tensor3D
      const second = logits.arraySync().map((prompt) => prompt[1]!)
      const metric = logitDiff(1, 3, { position: 1 }).bind(context(right))
      expectClose(
        metric(logits),
        second.map((row) => row[1]! - row[3]!),
        tolerances.op,
      )
    })
  })

  it('takes answers as text of one token with a real tokenizer', async () => {
    const tokens = model.toTokens(['Ben and Lily went home.', 'The dog ran.'])
    const lily = model.toSingleToken(' Lily')
    expect(model.answerIds('test', ' Lily', tokens)).to.deep.equal([lily, lily])
    expect(model.answerIds('test', [' Lily', 0], tokens)).to.deep.equal([lily, 0])
    expect(await refusalOf(() => model.bindMetric(logProb(' xylophone quartet'), tokens))).to.match(/^TokenError: /)
  })

  it('takes any function as it is, and names metrics', () => {
    const mean = (logits: tf.Tensor3D) => logits.mean()
    expect(bindMetric(mean, context(left))).to.equal(mean)
    expect(describeMetric(mean)).to.deep.equal({ name: 'mean', unit: '' })
    expect(describeMetric(() => tf.scalar(0))).to.deep.equal({ name: 'metric', unit: '' })
    expect(describeMetric(logProb(0))).to.deep.equal({ name: 'log probability', unit: 'nats' })
    expect(describeMetric(logitDiff(0, 1))).to.deep.equal({ name: 'logit difference', unit: 'logits' })
  })

  it('refuses what is no metric', async () => {
    for (const [value, shown] of [
      ['logitDiff', '"logitDiff"'],
      [undefined, 'undefined'],
      [{ answer: 3 }, '{"answer":3}'],
    ] as const) {
      expect(await refusalOf(() => bindMetric(value as never, context(left)))).to.equal(
        `ArgumentError: metric: got ${shown}. Give logitDiff(…), logProb(…) or a function from logits to a tensor.`,
      )
    }
  })

  it('refuses a number of answers that is not the number of prompts', async () => {
    expect(await refusalOf(() => answerIds('dla', [1, 2], context(left)))).to.equal(
      'ArgumentError: dla: there are 2 answers for 3 prompts. Give one for all or one for each.',
    )
    expect(await refusalOf(() => answerIds('dla', [1], context(left)))).to.match(/there are 1 answers for 3 prompts/)
  })

  for (const id of [6, -1, 0.5, NaN]) {
    it(`refuses token id ${id} of 6, as the answer or the wrong one`, async () => {
      const words = `the token id is ${id}. The ids of toy are whole numbers from 0 to 5.`
      const bound = (metric: Metric) => refusalOf(() => metric.bind(context(left)))
      expect(await bound(logitDiff(id, 0))).to.equal(`TokenError: logitDiff: ${words}`)
      expect(await bound(logitDiff(0, [1, 2, id]))).to.equal(`TokenError: logitDiff: ${words}`)
      expect(await bound(logProb(id))).to.equal(`TokenError: logProb: ${words}`)
    })
  }

  it('refuses a position that a prompt does not have', async () => {
    expect(await refusalOf(() => logProb(0, { position: 2 }).bind(context(right)))).to.equal(
      'ArgumentError: metric: there is no position 2 in prompts of 2 tokens. Give a whole number from -2 to 1.',
    )
    expect(await refusalOf(() => logProb(0, { position: -5 }).bind(context(right)))).to.match(
      /no position -5 in prompts of 4/,
    )
  })

  it('refuses a prompt that has no token to predict', async () => {
    const short = Tokens.padded([[1], [2, 3]], 0, 'right')
    expect(await refusalOf(() => loss().bind(context(short)))).to.equal(
      'ArgumentError: loss: prompt 0 is 1 token long. Give each at least 2 tokens.',
    )
  })

  it('lets a metric return a scalar or one number a prompt, and nothing else', async () => {
    tf.tidy(() => {
      checkMetric('run', tf.scalar(1), left)
      checkMetric('run', tf.zeros([3]), left)
    })
    const must = 'It must return a scalar or one number for each of the 3 prompts.'
    const shapes = [[1], [4], [3, 1], [1, 3]]
    for (const shape of shapes) {
      const tensor = tf.zeros(shape)
      expect(await refusalOf(() => checkMetric('run', tensor, left))).to.equal(
        `ShapeError: run: the metric returned a tensor of shape [${shape}]. ${must}`,
      )
      tensor.dispose()
    }
    expect(await refusalOf(() => checkMetric('run', 3, left))).to.equal(
      `ShapeError: run: the metric returned number. ${must}`,
    )
    expect(await refusalOf(() => checkMetric('run', undefined, left))).to.match(/returned undefined\./)
  })
})
