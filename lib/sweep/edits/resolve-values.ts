/** Checks what an edit puts in or adds against the hook point and the prompts. */
import * as tf from '@tensorflow/tfjs'
import { Activations } from '../../core/activations.js'
import { axesOf, type HookPoint } from '../../core/hooks.js'
import { featureShape } from '../../core/axes.js'
import { ArgumentError, ShapeError } from '../../errors/errors.js'
import type { ModelConfig } from '../../transformer/architecture.js'
import { parseHook } from '../../transformer/hook-names.js'
import type { SweepSubject } from '../subject.js'
import { type EditValue, type Replacement } from './edit.js'
import { unitAxis } from '../../core/axes.js'
import { isLazy } from './lazy-tensors.js'
import { checkSource } from '../../tokens/paired-prompts.js'

/** Where a value goes. */
interface ValuePlace {
  readonly point: HookPoint
  readonly mode: 'set' | 'add'
  /** Whether it is the value of single units there. */
  readonly ofUnit: boolean
}

/** @throws ArgumentError, HookError, ShapeError for a value that does not belong there */
export function resolveValue(subject: SweepSubject, place: ValuePlace, given: Replacement | undefined): EditValue {
  const { point, mode } = place
  const sets = mode === 'set'
  if (given === 'zero' && sets) return { kind: 'number', value: 0 }
  if (typeof given === 'number' && !Number.isNaN(given)) return { kind: 'number', value: given }
  if (sets && (given === 'mean' || given === 'resample' || given === 'source')) {
    if (given === 'mean') checkMeanPoint(subject.kind, point)
    return { kind: given }
  }
  if (given instanceof Activations && sets) {
    const tensor = given.get(point.name)
    checkSource(subject.kind, subject.tokens, given.tokens)
    return { kind: 'tensor', tensor }
  }
  if (given instanceof tf.Tensor) return ofTensor(subject, point, given)
  if (isLazy(given)) return { kind: 'lazy', lazy: given }
  if (isNumbers(given)) return ofNumbers(subject, place, given)
  const known = sets
    ? "'zero', 'mean', 'source', 'resample', a number, numbers, a tensor or a cache"
    : 'a number, numbers or a tensor'
  throw new ArgumentError(
    `${subject.kind}: '${sets ? 'to' : 'add'}' at '${point.name}' is ${JSON.stringify(given)}. Give ${known}.`,
  )
}

function isNumbers(given: unknown): given is ArrayLike<number> {
  return typeof given === 'object' && given !== null && typeof (given as ArrayLike<number>).length === 'number'
}

/** A tensor of the whole activation. */
function ofTensor({ kind, tokens, model }: SweepSubject, point: HookPoint, tensor: tf.Tensor): EditValue {
  const known: Record<string, number> = { B: tokens.batch, P: tokens.positions }
  const axes = axesOf(point.shape)
  const features = isInSae(point) ? [] : (featureSizes(point, model.config) ?? [])
  const firstFeature = axes.length - features.length
  const sizes = axes.map((axis, i) => known[axis] ?? features[i - firstFeature])
  const fits = sizes.every((size, i) => size === undefined || size === tensor.shape[i])
  if (tensor.rank === axes.length && fits) return { kind: 'tensor', tensor }
  throw new ShapeError(
    `${kind}: the tensor for '${point.name}' has shape [${tensor.shape}]. For these prompts it must be ${point.shape} with B ${tokens.batch} and P ${tokens.positions}.`,
  )
}

/** Numbers of one position, or of one unit there. */
function ofNumbers({ kind, model }: SweepSubject, place: ValuePlace, values: ArrayLike<number>): EditValue {
  const { point, ofUnit } = place
  if (!point.shape.startsWith('[B,P,')) {
    throw new ArgumentError(`${kind}: numbers at '${point.name}' of shape ${point.shape} have no place. Give a tensor.`)
  }
  const features = featureSizes(point, model.config)
  const size = (ofUnit ? features?.slice(unitAxis(point) - 1) : features)?.reduce((n, d) => n * d, 1)
  if (size === undefined || values.length === size || isInSae(point)) return { kind: 'vector', values }
  const what = ofUnit ? 'A unit there has' : 'It has'
  throw new ShapeError(
    `${kind}: there are ${values.length} numbers for '${point.name}'. ${what} ${size} at a position.`,
  )
}

/** @throws ArgumentError where positions are not the second axis, so that a mean over them is no such activation */
function checkMeanPoint(kind: string, { name, shape }: HookPoint): void {
  if (shape.startsWith('[B,P,')) return
  throw new ArgumentError(
    `${kind}: the mean at '${name}' of shape ${shape} is not defined. Use points of shape [B,P,…].`,
  )
}

const isInSae = ({ name }: HookPoint): boolean => parseHook(name).sae !== undefined

/** Lengths of the axes after batch and position; undefined where the model alone does not say them. */
function featureSizes(point: HookPoint, config: ModelConfig): number[] | undefined {
  const features = featureShape(point, config)
  return features.every((n) => n !== undefined) ? features : undefined
}
