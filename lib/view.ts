/** What makes one view of a model different from another: plain values, shared by nobody, never changed. */
import type * as tf from '@tensorflow/tfjs'
import type { Architecture, ModelConfig } from './architecture.js'
import { ArgumentError, HookError, ShapeError } from './errors.js'
import {
  axesOf,
  chosenNames,
  layerOf,
  type HookFunction,
  type HookPoint,
  type NameFilter,
  type Taps,
  type Observer,
} from './hooks.js'
import type { Recorded } from './self-check.js'
import type { Attachable, Splice, SpliceOptions } from './splice.js'
import type { Tokenizer } from './tokens/tokenizer.js'
import type { Tokens } from './tokens/tokens.js'
import type { ProcessingFlags } from './weights/process.js'
import type { Weights } from './weights/weights.js'

/** What all views of one model share. */
export interface LoadedModel {
  readonly name: string
  readonly architecture: Architecture
  readonly config: ModelConfig
  readonly weights: Weights
  readonly tokenizer: Tokenizer | undefined
  readonly processing: ProcessingFlags
  /** sha256 of the weight files, for provenance. */
  readonly files: () => Promise<Readonly<Record<string, string>>>
  /** Logits that the model's folder carries, to check it by. */
  readonly recorded: () => Promise<Recorded | undefined>
}

export interface Attached {
  readonly source: Attachable
  readonly options: SpliceOptions
  readonly splice: Splice
}

/** Hooks in the order they run, SAEs, and where to stop. */
export interface View {
  readonly hooks: readonly { readonly name: string; readonly hook: HookFunction }[]
  readonly attached: readonly Attached[]
  readonly stopAt?: number
}

export const plainView: View = { hooks: [], attached: [] }

/** The model's own hook points, each followed by those of the SAE at it. */
export function viewPoints(model: LoadedModel, view: View): HookPoint[] {
  const own = model.architecture.hookPoints(model.config)
  if (view.attached.length === 0) return own
  return own.flatMap((point) => {
    const splice = view.attached.find((a) => a.splice.hookName === point.name)?.splice
    return splice ? [point, ...splice.points.map((p) => ({ ...p, name: `${point.name}.${p.name}` }))] : [point]
  })
}

/** Hooks to add: by name, or as [filter, function] pairs. */
export type Hooks = Readonly<Record<string, HookFunction>> | readonly (readonly [NameFilter, HookFunction])[]

/** @throws HookError for an unknown point, ArgumentError for something that is no function. */
export function addHooks(model: LoadedModel, view: View, hooks: Hooks): View {
  const pairs: readonly (readonly [NameFilter, HookFunction])[] = Array.isArray(hooks) ? hooks : Object.entries(hooks)
  const added = pairs.flatMap(([filter, hook]) => {
    if (typeof hook !== 'function') {
      throw new ArgumentError(
        `withHooks: the hook for '${String(filter)}' is ${JSON.stringify(hook)}. It must be a function.`,
      )
    }
    return reachedNames('withHooks', filter, model, view).map((name) => ({ name, hook }))
  })
  return { ...view, hooks: [...view.hooks, ...added] }
}

/** @throws HookError when the model has no such point or an SAE sits there already, MismatchError when it does not fit. */
export function attach(model: LoadedModel, view: View, source: Attachable, options: SpliceOptions): View {
  const taken = view.attached.find((a) => a.splice.hookName === source.hookName)
  if (taken) {
    throw new HookError(
      `withSaes: '${source.hookName}' has an SAE already ('${taken.source.label}'). One hook point takes one SAE: attach the other to the model's plain view.`,
    )
  }
  return { ...view, attached: [...view.attached, { source, options, splice: source.splice(options) }] }
}

