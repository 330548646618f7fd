/** `withHooks` with a name or a place and a function. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { head, neurons, point } from '../../../lib/core/sites.js'
import type { HookedModel } from '../../../lib/model.js'
import { hook } from '../../../lib/transformer/hook-names.js'
import { expectClose, tolerances } from '../../support/close.js'
import { refusalOf } from '../../support/refusal.js'
import { warmTinyModel } from '../../support/tiny-gpt2.js'

const prompts = [
  [3, 1, 4, 1, 5, 9],
  [22, 0, 7, 7, 18, 2],
]

describe('lib/core/add-hooks', () => {
  let tiny: HookedModel
  before(async () => (tiny = await warmTinyModel()))
  after(() => tiny.dispose())

  const numbers = (view: HookedModel) => tf.tidy(() => view.run(prompts).dataSync<'float32'>())
  const double = (x: tf.Tensor) => x.mul(2)
  const zero = (x: tf.Tensor) => tf.zerosLike(x)
  /** Zeros the units along an axis of 3 or 20, as a product with a mask. */
  const masked = (axis: number, size: number, units: readonly number[]) => (x: tf.Tensor) => {
    const mask = tf.tensor1d(Array.from({ length: size }, (_, u) => (units.includes(u) ? 0 : 1)))
    return x.mul(mask.reshape(x.shape.map((_, i) => (i === axis ? size : 1))))
  }

  it('takes a name, a place, a list or a pattern with a function, as it takes a record', () => {
    const name = 'blocks.1.hook_resid_pre'
    const expected = numbers(tiny.withHooks({ [name]: double }))
    const views = [
      tiny.withHooks(hook('resid_pre', 1), double),
      tiny.withHooks(point('resid_pre', 1), double),
      tiny.withHooks([point('resid_pre', 1)], double),
      tiny.withHooks(/1\.hook_resid_pre$/, double),
      tiny.withHooks((each) => each === name, double),
      tiny.withHooks([[point('resid_pre', 1), double]]),
    ]
    for (const view of views) expect(numbers(view)).to.deep.equal(expected)
  })

  it('shows a function the unit alone, its axis kept, and replaces nothing else', () => {
    const shapes: number[][] = []
    const look = (x: tf.Tensor) => void shapes.push(x.shape)
    const view = tiny
      .withHooks(head(1, 2), look)
      .withHooks(neurons(0, 5, 3), look)
      .withHooks(head(0, 1, 'pattern'), look)
    expect(numbers(view)).to.deep.equal(numbers(tiny))
    expect(shapes).to.have.deep.members([
      [2, 6, 1, 4],
      [2, 6, 2],
      [2, 1, 6, 6],
    ])
    const pairs: [HookedModel, HookedModel][] = [
      [tiny.withHooks(head(1, 2), zero), tiny.withHooks(hook('z', 1), masked(2, 3, [2]))],
      [tiny.withHooks(neurons(0, 5, 3), zero), tiny.withHooks(hook('post', 0), masked(2, 20, [3, 5]))],
      [tiny.withHooks(head(0, 1, 'pattern'), zero), tiny.withHooks(hook('pattern', 0), masked(1, 3, [1]))],
    ]
    for (const [byUnit, byMask] of pairs) expectClose(numbers(byUnit), numbers(byMask), tolerances.tiny)
  })

  it('keeps gradients, of the unit and of the others', () => {
    const options = { metric: (x: tf.Tensor3D) => x.square().mean(), names: [point('resid_pre', 0), hook('z', 1)] }
    using byUnit = tiny.withHooks(head(1, 2), double).runWithGradients(prompts, options)
    const scaled = (x: tf.Tensor) => x.mul(tf.tensor1d([1, 1, 2]).reshape([1, 1, 3, 1]))
    using byMask = tiny.withHooks(hook('z', 1), scaled).runWithGradients(prompts, options)
    for (const name of byMask.gradients.names) {
      expectClose(byUnit.gradients.get(name), byMask.gradients.get(name), tolerances.tiny, name)
    }
  })

  it('refuses what is not there, before any run', async () => {
    const cases: [() => unknown, string][] = [
      [
        () => tiny.withHooks(head(1, 3), zero),
        "ArgumentError: withHooks: 'blocks.1.attn.hook_z' has no unit 3. It has 0 to 2.",
      ],
      [
        () => tiny.withHooks({ hook: 'hook_embed', unit: 0 }, zero),
        "ArgumentError: withHooks: 'hook_embed' of shape [B,P,D] has no heads, neurons or latents. Leave 'unit' out.",
      ],
      [
        () => tiny.withHooks(neurons(0, 3, 3), zero),
        "ArgumentError: withHooks: 'unit' at 'blocks.0.mlp.hook_post' is [3,3]. Give each unit once.",
      ],
      [
        () => tiny.withHooks(head(2, 0), zero),
        "HookError: withHooks: no hook point 'blocks.2.attn.hook_z' in tfjs-lens-tiny (2 layers: 0–1). Did you mean 'blocks.1.attn.hook_z'?",
      ],
      [
        () => (tiny.withHooks as (where: unknown) => unknown)(hook('z', 1)),
        "ArgumentError: withHooks: the hook for 'blocks.1.attn.hook_z' is undefined. It must be a function.",
      ],
    ]
    for (const [call, message] of cases)
      expect((await refusalOf(call)).replace(/tfjs-lens-\w+/, 'tfjs-lens-tiny')).to.equal(message)
    expect(await refusalOf(() => numbers(tiny.withHooks(head(1, 2), (z: tf.Tensor) => z.sum(2))))).to.equal(
      "ShapeError: hook at 'blocks.1.attn.hook_z': the function returned shape [2,6,4]. It must return a tensor of shape [2,6,1,4].",
    )
  })
})
