/** Budgets: how much runs at once, by hand and as it grows. */
import { expect } from 'chai'
import { plainView } from '../../../../lib/core/view.js'
import { checkBudget, promptsPerChunk, rowsPerBatch, type Sizes } from '../../../../lib/sweep/plan/budget.js'
import type { ModelConfig } from '../../../../lib/transformer/architecture.js'
import { refusalOf } from '../../../support/refusal.js'
import { pointNamed } from '../../../support/sweep-parts.js'

const config: ModelConfig = {
  ...{ modelType: 'toy', nLayers: 2, dModel: 8, nHeads: 4, dHead: 2, dMlp: 32, nCtx: 16, dVocab: 100 },
  ...{ normalization: 'LN', eps: 1e-5 },
}
const names = ['blocks.0.hook_resid_pre', 'blocks.0.attn.hook_z', 'blocks.0.attn.hook_pattern']
const points = new Map(names.map((name) => [name, pointNamed(name)]))
const sizes: Sizes = { config, view: plainView, points, positions: 10, reading: undefined }
/** 16 · d_model + 6 · d_mlp numbers at once for a position of a pass. */
const PASS = 16 * 8 + 6 * 32

describe('the budget of a sweep', () => {
  it('holds the clean run of prompts in one half: what is kept, keys and values, and a pass', () => {
    const keys = 2 * 2 * 4 * 2
    const final = 8
    const bytes = (kept: number) => 4 * 10 * (kept + keys + final + PASS)
    const fit = (kept: Parameters<typeof promptsPerChunk>[1], budget: number) => promptsPerChunk(sizes, kept, budget)
    expect(fit(new Map(), 2 * 3 * bytes(0))).to.equal(3)
    expect(fit(new Map(), 2 * 3 * bytes(0) - 1)).to.equal(2)
    expect(fit(new Map([[names[0]!, undefined]]), 2 * 3 * bytes(8))).to.equal(3)
    // two of the four heads; of patterns a number for each key too
    expect(fit(new Map([[names[1]!, new Map([[0, 0], [3, 1]])]]), 2 * 3 * bytes(2 * 2))).to.equal(3) // prettier-ignore
    expect(fit(new Map([[names[2]!, undefined]]), 2 * 3 * bytes(4 * 10))).to.equal(3)
    expect(fit(new Map(), 1), 'never none').to.equal(1)
  })

  it('holds the rows of a batch in the other: passes, scores, the past and what is read', () => {
    const [begin, end] = [6, 10]
    const row = 4 * (4 * PASS + 4 * 4 * 4 * 10 + 4 * 6 * 4 * 2 + 4 * 10 * 100)
    expect(rowsPerBatch(sizes, { begin, end }, 2 * 5 * row)).to.equal(5)
    expect(rowsPerBatch(sizes, { begin, end }, 2 * 5 * row - 1)).to.equal(4)
    expect(rowsPerBatch(sizes, { begin, end }, 1)).to.equal(1)
    expect(rowsPerBatch(sizes, { begin, end }, 2 ** 40), 'more rows are no faster').to.equal(4096)
  })

  it('holds more rows where the metric reads less', () => {
    const reading = (columns: number[]) => ({ positions: [[9]], columns, of: () => undefined as never })
    const rows = (of: Sizes) => rowsPerBatch(of, { begin: 6, end: 10 }, 2 ** 20)
    const [few, all] = [rows({ ...sizes, reading: reading([1, 2]) }), rows(sizes)]
    expect(few).to.be.above(all)
    expect(rows({ ...sizes, reading: { ...reading([1, 2]), hook: names[0]! } })).to.be.above(few)
  })

  it('holds fewer rows where heads have keys of their own, and where SAEs run', () => {
    const rows = (of: Sizes) => rowsPerBatch(of, { begin: 9, end: 10 }, 2 ** 20)
    expect(rows({ ...sizes, config: { ...config, nKeyValueHeads: 1 } })).to.be.above(rows(sizes))
    const view = { ...plainView, attached: [{}] as unknown as Sizes['view']['attached'] }
    expect(rows({ ...sizes, view })).to.be.below(rows(sizes))
  })

  it('is half a gibibyte, or a number of bytes', async () => {
    expect(checkBudget('sweep', undefined)).to.equal(2 ** 29)
    expect(checkBudget('sweep', 1)).to.equal(1)
    for (const wrong of [0, -1, NaN, '1' as unknown as number])
      expect(await refusalOf(() => checkBudget('ablation', wrong))).to.match(/^ArgumentError: ablation: budget is .*\. Give a number of bytes/) // prettier-ignore
  })
})