/** Blocks to run for `stopAt`, which may count from the end. @throws ArgumentError outside −L … L. */
export function resolveStop(stopAt: number | undefined, nLayers: number): number | undefined {
  if (stopAt === undefined) return undefined
  if (!Number.isInteger(stopAt) || stopAt < -nLayers || stopAt > nLayers) {
    throw new ArgumentError(
      `stopAt: ${stopAt} is not a layer of a model of ${nLayers} layers. Give a whole number from ${-nLayers} to ${nLayers}.`,
    )
  }
  return stopAt < 0 ? stopAt + nLayers : stopAt
}

/**
 * Names chosen by a filter that fire in a run of this view; of a pattern's, and without a filter, those that do.
 * @throws HookError for an unknown point, one named outright behind the layer where the view stops, or no point at all.
 */
export function reachedNames(verb: string, filter: NameFilter | undefined, model: LoadedModel, view: View): string[] {
  const names = chosenNames(verb, filter, viewPoints(model, view), model.name)
  const { stopAt } = view
  if (stopAt === undefined) return names
  const reached = names.filter((name) => blockOf(name) < stopAt)
  const isPattern = filter === undefined || typeof filter === 'function' || filter instanceof RegExp
  const late = names.find((name) => blockOf(name) >= stopAt)
  if (late !== undefined && (!isPattern || reached.length === 0)) {
    throw new HookError(
      `${verb}: '${late}' is never reached, as this view stops at layer ${stopAt}. Ask for earlier points or stop later.`,
    )
  }
  return reached
}

/** How many blocks must run so that all of these points fire; undefined when the whole model must. */
export function blocksNeeded(names: readonly string[]): number | undefined {
  const last = Math.max(-1, ...names.map(blockOf))
  return last === Infinity ? undefined : last + 1
}

/** The block a point is in: −1 before the blocks, Infinity behind them. */
function blockOf(name: string): number {
  return layerOf(name) ?? (/^(ln_final|unembed)\./.test(name) ? Infinity : -1)
}

/** @throws ArgumentError, ShapeError when a run cannot start at this block with this residual stream. */
export function checkStart(
  model: LoadedModel,
  view: View,
  tokens: Tokens,
  from: { layer: number; resid: tf.Tensor },
): void {
  const { layer, resid } = from
  const last = view.stopAt === undefined ? model.config.nLayers : view.stopAt - 1
  if (!Number.isInteger(layer) || layer < 0 || layer > last) {
    throw new ArgumentError(
      `run: from.layer is ${layer}. It must be a block that this view runs, or the number of blocks for the final norm: 0 to ${last}.`,
    )
  }
  const shape = [tokens.batch, tokens.positions, model.config.dModel]
  if (resid.shape.join() !== shape.join()) {
    throw new ShapeError(`run: from.resid has shape [${resid.shape}]. For these prompts it must be [${shape}].`)
  }
}

/** The taps of one run over a view. */
export function viewTaps(view: View, observers: readonly Observer[]): Taps {
  const hooks = new Map<string, HookFunction[]>()
  for (const { name, hook } of view.hooks) hooks.set(name, [...(hooks.get(name) ?? []), hook])
  const splices = new Map(view.attached.map(({ splice }) => [splice.hookName, splice]))
  return { hooks, splices, observers }
}

/** Lengths of an activation's last axes, batch and position left out: [H,K] for `[B,P,H,K]`. */
export function featureShape(point: HookPoint, config: ModelConfig): number[] {
  const sizes = axisSizes(config)
  return axesOf(point.shape).flatMap((axis) => (axis === 'B' || axis === 'P' ? [] : [sizes[axis]!]))
}

/** A shape of axis letters with the model's sizes: `[B,P,12,64]` for `[B,P,H,K]`. */
export function shapeIn(shape: string, config: ModelConfig): string {
  const sizes = axisSizes(config)
  return `[${axesOf(shape)
    .map((axis) => sizes[axis] ?? axis)
    .join(',')}]`
}

const axisSizes = (config: ModelConfig): Record<string, number> => ({
  D: config.dModel,
  H: config.nHeads,
  G: config.nKeyValueHeads ?? config.nHeads,
  K: config.dHead,
  M: config.dMlp,
  V: config.dVocab,
  1: 1,
})
