/** What edits take from other prompts: means over real positions, and their activations, in few runs. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { resampleOrder } from '../../../../lib/sweep/edits/resample-order.js'
import { meanActivations, SourceActivations } from '../../../../lib/sweep/edits/source-activations.js'
import { Tokens } from '../../../../lib/tokens/tokens.js'
import { expectClose, tolerances } from '../../../support/close.js'
import { refusalOf } from '../../../support/refusal.js'
import { resolvedEdit } from '../../../support/sweep-parts.js'

const NAME = 'blocks.0.hook_resid_pre'
const mean = resolvedEdit(NAME, { value: { kind: 'mean' } })
const source = resolvedEdit(NAME, { value: { kind: 'source' } })
const resample = resolvedEdit('hook_embed', { value: { kind: 'resample' } })

/** Activations [b,P,2]: the token, and its square. Counts runs. */
function counting() {
  const runs: string[] = []
  const of = (names: readonly string[], some: Tokens) => {
    runs.push(`${names.join()} of ${some.rows.map((row) => row[0]).join()}`)
    const values = some.rows.map((row) => row.map((id) => [id, id * id]))
    return new Map(names.map((name) => [name, tf.tensor3d(values) as tf.Tensor]))
  }
  return { runs, of }
}

describe('means over source prompts', () => {
  const tokens = Tokens.padded([[1, 2, 3], [4], [5, 6]], 0, 'right') // prettier-ignore

  for (const chunk of [1, 2, Infinity]) {
    it(`are over real positions, ${chunk} prompts at a time`, () => {
      const { runs, of } = counting()
      const means = meanActivations(of, [mean, source, mean], { source: tokens, chunk })
      expect([...means.keys()]).to.deep.equal([NAME])
      expect(means.get(NAME)!.shape).to.deep.equal([1, 1, 2])
      expectClose(means.get(NAME)!, [21 / 6, 91 / 6], tolerances.op)
      expect(runs).to.have.length(Math.ceil(3 / Math.min(chunk, 3)))
      tf.dispose([...means.values()])
    })
  }

  it('are not run for where no edit wants one', () => {
    const { runs, of } = counting()
    expect([meanActivations(of, [source], { source: tokens, chunk: 1 }).size, runs]).to.deep.equal([0, []])
  })
})

describe('activations of source prompts', () => {
  const tokens = new Tokens([[1, 2], [3, 4], [5, 6]]) // prettier-ignore

  it('are those of the prompts’ own sources, and of those that they are resampled from', () => {
    const { runs, of } = counting()
    using taken = SourceActivations.of(of, [source, resample, source], { source: tokens, order: [2, 0, 1], prompts: [1, 2] }) // prettier-ignore
    expect(runs).to.deep.equal([`${NAME} of 3,5`, 'hook_embed of 1,3'])
    expect([taken.has('source', NAME), taken.has('resample', NAME), taken.has('source', 'hook_embed')]).to.deep.equal([true, false, false]) // prettier-ignore
    expect(Array.from(taken.get('source', NAME).dataSync())).to.deep.equal([3, 9, 4, 16, 5, 25, 6, 36])
    expect(() => taken.get('source', 'hook_embed')).to.throw("nothing is taken from sources at 'hook_embed'")
  })

  it('are read at one more point where edits take anything from them', () => {
    const { runs, of } = counting()
    using taken = SourceActivations.of(of, [source], { source: tokens, order: undefined, prompts: [0], read: 'final' })
    expect([runs, taken.has('source', 'final')]).to.deep.equal([[`${NAME},final of 1`], true])
    using none = SourceActivations.of(of, [mean], { source: tokens, order: undefined, prompts: [0], read: 'final' })
    expect([runs.length, none.has('source', 'final')]).to.deep.equal([1, false])
  })
})

describe('the prompts that others are resampled from', () => {
  const tokens = new Tokens([[1, 2], [3, 4], [5, 6], [7, 8]]) // prettier-ignore
  const source = new Tokens([[2, 1], [4, 3], [6, 5], [8, 7]]) // prettier-ignore

  it('are the sources in their order', () => {
    expect(resampleOrder('sweep', { tokens, source }, 3)).to.deep.equal([0, 1, 2, 3])
  })

  it('are the prompts moved round without a source, none to its own place, by the seed', () => {
    const orders = [0, 1, 2, 3, 4].map((seed) => resampleOrder('sweep', { tokens, source: tokens }, seed))
    for (const order of orders) {
      expect([...order].sort()).to.deep.equal([0, 1, 2, 3])
      order.forEach((from, b) => expect(from).to.not.equal(b))
    }
    expect(resampleOrder('sweep', { tokens, source: tokens }, 2)).to.deep.equal(orders[2])
    expect(new Set(orders.map(String)).size).to.be.above(1)
  })

  it('are refused where there are none of the same length', async () => {
    const one = new Tokens([[1, 2]])
    expect(await refusalOf(() => resampleOrder('sweep', { tokens: one, source: one }, 0))).to.equal(
      'ArgumentError: sweep: a single prompt has no other to resample from. Give a source.',
    )
    const padded = Tokens.padded([[1, 2], [3]], 0, 'right')
    expect(await refusalOf(() => resampleOrder('sweep', { tokens: padded, source: padded }, 0))).to.equal(
      'ArgumentError: sweep: prompts of several lengths cannot stand in for each other. Give a source.',
    )
    expect(await refusalOf(() => resampleOrder('sweep', { tokens, source: one }, 0))).to.include(
      'the source has 1 prompts of 2 tokens, the prompts are 4 of 2',
    )
  })
})
