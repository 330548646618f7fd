/** Replacements that are made when they are needed: as tensors given beforehand, with few alive at a time. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { HookedModel } from '../../../../lib/model.js'
import type { Intervention, LazyTensor } from '../../../../lib/sweep/index.js'
import { expectClose, tolerances } from '../../../support/close.js'
import { ioi, type Ioi } from '../../../support/ioi.js'
import { pocket } from '../../../support/pocket.js'
import { refusalOf } from '../../../support/refusal.js'
import { randomTensor } from '../../../support/saes.js'

const quiet = { onProgress: false } as const

describe('a replacement that is made when it is needed', () => {
  let model: HookedModel
  let few: Ioi
  let shape: number[]
  before(async () => {
    model = await pocket()
    few = await ioi(3)
    shape = [3, 22, 8, 16]
  })

  const z = (layer: number) => `blocks.${layer}.attn.hook_z`

  it('has the effects of a tensor, whatever the budget, and is freed when no run needs it', async () => {
    const tensors = [1, 2, 3].map((seed) => randomTensor(shape, seed))
    let alive = 0
    let most = 0
    const made = tensors.map((tensor, i): LazyTensor => ({
      key: `made ${i}`,
      make(prompts) {
        const own = tf.tidy(() => tf.gather(tensor, tf.tensor1d([...prompts], 'int32')))
        most = Math.max(most, ++alive)
        const { dispose } = own
        own.dispose = () => (alive--, dispose.call(own))
        return own
      },
    }))
    const edits = (values: readonly (tf.Tensor | LazyTensor)[]): Intervention[] => [
      ...values.map((to, i) => ({ hook: z(1), unit: i, to })),
      ...values.map((add) => ({ hook: z(2), add, position: -1 })),
      [
        { hook: z(0), unit: [1, 3], to: values[0]! },
        { hook: z(3), add: values[1]! },
      ],
    ]
    const expected = await model.sweep(few.clean, { interventions: edits(tensors), metric: few.metric, ...quiet })
    for (const [budget, limit] of [
      [2 ** 29, 3],
      [1, 2],
    ] as const) {
      // prettier-ignore
      most = 0
      const found = await model.sweep(few.clean, { interventions: edits(made), metric: few.metric, ...quiet, budget })
      expectClose(found.values, expected.values, tolerances.noise, `${budget} bytes`)
      expect([alive, most <= limit]).to.deep.equal([0, true])
    }
    const slow = await model.withHooks({ 'blocks.3.hook_resid_post': () => undefined }).sweep(few.clean, { interventions: edits(made), metric: few.metric, ...quiet }) // prettier-ignore
    expectClose(slow.values, expected.values, tolerances.noise, 'one run each')
    expect(alive).to.equal(0)
    tf.dispose(tensors)
  })

  it('costs nothing where it is what is there, or adds nothing', async () => {
    using cache = model.runWithCache(few.clean, { names: z(1), logits: false })
    const same: LazyTensor = { key: 'same', make: () => cache.get(z(1)).clone() }
    const zeros: LazyTensor = { key: 'zeros', make: () => tf.zeros(shape) }
    const edits: Intervention[] = [
      { hook: z(1), to: same },
      { hook: z(1), add: zeros },
    ]
    const result = await model.sweep(few.clean, { interventions: edits, metric: few.metric, ...quiet })
    expectClose(result.values, new Float32Array(6), 0)
  })

  it('is refused where it is not of the prompts, and nothing stays behind', async () => {
    const wrong: LazyTensor = { key: 'noise', make: () => tf.zeros([3, 21, 8, 16]) }
    expect(
      await refusalOf(() =>
        model.sweep(few.clean, { interventions: [{ hook: z(1), to: wrong }], metric: few.metric, ...quiet }),
      ),
    ).to.equal(
      `ShapeError: sweep: 'noise' makes a tensor of shape [3,21,8,16] for '${z(1)}'. It must be [B,P,H,K] with B 3 and P 22.`,
    )
  })
})
