/** Edits of rows of a batch: what random ones make of an activation, against loops over its numbers. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { axesOf } from '../../../../lib/core/hooks.js'
import { editRows, type EditsAt } from '../../../../lib/sweep/edits/edit-rows.js'
import { EditValues } from '../../../../lib/sweep/edits/edit-values.js'
import { SourceActivations } from '../../../../lib/sweep/edits/source-activations.js'
import type { EditValue, ResolvedEdit } from '../../../../lib/sweep/edits/edit.js'
import { random, type Random } from '../../../../lib/stats/random.js'
import { range } from '../../../../lib/stats/range.js'
import { Tokens } from '../../../../lib/tokens/tokens.js'
import type { ModelConfig } from '../../../../lib/transformer/architecture.js'
import { expectClose, tolerances } from '../../../support/close.js'
import { randomTensor } from '../../../support/saes.js'
import { pointNamed, resolvedEdit } from '../../../support/sweep-parts.js'

const [PROMPTS, POSITIONS, HEADS, WIDTH] = [3, 5, 4, 2]
const config = { nHeads: HEADS, dHead: WIDTH, dModel: WIDTH, dMlp: HEADS, dVocab: 9 } as ModelConfig
const lengths: Record<string, number> = { B: PROMPTS, P: POSITIONS, H: HEADS, K: WIDTH, D: WIDTH, M: HEADS }
const names = ['blocks.0.attn.hook_z', 'blocks.0.attn.hook_pattern', 'blocks.0.mlp.hook_post', 'blocks.0.hook_resid_mid'] // prettier-ignore

/** Values of edits with tensors of their own alone. */
function plainValues(): EditValues {
  const tokens = new Tokens([[1]])
  const sources = SourceActivations.of(() => new Map(), [], { source: tokens, order: undefined, prompts: [] })
  return new EditValues({ config, means: new Map(), sources }, range(PROMPTS), POSITIONS)
}

const draw = <T>(own: Random, list: readonly T[]): T => list[own.integer(list.length)]!

function randomEdit(own: Random, name: string, tensor: tf.Tensor): ResolvedEdit {
  const axes = axesOf(pointNamed(name).shape)
  const unit = axes.findIndex((axis) => 'HM'.includes(axis))
  const units = unit >= 0 && own.integer(3) > 0 ? [own.integer(HEADS), HEADS - 1] : undefined
  const some = () => range(POSITIONS).filter(() => own.integer(2) > 0)
  const features = axes.slice(2).map((axis) => lengths[axis]!)
  const size = (units ? features.slice(unit - 1) : features).reduce((n, d) => n * d, 1)
  const vector: EditValue = { kind: 'vector', values: range(units && unit === axes.length - 1 ? 1 : size).map(() => own.normal()) } // prettier-ignore
  const number: EditValue = { kind: 'number', value: own.integer(3) }
  const choices: EditValue[] = [number, { kind: 'tensor', tensor }, ...(axes[1] === 'P' ? [vector] : [])]
  const positions = own.integer(2) > 0 ? range(PROMPTS).map(some) : undefined
  return resolvedEdit(name, { units, positions, mode: draw(own, ['set', 'add']), value: draw(own, choices) })
}

/** The same number by number. */
function plainly(x: tf.Tensor, { point, rows, edits }: EditsAt): number[] {
  const axes = axesOf(point.shape)
  const [unitAxis, positionAxis] = [axes.findIndex((axis) => 'HM'.includes(axis)), axes.indexOf('P')]
  const strides = x.shape.map((_, i) => x.shape.slice(i + 1).reduce((n, d) => n * d, 1))
  return Array.from(x.dataSync(), (before, offset) => {
    const index = x.shape.map((n, i) => Math.floor(offset / strides[i]!) % n)
    const [row, position] = [index[0]!, index[positionAxis]! + rows.begin]
    return edits[row]!.reduce((value, { units, positions, mode, value: given }) => {
      const isAt = positions?.[rows.prompts[row]!]?.includes(position) ?? true
      if (!isAt || units?.includes(index[unitAxis]!) === false) return value
      const inUnit = units ? index.slice(unitAxis + 1) : index.slice(2)
      const shape = units ? x.shape.slice(unitAxis + 1) : x.shape.slice(2)
      const at = inUnit.reduce((sum, i, axis) => sum * shape[axis]! + i, 0)
      const whole = index.map((i, axis) => (axis === 0 ? rows.prompts[row]! : axis === positionAxis ? position : i))
      const put = given.kind === 'number' ? given.value : given.kind === 'vector' ? given.values[at]! : given.kind === 'tensor' ? numberAt(given.tensor, whole) : NaN // prettier-ignore
      return mode === 'add' ? value + put : put
    }, before)
  })
}

