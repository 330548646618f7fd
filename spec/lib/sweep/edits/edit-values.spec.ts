/** The tensors that replace activations: each row's own, at its prompt and positions. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { EditValues, promptRows } from '../../../../lib/sweep/edits/edit-values.js'
import { SourceActivations } from '../../../../lib/sweep/edits/source-activations.js'
import { Tokens } from '../../../../lib/tokens/tokens.js'
import type { ModelConfig } from '../../../../lib/transformer/architecture.js'
import { pointNamed, resolvedEdit } from '../../../support/sweep-parts.js'

const NAME = 'blocks.0.hook_resid_pre'
const point = pointNamed(NAME)
const tokens = new Tokens([[1, 2, 3], [4, 5, 6], [7, 8, 9]]) // prettier-ignore
const config = { nHeads: 2, dHead: 3, dModel: 2, dMlp: 5, dVocab: 9 } as ModelConfig
/** [3,3,1]: prompt b has b0, b1, b2. */
const ofPrompts = (first = 0) =>
  tf.tensor3d(
    [0, 1, 2, 10, 11, 12, 20, 21, 22].map((x) => x + first),
    [3, 3, 1],
  )
const numbers = (x: tf.Tensor) => Array.from(x.dataSync())

/** Values for prompts 1 and 2, whose sources have 100 more, and which are resampled from others. */
function valuesOf(
  edits = [resolvedEdit(NAME, { value: { kind: 'source' } }), resolvedEdit(NAME, { value: { kind: 'resample' } })],
) {
  const activations = (_: readonly string[], some: Tokens) => {
    const x = tf.tidy(() => tf.gather(ofPrompts(100), tf.tensor1d(some.rows.map(([id]) => (id! - 1) / 3), 'int32')))
    return new Map([[NAME, x]])
  } // prettier-ignore
  const sources = SourceActivations.of(activations, edits, { source: tokens, order: [1, 2, 0], prompts: [1, 2] })
  const means = new Map([[NAME, tf.tensor3d([7], [1, 1, 1])]])
  const values = new EditValues({ config, means, sources }, [1, 2], 3)
  return { values, free: () => (values[Symbol.dispose](), tf.dispose([...means.values()])) }
}

describe('values of edits', () => {
  it('are rows of a tensor by prompt, from a position on; axes of length 1 stand for all', () => {
    tf.tidy(() => {
      const at = { prompts: [2, 1, 2], begin: 1, count: 2 }
      expect(numbers(promptRows({ tensor: ofPrompts(), first: 0 }, point, at))).to.deep.equal([21, 22, 11, 12, 21, 22])
      const some = ofPrompts().slice([1, 0, 0])
      expect(numbers(promptRows({ tensor: some, first: 1 }, point, at))).to.deep.equal([21, 22, 11, 12, 21, 22])
      const one = promptRows({ tensor: tf.tensor3d([5], [1, 1, 1]), first: 0 }, point, at)
      expect([one.shape, numbers(one)]).to.deep.equal([[1, 1, 1], [5]])
      const everyPrompt = promptRows({ tensor: tf.tensor3d([5, 6, 7], [1, 3, 1]), first: 0 }, point, at)
      expect([everyPrompt.shape, numbers(everyPrompt)]).to.deep.equal([
        [1, 2, 1],
        [6, 7],
      ])
    })
  })

  it('are the edit’s own tensor, the mean, or what other prompts have', () => {
    const { values, free } = valuesOf()
    const own = ofPrompts()
    const of = (value: Parameters<typeof resolvedEdit>[1]) => values.tensorOf(resolvedEdit(NAME, value))
    expect(of({ value: { kind: 'tensor', tensor: own } })).to.deep.equal({ tensor: own, first: 0 })
    expect(numbers(of({ value: { kind: 'mean' } }).tensor)).to.deep.equal([7])
    const [source, resampled] = [of({ value: { kind: 'source' } }), of({ value: { kind: 'resample' } })]
    expect([source.first, ...numbers(source.tensor)]).to.deep.equal([1, 110, 111, 112, 120, 121, 122])
    expect([resampled.first, ...numbers(resampled.tensor)]).to.deep.equal([1, 120, 121, 122, 100, 101, 102])
    expect(() => of({ value: { kind: 'number', value: 0 } })).to.throw('a number is no tensor')
    own.dispose()
    free()
  })

  it('say what is taken from sources', () => {
    const { values, free } = valuesOf([resolvedEdit(NAME, { value: { kind: 'resample' } })])
    expect([values.isSourced(NAME), values.isSourced('hook_embed')]).to.deep.equal([true, false])
    expect([values.ofSource(NAME), values.ofSource(undefined)]).to.deep.equal([undefined, undefined])
    free()
    const taken = valuesOf()
    expect(numbers(taken.values.ofSource(NAME)!)).to.deep.equal([110, 111, 112, 120, 121, 122])
    taken.free()
  })

  it('are put together row by row, in pieces of one tensor', () => {
    const { values, free } = valuesOf()
    tf.tidy(() => {
      const own = { tensor: ofPrompts(), first: 0 }
      const mean = { tensor: tf.tensor3d([7], [1, 1, 1]), first: 0 }
      const at = { prompts: [0, 1, 1, 2], begin: 1, count: 2 }
      const rows = values.rows([own, own, mean, own], point, at)
      expect([rows.shape, numbers(rows)]).to.deep.equal([
        [4, 2, 1],
        [1, 2, 11, 12, 7, 7, 21, 22],
      ])
      expect(values.rows([mean, mean], point, { prompts: [0, 1], begin: 0, count: 3 }).shape).to.deep.equal([1, 1, 1])
    })
    free()
  })

  it('that are numbers have the axes of a position, or of a unit there', () => {
    const { values, free } = valuesOf()
    const shape = (name: string, size: number, ofUnit = false) => values.vectorShape(pointNamed(name), size, ofUnit)
    const z = 'blocks.0.attn.hook_z'
    expect(shape(NAME, 2)).to.deep.equal([2])
    expect(shape(z, 6)).to.deep.equal([2, 3])
    expect(shape(z, 3, true)).to.deep.equal([1, 3])
    expect(shape('blocks.0.mlp.hook_post', 1, true)).to.deep.equal([1])
    expect(shape(`${z}.hook_sae_acts_post`, 24)).to.deep.equal([24])
    const error = { name: `${z}.hook_sae_error`, shape: '[B,P,H,K]' }
    expect(values.vectorShape(error, 6, false)).to.deep.equal([2, 3])
    free()
  })

  it('that are lazy are made when they are materialized, and freed when others are', () => {
    const { values, free } = valuesOf()
    const made: (readonly number[])[] = []
    const lazy = (key: string) => ({
      key,
      make: (prompts: readonly number[]) => (made.push(prompts), tf.zeros([2, 3, 1])),
    })
    const [a, b] = ['a', 'b'].map((key) => resolvedEdit(NAME, { value: { kind: 'lazy', lazy: lazy(key) } }))
    const before = tf.memory().numTensors
    values.materialize([a!, b!, a!])
    expect([made, tf.memory().numTensors - before]).to.deep.equal([
      [
        [1, 2],
        [1, 2],
      ],
      2,
    ])
    values.materialize([b!])
    expect([made.length, tf.memory().numTensors - before]).to.deep.equal([2, 1])
    expect(values.tensorOf(b!).first).to.equal(1)
    expect(() => values.tensorOf(a!)).to.throw("'a' is not materialized")
    free()
  })
})
