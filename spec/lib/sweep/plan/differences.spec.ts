/** Which edits change anything, and from which position: compared number by number with a clean run. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { EditValues, SourceActivations, type ResolvedEdit } from '../../../../lib/sweep/edits/index.js'
import { compareEdits, type ComparedRun, type Differences } from '../../../../lib/sweep/plan/differences.js'
import type { UnitIndex } from '../../../../lib/sweep/subject.js'
import { Tokens } from '../../../../lib/tokens/tokens.js'
import type { ModelConfig } from '../../../../lib/transformer/architecture.js'
import { resolvedEdit } from '../../../support/sweep-parts.js'

const NAME = 'blocks.0.hook_resid_pre'
const HEADS = 'blocks.0.attn.hook_z'
const FIRST = 4
/** Prompts 4 and 5, of three positions. */
const tokens = new Tokens([[1, 2, 3], [4, 5, 6]]) // prettier-ignore
const all = { begin: 0, end: 3 }
const set = (tensor: tf.Tensor): Partial<ResolvedEdit> => ({ value: { kind: 'tensor', tensor } })

/** The differences of edits from a clean run with one activation. */
async function compared(
  name: string,
  activation: tf.Tensor,
  edits: readonly ResolvedEdit[],
  units?: UnitIndex,
): Promise<Differences> {
  const clean: ComparedRun = {
    tokens,
    first: FIRST,
    kept: new Map([[name, units]]),
    has: (other) => other === name,
    get: () => activation,
  }
  const sources = SourceActivations.of(() => new Map(), [], { source: tokens, order: undefined, prompts: [] })
  const known = { config: {} as ModelConfig, means: new Map(), sources }
  using values = new EditValues(known, [FIRST, FIRST + 1], 3)
  return compareEdits(clean, edits, values)
}

/** The first changed position of each of the two prompts. */
const firsts = (differences: Differences, edit: ResolvedEdit, positions = all) =>
  [FIRST, FIRST + 1].map((prompt) => differences.first(edit, prompt, positions))

describe('what edits change of a clean run', () => {
  /** [6,3,2], of all prompts, so that the clean run's are the last two. */
  const ofPrompts = (rows: number[][][]) => tf.tensor3d([...Array.from({ length: FIRST }, () => rows[0]!), ...rows])
  const rows = [
    [[1, 2], [0, 0], [5, 6]],
    [[0, 0], [0, 0], [0, 7]],
  ] // prettier-ignore

  it('is nothing where zeros are put in for zeros', async () => {
    const x = tf.tensor3d(rows)
    const edit = resolvedEdit(NAME)
    const differences = await compared(NAME, x, [edit])
    expect(firsts(differences, edit)).to.deep.equal([0, 2])
    expect(firsts(differences, edit, { begin: 1, end: 3 })).to.deep.equal([2, 2])
    expect(firsts(differences, edit, { begin: 1, end: 2 })).to.deep.equal([undefined, undefined])
    x.dispose()
  })

  it('begins where another activation departs, at the positions that are edited', async () => {
    const x = tf.tensor3d(rows)
    const other = ofPrompts([
      [[1, 2], [0, 1], [5, 6]],
      [[0, 0], [0, 0], [0, 7]],
    ]) // prettier-ignore
    const edit = resolvedEdit(NAME, set(other))
    const at = (...positions: number[]) => ({ ...edit, positions: Array.from({ length: 6 }, () => positions) })
    const differences = await compared(NAME, x, [edit, at(0, 2), at(1)])
    expect(firsts(differences, edit)).to.deep.equal([1, undefined])
    expect(firsts(differences, at(0, 2))).to.deep.equal([undefined, undefined])
    expect(firsts(differences, at(1))).to.deep.equal([1, undefined])
    tf.dispose([x, other])
  })

  it('is told apart by units, also where the clean run keeps some of them alone', async () => {
    const x = tf.tensor4d([1, 1, 0, 0, 2, 2, /* */ 0, 0, 0, 0, 0, 3], [2, 3, 1, 2]) // head 5 of each position
    const edit = (...units: number[]) => resolvedEdit(HEADS, { units })
    const differences = await compared(HEADS, x, [edit(5)], new Map([[5, 0]]))
    expect(firsts(differences, edit(5))).to.deep.equal([0, 2])
    const whole = tf.tensor4d([0, 1, 0, 0, 0, 0, /* */ 0, 0, 0, 0, 0, 1], [2, 3, 2, 1])
    const all = await compared(HEADS, whole, [edit(0)])
    expect(firsts(all, edit(0))).to.deep.equal([undefined, undefined])
    expect(firsts(all, edit(1))).to.deep.equal([0, 2])
    expect(firsts(all, edit(0, 1))).to.deep.equal([0, 2])
    tf.dispose([x, whole])
  })

  it('is where something else than zeros is added', async () => {
    const x = tf.tensor3d(rows)
    const added = ofPrompts([
      [[0, 0], [0, 0], [0, 1]],
      [[0, 0], [0, 0], [0, 0]],
    ]) // prettier-ignore
    const edit = resolvedEdit(NAME, { mode: 'add', ...set(added) })
    const differences = await compared(NAME, x, [edit])
    expect(firsts(differences, edit)).to.deep.equal([2, undefined])
    const nothing = resolvedEdit(NAME, { mode: 'add' })
    expect(firsts(differences, nothing)).to.deep.equal([undefined, undefined])
    tf.dispose([x, added])
  })

  it('is everything for numbers, and at points that the clean run does not keep', async () => {
    const x = tf.tensor3d(rows)
    const one = resolvedEdit(NAME, { value: { kind: 'number', value: 1 } })
    const vector = resolvedEdit(NAME, { value: { kind: 'vector', values: [0, 0] } })
    const elsewhere = resolvedEdit('blocks.1.hook_resid_pre')
    const differences = await compared(NAME, x, [one, vector, elsewhere])
    for (const edit of [one, vector, elsewhere]) expect(firsts(differences, edit)).to.deep.equal([0, 0])
    x.dispose()
  })

  it('is computed once for edits of one kind at one point, and lazy tensors are made and freed', async () => {
    const x = tf.tensor3d(rows)
    let made = 0
    const lazy = { key: 'zeros', make: () => (made++, tf.zerosLike(x)) }
    const edit = (position: number) =>
      resolvedEdit(NAME, { value: { kind: 'lazy', lazy }, positions: Array.from({ length: 6 }, () => [position]) })
    const differences = await compared(NAME, x, [edit(0), edit(1), edit(2)])
    expect(made).to.equal(1)
    expect([0, 1, 2].map((p) => firsts(differences, edit(p)))).to.deep.equal([
      [0, undefined],
      [undefined, undefined],
      [2, 2],
    ])
    x.dispose()
  })
})
