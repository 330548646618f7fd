/** Takes a checkpoint's tensors under our names: all are checked against the config before any is read. */
import * as tf from '@tensorflow/tfjs'
import { ConfigError, FileError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import { isNativeCpu } from '../backend/native/ops.js'
import { transpose } from '../ops/products.js'
import type { HostTensor, TensorInfo } from './formats/safetensors.js'
import { NamedTensors } from './named-tensors.js'

/** Tensors of a checkpoint, read one at a time. */
export interface TensorReader {
  readonly infos: ReadonlyMap<string, TensorInfo>
  read(name: string): Promise<HostTensor>
  /** The tensor itself, where it need not be read; the caller owns it. */
  map?(name: string): tf.Tensor | undefined
}

/** One tensor to take: its name in the checkpoint, ours, its shape there, which the config says, and what is made of it. */
export type TensorSpec = readonly [
  theirs: string,
  ours: string,
  shape: readonly number[],
  rearrange?: ((stored: tf.Tensor) => tf.Tensor) | EitherWay,
]

/** How a checkpoint has a matrix that we may store either way, because nothing reads it but `Weights.matrix`. */
export type EitherWay = 'in,out' | 'out,in'

/** An nn.Linear weight [out,in] as we multiply by it, [in,out]. */
export const transposed = (stored: tf.Tensor): tf.Tensor => transpose(stored as tf.Tensor2D)

/** The weight of a norm that multiplies by 1 + what is stored. */
export const onePlus = (stored: tf.Tensor): tf.Tensor => stored.add(1)

/**
 * The wanted tensors as float32; the caller owns them. Names are asked for one by one, up to the first that is missing.
 * @param ignore names of known ballast, such as stored masks
 * @throws FileError when a tensor is missing, holds NaN or infinity, or has no place in the config; ConfigError when a
 *   shape is not the config's. Nothing is kept then.
 */
export async function collectTensors(
  reader: TensorReader,
  tensorsOfConfig: Iterable<TensorSpec>,
  ignore: RegExp,
  progress?: (done: number, total: number) => void,
): Promise<NamedTensors> {
  const wanted: TensorSpec[] = []
  for (const one of tensorsOfConfig) {
    checkShape(reader, one)
    wanted.push(one)
  }
  checkLeftovers(reader, wanted, ignore)
  const tensors = new NamedTensors()
  try {
    for await (const [spec, stored] of readAhead(reader, wanted)) {
      tensors.set(spec[1], await arranged(stored, spec, tensors.transposed))
      progress?.(tensors.size, wanted.length)
    }
    return tensors
  } catch (error) {
    for (const tensor of tensors.values()) tensor.dispose()
    throw error
  }
}

/** Numbers that are read ahead of those at hand: 134 MB as float32. */
const AHEAD = 2 ** 25

/** Each tensor as it is stored, the caller's: mapped, or read while the next ones are being read. */
async function* readAhead(
  reader: TensorReader,
  wanted: readonly TensorSpec[],
): AsyncGenerator<[TensorSpec, tf.Tensor]> {
  const sizes = wanted.map(([, , shape]) => tf.util.sizeFromShape([...shape]))
  const readings: ReturnType<TensorReader['read']>[] = []
  let [begun, ahead] = [0, 0]
  const readOn = () => {
    for (; begun < wanted.length && (readings.length === 0 || ahead + sizes[begun]! <= AHEAD); begun++) {
      const reading = reader.read(wanted[begun]![0])
      reading.catch(() => undefined) // it is awaited later, or not at all where an earlier tensor is refused
      readings.push(reading)
      ahead += sizes[begun]!
    }
  }
  const read = async (i: number, shape: readonly number[]) => {
    readOn()
    const { values } = await readings.shift()!
    ahead -= sizes[i]!
    readOn()
    return tf.tensor(values instanceof Float32Array ? values : Float32Array.from(values), [...shape])
  }
  for (const [i, one] of wanted.entries()) {
    const [theirs, , shape] = one
    const mapped = begun === i ? reader.map?.(theirs) : undefined
    if (mapped) begun++
    yield [one, mapped ?? (await read(i, shape))]
  }
}

/**
 * The tensors that `collect` makes of a checkpoint, and what `build` makes while the first of them are being read. Where
 * it throws, no more are read and none are kept.
 */
export async function collectBeside<T>(
  reader: TensorReader,
  collect: (reader: TensorReader) => Promise<NamedTensors>,
  build: () => T,
): Promise<[NamedTensors, T]> {
  let refused: { readonly error: unknown } | undefined
  const collecting = collect({
    infos: reader.infos,
    async read(name) {
      if (refused) throw refused.error
      return reader.read(name)
    },
    map(name) {
      if (refused) throw refused.error
      return reader.map?.(name)
    },
  })
  try {
    const built = build()
    return [await collecting, built]
  } catch (error) {
    refused = { error }
    const collected = await collecting.catch(() => undefined)
    tf.dispose([...(collected?.values() ?? [])])
    throw error
  }
}

/** The tensor checked, arranged as it is used. What was stored is freed. */
async function arranged(
  stored: tf.Tensor,
  [theirs, ours, , rearrange]: TensorSpec,
  transposedOnes: Set<string>,
): Promise<tf.Tensor> {
  try {
    // The sum says at once whether a number is not finite. It is also a first use, after which the native backend lets
    // go of a JavaScript array: it would hold a second copy of the weight until the first run.
    const sum = stored.sum()
    const [value] = await sum.data()
    sum.dispose()
    if (!Number.isFinite(value)) checkFinite(await stored.data(), theirs, 'the checkpoint')
    if (typeof rearrange === 'function') return tf.tidy(() => rearrange(stored))
    if (rearrange === undefined) return stored.clone()
    const kept = keptWay()
    if (kept === 'out,in') transposedOnes.add(ours)
    return kept === rearrange ? stored.clone() : transposed(stored)
  } finally {
    stored.dispose()
  }
}

/**
 * How a matrix that may lie either way is stored: on the native backend, which multiplies faster by them so (see
 * `TransposedMatrix`), as torch's Linear has it.
 */
const keptWay = (): EitherWay => (isNativeCpu() ? 'out,in' : 'in,out')

function checkShape(reader: TensorReader, [name, , shape]: TensorSpec): void {
  const info = reader.infos.get(name)
  if (!info) {
    const hint = didYouMean(name, reader.infos.keys())
    throw new FileError(
      `loadModel: the checkpoint has no tensor '${name}'. Its config asks for one of shape [${shape}].${hint}`,
    )
  }
  if (info.shape.length !== shape.length || info.shape.some((n, i) => n !== shape[i])) {
    throw new ConfigError(
      `loadModel: tensor '${name}' of the checkpoint has shape [${info.shape}]. Its config asks for [${shape}].`,
    )
  }
}

function checkLeftovers(reader: TensorReader, wanted: readonly TensorSpec[], ignore: RegExp): void {
  const taken = new Set(wanted.map(([theirs]) => theirs))
  const left = [...reader.infos.keys()].filter((name) => !taken.has(name) && !ignore.test(name))
  if (left.length === 0) return
  const more = left.length > 3 ? ` and ${left.length - 3} more` : ''
  throw new FileError(
    `loadModel: the checkpoint has tensors that its config has no place for: ${left.slice(0, 3).join(', ')}${more}. ` +
      'The config and the weights belong to different models.',
  )
}

/** @throws FileError naming the first value that is not a finite number. */
export function checkFinite(values: ArrayLike<number>, name: string, owner: string): void {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]! * 0 // NaN as soon as one value is NaN or infinite
  if (sum === 0) return
  let at = 0
  while (Number.isFinite(values[at])) at++
  throw new FileError(
    `load: tensor '${name}' of ${owner} holds ${values[at]} at index ${at}. Weights must be finite numbers.`,
  )
}
