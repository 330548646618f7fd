/** Which edits change anything of the clean run, and where: one that puts in what is there already costs nothing. */
import * as tf from '@tensorflow/tfjs'
import { axesOf, type HookPoint } from '../core/hooks.js'
import { positionAxis } from './apply.js'
import type { CleanRun, Kept } from './clean.js'
import { unitAxis, type ResolvedEdit, type Value } from './edits.js'
import { rowsOf, type ValueSource } from './values.js'

/** 1 where a value differs from the clean one: [B,P,U]. */
interface Differences {
  readonly flags: ArrayLike<number>
  readonly positions: number
  readonly units: number
}

/** For the prompts of one clean run. */
export class Changes {
  readonly #clean: CleanRun
  readonly #kept: Kept
  readonly #known = new Map<string, Differences>()

  constructor(clean: CleanRun, kept: Kept) {
    this.#clean = clean
    this.#kept = kept
  }

  /** Compares what edits put in with what is there. To be called for every edit before `at`. */
  async compare(edits: Iterable<ResolvedEdit>, values: ValueSource): Promise<void> {
    for (const edit of edits) {
      const key = keyOf(edit)
      if (key === undefined || this.#known.has(key) || !this.#clean.has(edit.point.name)) continue
      values.hold([edit])
      const different = tf.tidy(() => this.#different(edit, values))
      const [, positions, units] = different.shape as [number, number, number]
      this.#known.set(key, { flags: await different.data(), positions, units })
      different.dispose()
    }
  }

  #different({ point, value, units, mode }: ResolvedEdit, values: ValueSource): tf.Tensor {
    const x = this.#clean.get(point.name)
    const { tokens, first } = this.#clean
    const places = this.#kept.get(point.name)
    const rows = { prompts: tokens.rows.map((_, b) => first + b), begin: 0, count: tokens.positions }
    const full =
      value.kind === 'number' ? tf.scalar(value.value) : rowsOf(values.placed(point.name, value), point, rows)
    const some =
      places && value.kind !== 'number'
        ? tf.gather(full, tf.tensor1d([...places.keys()], 'int32'), unitAxis(point))
        : full
    return byUnit(tf.notEqual(mode === 'add' ? 0 : x, some).toFloat(), point, units !== undefined)
  }

  /** The first position below `end` where the edit changes the prompt's run; undefined where there is none. */
  first(edit: ResolvedEdit, prompt: number, end: number, begin = 0): number | undefined {
    if (edit.mode === 'add' && edit.value.kind === 'number' && edit.value.value === 0) return undefined
    const key = keyOf(edit)
    const known = key === undefined ? undefined : this.#known.get(key)
    const list = edit.positions?.[prompt]
    if (list) return list.find((p) => p >= begin && p < end && (!known || this.#differs(known, edit, prompt, p)))
    for (let p = begin; p < end; p++) if (!known || this.#differs(known, edit, prompt, p)) return p
    return undefined
  }

  #differs({ flags, positions, units }: Differences, edit: ResolvedEdit, prompt: number, position: number): boolean {
    const offset = ((prompt - this.#clean.first) * positions + position) * units
    if (!edit.units) return flags[offset] === 1
    const places = this.#kept.get(edit.point.name)
    return edit.units.some((unit) => flags[offset + (places ? places.get(unit)! : unit)] === 1)
  }
}

/** Edits that are compared in one go; undefined for those that always change something. */
function keyOf({ point, mode, value, units }: ResolvedEdit): string | undefined {
  const what = textOf(value)
  const always = what === undefined || (value.kind === 'number' && (mode === 'add' || value.value !== 0))
  return always ? undefined : `${mode} ${point.name} ${what} ${units !== undefined}`
}

function textOf(value: Value): string | undefined {
  if (value.kind === 'vector') return undefined
  if (value.kind === 'number') return String(value.value)
  if (value.kind === 'tensor') return `tensor ${value.tensor.id}`
  return value.kind === 'made' ? `made ${value.made.key}` : value.kind
}

/** [B,P,U] of what differs anywhere in a unit, or at all: U is 1 then. */
function byUnit(different: tf.Tensor, point: HookPoint, unitsApart: boolean): tf.Tensor {
  const [units, positions] = [unitAxis(point), positionAxis(point)]
  const kept = [0, positions, ...(unitsApart ? [units] : [])]
  const others = axesOf(point.shape).flatMap((_, i) => (kept.includes(i) ? [] : [i]))
  const reduced = others.length > 0 ? different.max(others) : different
  if (!unitsApart) return reduced.expandDims(2)
  return units < positions ? reduced.transpose([0, 2, 1]) : reduced
}
