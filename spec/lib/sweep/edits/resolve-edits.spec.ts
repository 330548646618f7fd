/** What a sweep refuses before any run: edits, values, metrics and options that cannot be. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { cosine, klToClean } from '../../../../lib/core/metrics.js'
import { head } from '../../../../lib/core/sites.js'
import type { HookedModel } from '../../../../lib/model.js'
import { zero, type Intervention, type SweepOptions } from '../../../../lib/sweep/index.js'
import { ioi, type Ioi } from '../../../support/ioi.js'
import { pocket } from '../../../support/pocket.js'
import { refusalOf } from '../../../support/refusal.js'

const quiet = { onProgress: false } as const
const z = (layer: number) => `blocks.${layer}.attn.hook_z`
const square = 'blocks.1.attn.hook_pattern'

describe('a sweep refuses', () => {
  let model: HookedModel
  let view: HookedModel
  let few: Ioi
  let runs = 0
  before(async () => {
    model = await pocket()
    view = model.withHooks({ hook_embed: () => void runs++ })
    few = await ioi(3)
  })
  beforeEach(() => void (runs = 0))
  afterEach(() => expect(runs, 'runs').to.equal(0))

  const attempt = (interventions: unknown, options: object = {}) => {
    const set = { interventions, metric: few.metric, ...quiet, ...options }
    return refusalOf(() => view.sweep(few.clean, set as SweepOptions))
  }

  const edits: Record<string, [interventions: unknown, refusal: string]> = {
    'no interventions': [[], "ArgumentError: sweep: interventions is []. Give a list of at least one, such as [{ hook, to: 'zero' }]."],
    'a hook point that the view does not have': [[{ hook: 'blocks.1.attn.hook_zz', to: 'zero' }], "no hook point 'blocks.1.attn.hook_zz' in pocket-gpt2 (4 layers: 0–3). Did you mean 'blocks.1.attn.hook_z'?"],
    'an edit without a hook point': [[{ to: 'zero' }], 'ArgumentError: sweep: {"to":"zero"} is no edit. Give { hook, to }, { hook, add } or { hook, by }.'],
    'an empty list': [[[]], 'an intervention is an empty list. Give at least one edit.'],
    'an edit that changes nothing': [[{ hook: z(1) }], `the edit at '${z(1)}' has none of to, add and by. Give exactly one.`],
    'an edit that says two changes': [[{ hook: z(1), to: 0, add: 1 }], 'has to and add of to, add and by'],
    'a field that no edit has': [[{ ...zero(head(1, 0)), positon: -1 }], `ArgumentError: sweep: the edit at '${z(1)}' has a field 'positon'. Did you mean 'position'? The fields are hook, unit,`],
    'an unknown replacement': [[{ hook: z(1), to: 'nothing' }], `'to' at '${z(1)}' is "nothing". Give 'zero', 'mean', 'source', 'resample', a number`],
    'a unit that is not there': [[zero(head(1, 8))], `'${z(1)}' has no unit 8. It has 0 to 7.`],
    'a unit where there are none': [[{ hook: 'hook_embed', unit: 0, to: 0 }], "'hook_embed' of shape [B,P,D] has no heads, neurons or latents. Leave 'unit' out."],
    'an empty list of units': [[{ hook: z(1), unit: [], to: 0 }], `'unit' at '${z(1)}' is []. Give at least one.`],
    'a position after the prompts': [[{ hook: z(1), position: 22, to: 0 }], 'there is no position 22 in prompts of 22 tokens'],
    'an empty list of positions': [[{ hook: z(1), position: [], to: 0 }], `'position' at '${z(1)}' is []. Give at least one position.`],
    'a position and a column': [[{ hook: z(1), position: 2, column: 2, to: 0 }], 'has both position and column'],
    'too few numbers': [[{ hook: z(1), unit: 1, add: [1, 2] }], `ShapeError: sweep: there are 2 numbers for '${z(1)}'. A unit there has 16 at a position.`],
    'numbers where a position has none of its own': [[{ hook: square, to: [1] }], `numbers at '${square}' of shape [B,H,P,P] have no place. Give a tensor.`],
    'a mean of patterns': [[{ hook: square, to: 'mean' }], `the mean at '${square}' of shape [B,H,P,P] is not defined`],
    'something that is no function': [[{ hook: z(1), by: 3 }], `'by' at '${z(1)}' is 3. It must be a function.`],
    'a function of a unit': [[{ hook: z(1), by: () => undefined, unit: 1 }], "comes with 'unit'. A function sees the whole activation"],
    'a patch without a source': [[{ hook: z(1), to: 'source' }], "ArgumentError: sweep: an edit's value is 'source'. Give a source."],
  } // prettier-ignore
  for (const [what, [interventions, refusal]] of Object.entries(edits))
    it(what, async () => expect(await attempt(interventions)).to.include(refusal))

  it('a tensor that is not of the prompts', async () => {
    const tensor = tf.zeros([3, 21, 8, 16])
    expect(await attempt([{ hook: z(1), to: tensor }])).to.equal(
      `ShapeError: sweep: the tensor for '${z(1)}' has shape [3,21,8,16]. For these prompts it must be [B,P,H,K] with B 3 and P 22.`,
    )
    tensor.dispose()
  })

  it('a cache without the point, or of other prompts', async () => {
    using cache = model.runWithCache(few.clean, { names: 'hook_embed' })
    expect(await attempt([{ hook: z(1), to: cache }])).to.include(`there is no '${z(1)}' in this cache`)
    using other = model.runWithCache(few.clean.slice(1), { names: z(1) })
    expect(await attempt([{ hook: z(1), to: other }])).to.include(
      'the source has 2 prompts of 22 tokens, the prompts are 3 of 22',
    )
  })

  it('a budget that is none, and options that it does not have', async () => {
    const heads = [zero(head(1, 0))]
    expect(await attempt(heads, { budget: 0 })).to.equal(
      'ArgumentError: sweep: budget is 0. Give a number of bytes, such as 2 ** 29.',
    )
    expect(await attempt(heads, { onProgres: false })).to.include(
      "ArgumentError: sweep: there is no option 'onProgres'. Did you mean 'onProgress'?",
    )
    expect(await refusalOf(() => view.sweep(few.clean, heads as unknown as SweepOptions))).to.include(
      'ArgumentError: sweep: options is a list.',
    )
  })

  it('metrics that read what is not there, or are no functions of logits elsewhere', async () => {
    const heads = [zero(head(1, 0))]
    expect(await attempt(heads, { metric: cosine('nowhere') })).to.include("metric: no hook point 'nowhere'")
    expect(await attempt(heads, { metric: cosine(square) })).to.include(
      `reads '${square}' of shape [B,H,P,P]. Give a hook point of shape [B,P,…].`,
    )
    expect(await refusalOf(() => model.bindMetric(klToClean(), model.toTokens(few.clean)))).to.equal(
      'ArgumentError: metric: KL to clean is more than a function of logits. Use it in a sweep.',
    )
  })

  it('points that a view does not reach, and metrics that it has no logits for', async () => {
    const stopping = model.stopAt(1)
    const of = (interventions: Intervention[], metric: SweepOptions['metric']) =>
      refusalOf(() => stopping.sweep(few.clean, { interventions, metric, ...quiet }))
    expect(await of([{ hook: z(2), to: 0 }], (x) => x.sum())).to.include(
      'is never reached, as this view stops at layer 1',
    )
    expect(await of([{ hook: z(0), to: 0 }], few.metric)).to.include('this view stops at layer 1 and has no logits')
    expect(await of([{ hook: z(0), to: 0 }], cosine(z(2)))).to.include(
      'is never reached, as this view stops at layer 1',
    )
  })
})
