/** Which rows are run, from where to where: by what edits change and what the metric reads. */
import { expect } from 'chai'
import type { Reading } from '../../../../lib/core/metrics.js'
import type { ResolvedEdit, ResolvedIntervention } from '../../../../lib/sweep/edits/index.js'
import { planGroups, type Group, type PlanContext } from '../../../../lib/sweep/plan/groups.js'
import type { Entry } from '../../../../lib/sweep/plan/resume-points.js'
import { resolvedEdit } from '../../../support/sweep-parts.js'

const [BATCH, POSITIONS, LAYERS] = [3, 8, 4]

/** A metric of one position in each prompt, or of several. */
const reading = (...positions: (number | number[])[]): Reading => ({
  positions: positions.map((own) => [own].flat()),
  of: (x) => x.sum([1, 2]),
})

/** Edits change prompt b from position `firsts[b]` on; all runs of a layer resume at one entry. */
function context(firsts: readonly (number | undefined)[], given: Partial<PlanContext> = {}): PlanContext {
  const first = (_: ResolvedEdit, prompt: number, { begin, end }: { begin: number; end: number }) => {
    const own = firsts[prompt]
    return own === undefined || own >= end ? undefined : Math.max(own, begin)
  }
  const of = ([edit]: readonly ResolvedEdit[]) => {
    const entry: Entry = edit!.point.name.endsWith('hook_mlp_out') ? 'end' : 'block'
    return { entry, layer: edit!.layer, key: `${entry} ${edit!.layer}` }
  }
  return {
    nLayers: LAYERS,
    resumePoints: { of },
    differences: { first },
    reading: reading(7, 7, 5),
    batch: BATCH,
    positions: POSITIONS,
    isWanted: () => true,
    ...given,
  }
}

const edits = (...names: string[]): ResolvedIntervention => ({ edits: names.map((name) => resolvedEdit(name)), functions: [] }) // prettier-ignore
const prompts = [0, 1, 2]
const text = ({ start, begin, end, last, rows }: Group) => `${start.key}: ${begin} to ${end}, reads ${last}: ${rows}`
const plan = (of: PlanContext, ...interventions: ResolvedIntervention[]) =>
  planGroups(of, interventions, prompts).map(text)

describe('the plan of a sweep', () => {
  it('runs each row from where its edit changes anything to where the metric reads', () => {
    expect(plan(context([2, 4, 0]), edits('blocks.1.attn.hook_q'))).to.deep.equal([
      'block 1: 2 to 8, reads 7: 0',
      'block 1: 4 to 8, reads 7: 1',
      'block 1: 0 to 6, reads 5: 2',
    ])
  })

  it('puts rows of one span into one group, whatever their intervention', () => {
    const groups = plan(context([2, 2, 2]), edits('blocks.1.attn.hook_q'), edits('blocks.1.attn.hook_k'), edits('blocks.2.attn.hook_q')) // prettier-ignore
    expect(groups).to.deep.equal([
      'block 1: 2 to 8, reads 7: 0,1,3,4',
      'block 1: 2 to 6, reads 5: 2,5',
      'block 2: 2 to 8, reads 7: 6,7',
      'block 2: 2 to 6, reads 5: 8',
    ])
  })

  it('leaves out rows that change nothing that is read, are done, or have functions', () => {
    expect(plan(context([undefined, 4, 6]), edits('blocks.1.attn.hook_q'))).to.deep.equal([
      'block 1: 4 to 8, reads 7: 1',
    ])
    expect(plan(context([0, 0, 0], { isWanted: (row) => row === 2 }), edits('blocks.1.attn.hook_q'))).to.deep.equal([
      'block 1: 0 to 6, reads 5: 2',
    ])
    const withFunction = { edits: [], functions: [{ name: 'hook_embed', hook: () => undefined }] }
    expect(plan(context([0, 0, 0]), withFunction, { edits: [], functions: [] })).to.deep.equal([])
  })

  it('resumes by the edits that change anything alone', () => {
    const of = context([])
    const differences = { first: (edit: ResolvedEdit) => (edit.layer === 2 ? 3 : undefined) }
    expect(plan({ ...of, differences }, edits('blocks.1.attn.hook_q', 'blocks.2.attn.hook_q'))).to.deep.equal([
      'block 2: 3 to 8, reads 7: 0,1',
      'block 2: 3 to 6, reads 5: 2',
    ])
  })

  it('runs all positions after an edited pattern, which may look ahead', () => {
    expect(plan(context([1, 1, 1]), edits('blocks.1.attn.hook_pattern'))).to.deep.equal([
      'block 1: 1 to 8, reads 7: 0,1',
      'block 1: 1 to 8, reads 5: 2',
    ])
  })

  it('runs the position that is read alone where no attention follows', () => {
    expect(plan(context([2, 7, 0]), edits('blocks.3.hook_mlp_out'))).to.deep.equal([
      'end 3: 7 to 8, reads 7: 0,1',
      'end 3: 5 to 6, reads 5: 2',
    ])
    const several = context([2, 7, 0], { reading: reading([0, 1, 2], [0, 1, 2], [0, 1, 2]) })
    expect(plan(several, edits('blocks.3.hook_mlp_out'))).to.deep.equal(['end 3: 2 to 3, reads 2: 0', 'end 3: 0 to 3, reads 2: 2']) // prettier-ignore
    const activation = context([2, 7, 0], { reading: { ...reading(7, 7, 5), hook: 'ln_final.hook_scale' } })
    expect(plan(activation, edits('blocks.3.hook_mlp_out'))[0]).to.equal('end 3: 2 to 8, reads 7: 0')
  })

  it('keeps the prompts of an intervention together for a metric of whole logits', () => {
    const whole = context([undefined, 4, 6], { reading: undefined })
    expect(plan(whole, edits('blocks.1.attn.hook_q'))).to.deep.equal(['block 1: 4 to 8, reads 7: 0,1,2'])
    expect(plan(context([], { reading: undefined }), edits('blocks.1.attn.hook_q'))).to.deep.equal([])
  })
})
