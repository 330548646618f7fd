/** What a sweep runs on. */
import type { HookPoint } from '../core/hooks.js'
import type { LoadedModel, View } from '../core/view.js'
import type { Tokens } from '../tokens/tokens.js'

/** A view of a model, and prompts. */
export interface SweepSubject {
  /** What results and messages call the sweep. */
  readonly kind: string
  readonly model: LoadedModel
  readonly view: View
  /** Hook points of the view by name, in firing order. */
  readonly points: ReadonlyMap<string, HookPoint>
  readonly tokens: Tokens
}

/** Rows of a batch: row r is prompt `prompts[r]`, at `count` positions from `begin` on. */
export interface RowsAt {
  readonly prompts: readonly number[]
  readonly begin: number
  readonly count: number
}

/** An activation of a run of prompts that keeps some of its units alone: the index of each of these units. */
export type UnitIndex = ReadonlyMap<number, number>
