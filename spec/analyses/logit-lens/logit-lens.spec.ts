/** The logit lens against the model's own prediction and the closed form of its parts. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { logitLens } from '../../../analyses/logit-lens/logit-lens.js'
import { ioiPrompts } from '../../../analyses/prompts/ioi-prompts.js'
import type { HookedModel } from '../../../lib/model.js'
import { expectClose, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'

describe('analyses/logit-lens/logit-lens', () => {
  let model: HookedModel
  const [first, second] = ioiPrompts({ count: 2 })
  const prompts = [first!.clean, second!.clean]
  const answer = [first!.answer, second!.answer]
  before(async () => {
    model = await pocket()
  })

  it('ends with what the model predicts', async () => {
    const { logProb, rank, entropy, top } = await logitLens(model, prompts, { answer })
    expect(logProb.axes[0]!.labels).to.deep.equal(['0_pre', '1_pre', '2_pre', '3_pre', 'final_post'])
    const probabilities = tf.tidy(() => {
      const logits = model.run(prompts)
      return tf.softmax(logits.slice([0, logits.shape[1] - 1], [-1, 1]).squeeze([1])).arraySync() as number[][]
    })
    probabilities.forEach((row, b) => {
      const p = row[model.toSingleToken(answer[b]!)]!
      expect(logProb.at('final_post', b)).to.be.closeTo(Math.log(p), 1e-4) // float32 softmax near 1
      expect(rank.at('final_post', b)).to.equal(0)
      expect(top.at(-1)![b]).to.equal(model.toSingleToken(answer[b]!))
      const exact = row.reduce((sum, q) => sum - (q > 0 ? q * Math.log(q) : 0), 0)
      expect(entropy.at('final_post', b)).to.be.closeTo(exact, 1e-4)
    })
  })

  it('sees a state as the model stopped there would, also between attention and MLP', async () => {
    const lens = await logitLens(model, prompts, { answer, inclMid: true })
    expect(lens.rank.axes[0]!.labels).to.have.length(9)
    using cache = model.runWithCache(prompts, { names: 'blocks.2.hook_resid_mid' })
    const expected = tf.tidy(() => {
      const stack = normed(cache.get('resid_mid', 2))
      const logits = tf.matMul(stack, model.copyWeight<tf.Tensor2D>('unembed.W_U')).add(model.copyWeight('unembed.b_U'))
      return tf.logSoftmax(logits).arraySync() as number[][]
    })
    const ids = answer.map((text) => model.toSingleToken(text))
    const values = [0, 1].map((b) => lens.logProb.at('2_mid', b))
    expectClose(
      values,
      ids.map((id, b) => expected[b]![id]!),
      tolerances.noise,
    )
  })

  /** The last position, centred and scaled: the folded final norm. */
  function normed(resid: tf.Tensor): tf.Tensor2D {
    const x = resid.slice([0, resid.shape[1]! - 1], [-1, 1]).squeeze<tf.Tensor2D>([1])
    const centred = x.sub(x.mean(-1, true))
    return centred.div(centred.square().mean(-1, true).add(model.config.eps).sqrt())
  }

  it('follows the top token of each prompt when no answer is named, padded or alone', async () => {
    const both = await logitLens(model, ['Ben said', first!.clean])
    const alone = await logitLens(model, 'Ben said')
    expectClose([...both.entropy.select('prompt', 0).values], [...alone.entropy.values], tolerances.noise)
    expect(both.rank.at('final_post', 0)).to.equal(0)
  })

  it('refuses answers that are several tokens', async () => {
    expect(await refusalOf(() => logitLens(model, prompts, { answer: ' Carl and' }))).to.match(
      /^TokenError: toSingleToken: " Carl and" is 2 tokens/,
    )
  })
})
