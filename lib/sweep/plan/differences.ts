/** Which edits change anything of the clean run, and where: one that puts in what is there already costs nothing. */
import * as tf from '@tensorflow/tfjs'
import { axisOfPositions } from '../../core/axes.js'
import { axesOf, type HookPoint } from '../../core/hooks.js'
import type { Tokens } from '../../tokens/tokens.js'
import { promptRows, type EditValue, type EditValues, type ResolvedEdit } from '../edits/index.js'
import { unitAxis } from '../../core/axes.js'
import type { KeptPoints } from './kept-points.js'

/** A clean run, as edits are compared with it. */
export interface ComparedRun {
  readonly tokens: Tokens
  /** The number of its first prompt. */
  readonly first: number
  readonly kept: KeptPoints
  has(name: string): boolean
  /** What was kept of a point, [B,P,…]. */
  get(name: string): tf.Tensor
}

/** 1 where a value differs from the clean one: [B,P,U]. */
interface Flags {
  readonly flags: ArrayLike<number>
  readonly positions: number
  readonly units: number
}

/** Compares what edits put in with what a clean run has there. */
export async function compareEdits(
  clean: ComparedRun,
  edits: Iterable<ResolvedEdit>,
  values: EditValues,
): Promise<Differences> {
  const known = new Map<string, Flags>()
  for (const edit of edits) {
    const key = comparisonKey(edit)
    if (key === undefined || known.has(key) || !clean.has(edit.point.name)) continue
    values.materialize([edit])
    const different = tf.tidy(() => differs(clean, edit, values))
    const [, positions, units] = different.shape
    known.set(key, { flags: await different.data(), positions, units })
    different.dispose()
  }
  return new Differences(clean, known)
}

/** Where edits change the runs of some prompts. */
export class Differences {
  readonly #clean: Pick<ComparedRun, 'first' | 'kept'>
  readonly #known: ReadonlyMap<string, Flags>

  constructor(clean: Pick<ComparedRun, 'first' | 'kept'>, known: ReadonlyMap<string, Flags>) {
    this.#clean = clean
    this.#known = known
  }

  /** The first of some positions [begin, end) where the edit changes the prompt's run; undefined where there is none. */
  first(edit: ResolvedEdit, prompt: number, { begin, end }: { begin: number; end: number }): number | undefined {
    if (edit.mode === 'add' && edit.value.kind === 'number' && edit.value.value === 0) return undefined
    const key = comparisonKey(edit)
    const known = key === undefined ? undefined : this.#known.get(key)
    const row = (prompt - this.#clean.first) * (known?.positions ?? 0)
    const changes = (p: number) => !known || this.#isFlagged(known, edit, row + p)
    const list = edit.positions?.[prompt]
    if (list) return list.find((p) => p >= begin && p < end && changes(p))
    for (let p = begin; p < end; p++) if (changes(p)) return p
    return undefined
  }

  #isFlagged({ flags, units }: Flags, edit: ResolvedEdit, row: number): boolean {
    const offset = row * units
    if (!edit.units) return flags[offset] === 1
    const index = this.#clean.kept.get(edit.point.name)
    return edit.units.some((unit) => flags[offset + (index?.get(unit) ?? unit)] === 1)
  }
}

/** [B,P,U]: 1 where the edit puts in or adds something else than is there. */
function differs(clean: ComparedRun, edit: ResolvedEdit, values: EditValues): tf.Tensor3D {
  const { point, mode, units } = edit
  const before = mode === 'add' ? 0 : clean.get(point.name)
  return byUnit(tf.notEqual(before, valueOf(clean, edit, values)).toFloat(), point, units !== undefined)
}

/** What an edit puts in or adds, of the units that the clean run keeps. */
function valueOf({ tokens, first, kept }: ComparedRun, edit: ResolvedEdit, values: EditValues): tf.Tensor {
  const { point, value } = edit
  if (value.kind === 'number') return tf.scalar(value.value)
  const rows = { prompts: tokens.rows.map((_, b) => first + b), begin: 0, count: tokens.positions }
  const whole = promptRows(values.tensorOf(edit), point, rows)
  const units = kept.get(point.name)
  return units ? tf.gather(whole, tf.tensor1d([...units.keys()], 'int32'), unitAxis(point)) : whole
}

/** Edits of one key are compared in one go; undefined for those that always change something. */
function comparisonKey({ point, mode, value, units }: ResolvedEdit): string | undefined {
  if (value.kind === 'vector') return undefined
  if (value.kind === 'number' && (mode === 'add' || value.value !== 0)) return undefined
  return `${mode} ${point.name} ${valueKey(value)} ${units !== undefined}`
}

function valueKey(value: EditValue): string {
  if (value.kind === 'number') return String(value.value)
  if (value.kind === 'tensor') return `tensor ${value.tensor.id}`
  return value.kind === 'lazy' ? `lazy ${value.lazy.key}` : value.kind
}

/** [B,P,U] of what differs anywhere in a unit, or at all: U is 1 then. */
function byUnit(different: tf.Tensor, point: HookPoint, unitsApart: boolean): tf.Tensor3D {
  const [units, positions] = [unitAxis(point), axisOfPositions(point)]
  const stays = [0, positions, ...(unitsApart ? [units] : [])]
  const others = axesOf(point.shape).flatMap((_, i) => (stays.includes(i) ? [] : [i]))
  const reduced = others.length > 0 ? different.max(others) : different
  if (!unitsApart) return reduced.expandDims(2)
  return (units < positions ? reduced.transpose([0, 2, 1]) : reduced) as tf.Tensor3D
}
