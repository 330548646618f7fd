/** How a sweep is laid out: whether it can resume from clean runs, and how many prompts it runs at once. */
import { expect } from 'chai'
import { cosine, logitDiff, type Reading } from '../../../../lib/core/metrics.js'
import { plainView } from '../../../../lib/core/view.js'
import type { HookedModel } from '../../../../lib/model.js'
import { batchLimits, lastRead, layoutOf, type SweepLayout } from '../../../../lib/sweep/plan/layout.js'
import type { SweepSubject } from '../../../../lib/sweep/subject.js'
import { Tokens } from '../../../../lib/tokens/tokens.js'
import { attachedAt, intervention, resolvedEdit, viewOf } from '../../../support/sweep-parts.js'
import { tinyModel } from '../../../support/tiny-gpt2.js'

describe('the layout of a sweep', () => {
  let model: HookedModel
  let subject: SweepSubject
  before(async () => {
    model = await tinyModel()
    const { name, config, hookPoints } = model
    const points = new Map(hookPoints.map((point) => [point.name, point]))
    const loaded = { name, config } as SweepSubject['model']
    const tokens = new Tokens([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]) // prettier-ignore
    subject = { kind: 'sweep', model: loaded, view: plainView, points, tokens }
  })
  after(() => model.dispose())

  const edit = resolvedEdit('blocks.1.attn.hook_z', { units: [1] })
  const read = (position = -1): Reading => logitDiff(1, 2, { position }).reading!(model.metricContext(subject.tokens))
  const layout = (given: Partial<SweepSubject> = {}, reading: Reading | undefined = read(), all = [intervention(edit)], budget = 1): SweepLayout =>
    layoutOf({ ...subject, ...given }, all, { reading, budget }) // prettier-ignore

  it('runs prompts in chunks where nothing has to see the whole batch', () => {
    expect(layout().chunk).to.equal(1)
    expect(layout({}, read(), [intervention(edit)], 2 ** 29).chunk).to.be.above(3)
    const hooked = layout({ view: viewOf({ hooks: ['hook_embed'] }) })
    expect([hooked.canResume, hooked.chunk, hooked.sourceChunk]).to.deep.equal([true, 3, Infinity])
    const functions = [{ name: 'hook_embed', hook: () => undefined }]
    expect(layout({}, read(), [{ edits: [], functions }]).chunk).to.equal(3)
    const logits = layoutOf(subject, [intervention(edit)], { reading: undefined, budget: 1 })
    expect([logits.canResume, logits.chunk, logits.readsOne]).to.deep.equal([true, 3, false])
  })

  it('cannot resume in a view that stops, or whose hooks come after an edit', () => {
    expect(layout({ view: viewOf({ stopAt: 1 }) }).canResume).to.equal(false)
    expect(layout({ view: viewOf({ hooks: ['blocks.1.hook_mlp_out'] }) }).canResume).to.equal(false)
  })

  it('runs the last block for one position, where all prompts have the same and nothing else of it is kept', () => {
    const early = [intervention(resolvedEdit('blocks.0.hook_mlp_out'))]
    const one = layout({}, read(), early)
    expect([one.readsOne, lastRead(one, [0, 1, 2])]).to.deep.equal([true, 3])
    expect(lastRead(layout(), [0, 1]), 'the last block is edited').to.equal(undefined)
    const others = layout({}, { ...read(), positions: [[3], [2], [3]] }, early)
    expect([lastRead(others, [0, 1]), lastRead(others, [0, 2])]).to.deep.equal([undefined, 3])
    const activation = layout({}, cosine('ln_final.hook_normalized').reading!(model.metricContext(subject.tokens)), early) // prettier-ignore
    expect([activation.readsOne, lastRead(activation, [0])]).to.deep.equal([false, undefined])
  })

  it('leaves half of the budget to lazy tensors, which are made of runs of their own', () => {
    const lazy = resolvedEdit('blocks.1.attn.hook_z', { units: [1], value: { kind: 'lazy', lazy: { key: '', make: () => undefined as never } } }) // prettier-ignore
    const [plain, half] = [layout({}, read(), [intervention(edit)], 2 ** 20), layout({}, read(), [intervention(lazy)], 2 ** 21)] // prettier-ignore
    expect(half.chunk).to.equal(plain.chunk)
  })

  it('limits batches: by the budget, whole interventions for functions of logits, one start with far transcoders', () => {
    expect(batchLimits(layout(), 3, 2 ** 20)).to.include({ together: true, step: 1 })
    expect(batchLimits(layoutOf(subject, [intervention(edit)], { reading: undefined, budget: 1 }), 3, 1).step).to.equal(
      3,
    )
    const far = viewOf({ attached: [attachedAt('blocks.0.hook_resid_mid', 'blocks.1.hook_mlp_out', false)] })
    expect(batchLimits(layout({ view: far }), 3, 1).together).to.equal(false)
    const { most } = batchLimits(layout(), 3, 2 ** 20)
    expect(most({ begin: 3, end: 4, last: 3 })).to.be.above(most({ begin: 0, end: 4, last: 3 }))
  })
})
