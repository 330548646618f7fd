/** Takes a checkpoint's tensors one by one, each checked, and makes sure that none was left over. */
import * as tf from '@tensorflow/tfjs'
import type { TensorReader } from '../architecture.js'
import { ConfigError, FileError } from '../errors.js'
import { didYouMean } from '../nearest.js'

export class TensorCollector {
  readonly #reader: TensorReader
  readonly #model: string
  readonly #taken = new Set<string>()
  readonly #progress: ((done: number, total: number) => void) | undefined

  constructor(reader: TensorReader, model: string, progress?: (done: number, total: number) => void) {
    this.#reader = reader
    this.#model = model
    this.#progress = progress
  }

  has(name: string): boolean {
    return this.#reader.infos.has(name)
  }

  /**
   * One tensor of the checkpoint as float32; the caller owns it.
   * @throws FileError when it is missing or holds NaN or infinity, ConfigError when its shape is not the config's.
   */
  async take(name: string, shape: readonly number[]): Promise<tf.Tensor> {
    const info = this.#reader.infos.get(name)
    if (!info) {
      const hint = didYouMean(name, this.#reader.infos.keys())
      throw new FileError(
        `loadModel: ${this.#model} has no tensor '${name}'. Its config asks for one of shape [${shape}].${hint}`,
      )
    }
    if (info.shape.length !== shape.length || info.shape.some((n, i) => n !== shape[i])) {
      throw new ConfigError(
        `loadModel: tensor '${name}' of ${this.#model} has shape [${info.shape}]. Its config asks for [${shape}].`,
      )
    }
    const { values } = await this.#reader.read(name)
    checkFinite(values, name, this.#model)
    this.#taken.add(name)
    this.#progress?.(this.#taken.size, this.#reader.infos.size)
    return tf.tensor(values instanceof Float32Array ? values : Float32Array.from(values), [...shape])
  }

  /** @throws FileError naming tensors that nobody took; `ignore` lists known ballast such as stored masks. */
  finish(ignore: RegExp): void {
    const left = [...this.#reader.infos.keys()].filter((name) => !this.#taken.has(name) && !ignore.test(name))
    if (left.length === 0) return
    const more = left.length > 3 ? ` and ${left.length - 3} more` : ''
    throw new FileError(
      `loadModel: ${this.#model} has tensors that its config has no place for: ${left.slice(0, 3).join(', ')}${more}. ` +
        'The config and the weights belong to different models.',
    )
  }
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
