/** What makes one view of a model different from another: plain values, shared by nobody, never changed. */
import * as tf from '@tensorflow/tfjs'
import type { Architecture, ModelConfig } from '../transformer/architecture.js'
import { checkCapacity } from '../backend/backend.js'
import { ArgumentError, HookError, ShapeError } from '../errors/errors.js'
import type { HookFunction, HookPoint, Observer, SpliceFunction, Taps } from './hooks.js'
import { chosenNames, type NameFilter } from './hook-filters.js'
import { hookPoints } from '../transformer/hook-points.js'
import type { Recorded } from './self-check.js'
import { blockOf } from '../transformer/hook-names.js'
import { outputPoint, type Attachable, type Splice, type SpliceOptions, type SpliceOutput } from './splice.js'
import type { Tokenizer } from '../tokens/tokenizer.js'
import type { Tokens } from '../tokens/tokens.js'
import type { ProcessingFlags } from '../weights/process.js'
import type { Weights } from '../weights/weights.js'

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

/** An SAE of a view. */
export interface AttachedSae<S extends Attachable = Attachable> {
  readonly sae: S
  /** The hook point it reads at: its own, or the output of what was attached there before. */
  readonly readsAt: string
  /** The hook point it writes at: where it reads, except for a transcoder. */
  readonly writesAt: string
  readonly options: SpliceOptions
}

interface Attached extends AttachedSae {
  readonly splice: Splice
}

/** Hooks in the order they run, SAEs, and where to stop. */
export interface View {
  readonly hooks: readonly { readonly name: string; readonly hook: HookFunction }[]
  readonly attached: readonly Attached[]
  readonly stopAt?: number
}

export const plainView: View = { hooks: [], attached: [] }

/** The model's own hook points, each followed by those of the SAEs at it. */
export function viewPoints(model: LoadedModel, view: View): HookPoint[] {
  const own = hookPoints(model.config, model.architecture.traits(model.config))
  return view.attached.length === 0 ? own : own.flatMap((point) => withInner(point, view))
}

/** A point and those below it, also of an SAE that sits at another's output. */
function withInner(point: HookPoint, view: View): HookPoint[] {
  const inner = view.attached.flatMap(({ splice, readsAt, writesAt }) => [
    ...(readsAt === point.name ? splice.points : []),
    ...(writesAt === point.name ? (splice.output?.points ?? []) : []),
  ])
  return [point, ...inner.flatMap((p) => withInner({ ...p, name: `${point.name}.${p.name}` }, view))]
}

/** The view with one more SAE, behind those that sit at its hook point already. @throws HookError, ArgumentError */
export function attach(view: View, sae: Attachable, options: SpliceOptions): View {
  const splice = sae.splice(options)
  const readsAt = freeSite(view, sae.hookName, sae.label)
  const writesAt = splice.output ? freeSite(view, splice.output.hookName, sae.label) : readsAt
  return { ...view, attached: [...view.attached, { sae, options, splice, readsAt, writesAt }] }
}

/** Where the next SAE at a hook point goes: to the output of the one before, so that each reads what the last put out. */
function freeSite(view: View, hookName: string, label: string): string {
  const writer = view.attached.find(({ writesAt }) => writesAt === hookName)
  if (writer) return freeSite(view, `${hookName}.${outputPoint}`, label)
  const reader = view.attached.find(({ readsAt }) => readsAt === hookName)
  if (!reader) return hookName
  throw new HookError(
    `withSaes: '${hookName}' is read by the transcoder '${reader.sae.label}' already. Attach '${label}' before it, or to a view of its own.`,
  )
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
  const names = chosenNames(verb, filter, { hookPoints: viewPoints(model, view), name: model.name })
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

/** How many blocks no point of these is in or behind, nor a transcoder's way: a run may be cut in two behind them. */
export function blocksBefore(names: readonly string[], { config }: LoadedModel, { attached }: View): number {
  const ways = attached.filter(crossesBlocks).map(({ readsAt }) => readsAt)
  const first = names.length > 0 ? Math.min(...[...names, ...ways].map(blockOf)) : 0
  return Math.min(config.nLayers, Math.max(0, first))
}

/** Whether an SAE writes at another hook point than it reads at. */
export const isTranscoder = ({ readsAt, writesAt }: AttachedSae): boolean => readsAt !== writesAt

/** Whether an SAE reads in one block and writes in another. */
export const crossesBlocks = ({ readsAt, writesAt }: AttachedSae): boolean => blockOf(readsAt) !== blockOf(writesAt)

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

/** @throws BackendError where the backend cannot hold the logits of these prompts. */
export function checkLogitsFit({ batch, positions }: Tokens, dVocab: number): void {
  checkCapacity(4 * batch * positions * dVocab, `logits of ${batch} × ${positions} tokens`)
}

/** The taps of one run over a view; dispose them behind the run. */
export function viewTaps(view: View, observers: readonly Observer[]): Taps & Disposable {
  const hooks = new Map<string, HookFunction[]>()
  for (const { name, hook } of view.hooks) hooks.set(name, [...(hooks.get(name) ?? []), hook])
  const splices = new Map<string, SpliceFunction>()
  const held: tf.Tensor[] = []
  for (const { splice, readsAt, writesAt } of view.attached) {
    if (splice.output) for (const [at, apply] of across(splice.output, readsAt, writesAt, held)) splices.set(at, apply)
    else splices.set(readsAt, splice.apply)
  }
  return { hooks, splices, observers, [Symbol.dispose]: () => tf.dispose(held) }
}

/** The two ends of a transcoder. What it read is kept until the end of the run: a tidy lies between the two. */
function across(
  output: SpliceOutput,
  readsAt: string,
  writesAt: string,
  held: tf.Tensor[],
): [site: string, SpliceFunction][] {
  let last: tf.Tensor[] = []
  const read: SpliceFunction = (x, at) => {
    last = output.read(x, at).map((tensor) => tf.keep(tensor))
    held.push(...last)
    return x
  }
  const write: SpliceFunction = (y, at) => {
    if (last.length > 0) return output.write(y, last, at)
    throw new ArgumentError(
      `run: the transcoder at '${writesAt}' reads '${readsAt}', which this run skips. Start it at an earlier layer.`,
    )
  }
  return [
    [readsAt, read],
    [writesAt, write],
  ]
}
