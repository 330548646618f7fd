/** Answers before and after a change, and which predictions the change takes away. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { answerRanks, logitBoosts, logprobBoosts, meanInterval, topLogits } from '../../../analyses/index.js'
import type { HookedModel } from '../../../lib/model.js'
import { expectClose, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { expectTraceable } from '../../support/results.js'
import { embeddedSae } from '../../support/saes.js'

const texts = ['Carl and Eva went to the hill', 'Rose gave a hat to', 'Eva had a big red hat and a dog']

describe('answer ranks and boosts', () => {
  let model: HookedModel
  let edited: HookedModel
  before(async () => {
    model = await pocket()
    edited = model.withHooks({ 'blocks.3.hook_mlp_out': (x: tf.Tensor) => x.mul(0.2) })
  })

  /** Log probabilities and logits of the next token of a text by itself, counted from its end. */
  function predictions(of: HookedModel, text: string, position: number): { logProbs: number[]; logits: number[] } {
    return tf.tidy(() => {
      const logits = of.run(text)
      const row = logits.slice([0, logits.shape[1] + position], [1, 1]).flatten()
      return { logits: [...row.dataSync()], logProbs: [...tf.logSoftmax(row).dataSync()] }
    })
  }

  it('are those of single prompts', async () => {
    const answer = [' and', ' Carl', ' the']
    for (const position of [-1, -2]) {
      const result = await answerRanks(model, texts, { edited, answer, position })
      texts.forEach((text, b) => {
        const id = model.toSingleToken(answer[b]!)
        const read = [model, edited].map((of) => {
          const { logits, logProbs } = predictions(of, text, position)
          return [logProbs[id]!, logits[id]!, logits.filter((logit) => logit > logits[id]!).length]
        })
        const wanted = [0, 1, 2].flatMap((q) => [read[0]![q]!, read[1]![q]!, read[0]![q]! - read[1]![q]!])
        expectClose(result.select('prompt', b).values, wanted, tolerances.noise, text)
      })
      const differences = result.select('condition', 'difference').select('quantity', 'logit').values
      // kept in float32 in the result, in float64 in the summary
      const { mean, ci95 } = result.difference.logit
      const again = meanInterval(differences)
      expectClose([mean, ci95], [again.mean, again.ci95], 1e-6)
      await expectTraceable(result)
    }
    // 1.96 · sd / √n of 1, 2, 3, 6: deviations from 3 are 2, 1, 0, 3, so that their squares sum to 14
    expect(meanInterval([1, 2, 3, 6]).mean).to.equal(3)
    expect([meanInterval([3]), meanInterval([])]).to.deep.equal([{ mean: 3, ci95: NaN }, { mean: NaN, ci95: NaN }]) // prettier-ignore
    expectClose([meanInterval([1, 2, 3, 6]).ci95, meanInterval([1, 2, 3, 6], 0).ci95], [1.96 * Math.sqrt(14 / 3 / 4), 1.96 * Math.sqrt(14 / 4 / 4)], 1e-12) // prettier-ignore
  })

  it('boosts are differences of mean log probabilities, 0 below the floor and where left out', async () => {
    const mean = (of: HookedModel) => {
      const rows = texts.map((text) => predictions(of, text, -1).logProbs)
      return rows[0]!.map((_, id) => rows.reduce((sum, row) => sum + row[id]!, 0) / rows.length)
    }
    const [on, off] = [mean(model), mean(edited)]
    const all = await logprobBoosts(model, edited, texts)
    expectClose(all.values, on.map((value, id) => value - off[id]!), tolerances.noise) // prettier-ignore
    expect(all.axes[0]!.labels[5]).to.equal(model.tokenizer!.tokenString(5))
    const order = [...on].sort((a, b) => b - a)
    const floor = (order[29]! + order[30]!) / 2
    const exclude = [on.indexOf(order[0]!), on.indexOf(order[7]!)]
    const some = await logprobBoosts(model, edited, texts, { floor, exclude })
    const wanted = on.map((value, id) => (value < floor || exclude.includes(id) ? 0 : value - off[id]!))
    expectClose(some.values, wanted, tolerances.noise)
    expect(wanted.filter((value) => value !== 0)).to.have.length(28)
    expect(some.extra).to.deep.include({ floor, prompts: 3 })
  })

  it('logit boosts are the list that top logits are the ends of', async () => {
    using sae = await embeddedSae('pocket-mlp/blocks.3.mlp.hook_post')
    const view = model.withSaes(sae)
    const boosts = await logitBoosts(view, { latents: [7, 30] })
    const { latents } = await topLogits(view, { latents: [7, 30], k: 4 })
    for (const { latent, top, bottom } of latents) {
      const row = boosts.select('latent', `latent ${latent}`)
      for (const [list, by] of [
        [top, 'largest'],
        [bottom, 'smallest'],
      ] as const) {
        const found = row.top(4, { by })
        expect(found.map(({ index }) => index[0])).to.deep.equal(list.map(({ id }) => id))
        expectClose(found.map(({ value }) => value), list.map(({ logit }) => logit), tolerances.noise) // prettier-ignore
      }
    }
    const without = await logitBoosts(view, { latents: [7, 30], exclude: [latents[0]!.top[0]!.id] })
    expect(without.at(0, latents[0]!.top[0]!.id)).to.equal(0)
    expect(without.at(0, latents[0]!.top[1]!.id)).to.equal(boosts.at(0, latents[0]!.top[1]!.id))
    expect(boosts.provenance.saes).to.deep.equal(['pocket-mlp/blocks.3.mlp.hook_post'])
  })

  it('are refused for answers of several tokens', async () => {
    expect(await refusalOf(() => answerRanks(model, texts, { edited, answer: ' Carl and' }))).to.match(/^TokenError: .* is 2 tokens/) // prettier-ignore
    expect(await refusalOf(() => answerRanks(model, texts, { edited, answer: 5, position: 9 }))).to.include('answerRanks: there is no position 9') // prettier-ignore
  })
})
