/** Ways to the residual stream: what a change at a point becomes on the stream, on families with other blocks. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { axesOf, type HookPoint } from '../../../lib/core/hooks.js'
import { featureShape } from '../../../lib/core/axes.js'
import { parseHook } from '../../../lib/transformer/hook-names.js'
import { writerOf } from '../../../lib/transformer/writers.js'
import type { HookedModel } from '../../../lib/model.js'
import { loadModel } from '../../../models/load-model.js'
import { expectClose, tolerances } from '../../support/close.js'
import { recordFolder } from '../../support/record-model.js'
import { randomTensor } from '../../support/saes.js'

const prompts = [[3, 1, 4, 1, 5]]

/** What is added at a point, as it arrives where the writer says it does. */
function expectArrives(model: HookedModel, point: HookPoint): void {
  const { matrix, sumsHeads, lands } = writerOf(point.name, new Set(model.hookNames))!
  const [rows, D] = [prompts[0]!.length, model.config.dModel]
  tf.tidy(() => {
    const change = randomTensor([1, rows, ...featureShape(point, model.config)], 7)
    const at = (view: HookedModel) => {
      using cache = view.runWithCache(prompts, { names: lands, logits: false })
      return cache.get(lands).clone()
    }
    const arrived = at(model.withHooks({ [point.name]: (x: tf.Tensor) => x.add(change) })).sub(at(model))
    const W = matrix === undefined ? undefined : model.copyWeight(matrix).reshape<tf.Tensor2D>([-1, D])
    const summed = sumsHeads ? change.sum(2) : change
    const expected = W ? tf.matMul(summed.reshape<tf.Tensor2D>([rows, -1]), W) : summed
    expectClose(arrived, expected.reshape([1, rows, D]), tolerances.noise, point.name)
  })
}

describe('lib/transformer/writers', () => {
  for (const family of ['gpt2', 'gpt_neox', 'gemma2', 'attn_only_2l', 'solu_2l']) {
    it(`says how what stands at the points of ${family} gets into the stream`, async () => {
      using model = await loadModel(recordFolder(family))
      const points = new Set(model.hookNames)
      const ways = model.hookPoints.filter(({ name }) => writerOf(name, points))
      expect(new Set(ways.map(({ name }) => parseHook(name).local))).to.include.all.keys(
        ...['hook_embed', 'hook_resid_pre', 'attn.hook_z', 'attn.hook_result', 'hook_attn_out', 'hook_resid_post'],
      )
      for (const point of ways) {
        const { name, shape } = point
        const { matrix, norm, sumsHeads, output, lands } = writerOf(name, points)!
        expect([points.has(output), points.has(lands)], name).to.deep.equal([true, true])
        expect(sumsHeads, name).to.equal(axesOf(shape).join() === 'B,P,H,D')
        expect(matrix === undefined, name).to.equal(!/hook_(z|post)$/.test(name))
        const isInner = matrix !== undefined || sumsHeads
        expect(norm !== undefined, name).to.equal(family === 'gemma2' && isInner)
        if (norm === undefined) expectArrives(model, point)
      }
    })
  }

  it('knows none from points that are not linear in what is written, or inside SAEs', () => {
    const points = { has: () => true }
    const others = ['attn.hook_q', 'attn.hook_pattern', 'mlp.hook_pre', 'ln2.hook_normalized', 'hook_mlp_in']
    for (const name of [
      ...others.map((point) => `blocks.1.${point}`),
      'ln_final.hook_normalized',
      'blocks.1.attn.hook_z.hook_sae_output',
    ])
      // prettier-ignore
      expect(writerOf(name, points), name).to.equal(undefined)
  })
})