function numberAt(tensor: tf.Tensor, index: readonly number[]): number {
  const offset = index.reduce((sum, i, axis) => sum * tensor.shape[axis]! + i, 0)
  return tensor.dataSync()[offset]!
}

describe('edits of rows', () => {
  for (const name of names) {
    it(`at ${name} do what they say, each row its own, in their order`, () => {
      const own = random(3)
      const point = pointNamed(name)
      const axes = axesOf(point.shape)
      using values = plainValues()
      for (let round = 0; round < 12; round++) {
        tf.tidy(() => {
          const tensor = randomTensor(axes.map((axis) => lengths[axis]!), 7 + round) // prettier-ignore
          const begin = axes[1] === 'P' ? own.integer(3) : 0
          const prompts = range(1 + own.integer(5)).map(() => own.integer(PROMPTS))
          const rows = { prompts, begin, count: POSITIONS - begin }
          const sizes = { ...lengths, B: prompts.length }
          const x = randomTensor(axes.map((axis, i) => (i === axes.indexOf('P') ? rows.count : sizes[axis as 'B']!)), round) // prettier-ignore
          const edits = prompts.map(() => range(own.integer(4)).map(() => randomEdit(own, name, tensor)))
          const at = { point, rows, edits, values }
          expectClose(editRows(x, at), plainly(x, at), tolerances.op, `round ${round}`)
        })
      }
    })
  }

  it('leave the activation as it is where no row has one', () => {
    using values = plainValues()
    const x = tf.zeros([2, 1, WIDTH])
    const point = pointNamed('blocks.0.hook_resid_mid')
    const at = { point, rows: { prompts: [0, 1], begin: 0, count: 1 }, edits: [[], []], values }
    expect(editRows(x, at)).to.equal(x)
    x.dispose()
  })

  it('act on units by their index where the activation has some alone', () => {
    using values = plainValues()
    tf.tidy(() => {
      const name = 'blocks.0.attn.hook_z'
      const tensor = tf.range(0, PROMPTS * HEADS).reshape([PROMPTS, 1, HEADS, 1])
      const unitIndex = new Map([[3, 0], [1, 1]]) // prettier-ignore
      const edits = [[resolvedEdit(name, { units: [1], value: { kind: 'tensor', tensor } })], [resolvedEdit(name, { units: [3, 1] })]] // prettier-ignore
      const rows = { prompts: [2, 0], begin: 0, count: 1 }
      const x = tf.fill([2, 1, 2, 1], 50)
      const edited = editRows(x, { point: pointNamed(name), rows, edits, values, unitIndex })
      expect(Array.from(edited.dataSync())).to.deep.equal([50, 9, 0, 0])
    })
  })

  it('leave masked scores masked', () => {
    using values = plainValues()
    tf.tidy(() => {
      const name = 'blocks.0.attn.hook_pattern'
      const x = tf.tensor4d([1, -Infinity, 2, 3], [1, 1, 2, 2])
      const edits = [[resolvedEdit(name, { positions: [[1]], value: { kind: 'number', value: 9 } })]]
      const at = { point: pointNamed(name), rows: { prompts: [0], begin: 0, count: 2 }, edits, values }
      expect(Array.from(editRows(x, at).dataSync())).to.deep.equal([1, -Infinity, 9, 9])
    })
  })
})
