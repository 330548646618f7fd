/** Takes a checkpoint's tensors under our names: all are checked against the config before any is read. */
import * as tf from '@tensorflow/tfjs'
import type { TensorReader } from '../architecture.js'
import { ConfigError, FileError } from '../errors.js'
import { didYouMean } from '../nearest.js'
import type { NamedTensors } from './process.js'

/** One tensor to take: its name in the checkpoint, ours, the shape that the config asks for, and how to rearrange it. */
export type Wanted = readonly [
  theirs: string,
  ours: string,
  shape: readonly number[],
  rearrange?: (stored: tf.Tensor) => tf.Tensor,
]

/** An nn.Linear weight [out,in] as we multiply by it, [in,out]. */
export const transposed = (stored: tf.Tensor): tf.Tensor => stored.transpose()

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
  tensorsOfConfig: Iterable<Wanted>,
  ignore: RegExp,
  progress?: (done: number, total: number) => void,
): Promise<NamedTensors> {
  const wanted: Wanted[] = []
  for (const one of tensorsOfConfig) {
    checkShape(reader, one)
    wanted.push(one)
  }
  checkLeftovers(reader, wanted, ignore)
  const tensors: NamedTensors = new Map()
  try {
    for (const [theirs, ours, shape, rearrange] of wanted) {
      const { values } = await reader.read(theirs)
      checkFinite(values, theirs, 'the checkpoint')
      const floats = values instanceof Float32Array ? values : Float32Array.from(values)
      const stored = () => tf.tensor(floats, [...shape])
      tensors.set(ours, rearrange ? tf.tidy(() => rearrange(stored())) : uploaded(stored()))
      progress?.(tensors.size, wanted.length)
    }
    return tensors
  } catch (error) {
    for (const tensor of tensors.values()) tensor.dispose()
    throw error
  }
}

/**
 * The tensor, used once: the native backend holds on to the JavaScript array until a kernel first needs the tensor, which
 * would keep a second copy of the weight until the first run.
 */
function uploaded(tensor: tf.Tensor): tf.Tensor {
  tf.tidy(
    () =>
      void tensor.slice(
        tensor.shape.map(() => 0),
        tensor.shape.map(() => 1),
      ),
  )
  return tensor
}

function checkShape(reader: TensorReader, [name, , shape]: Wanted): void {
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

function checkLeftovers(reader: TensorReader, wanted: readonly Wanted[], ignore: RegExp): void {
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
