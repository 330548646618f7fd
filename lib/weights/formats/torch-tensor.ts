/** A tensor as torch describes it: a view, by strides and an offset, of a flat storage that others may share. */
import { FileError } from '../../errors/errors.js'
import type { Dtype } from './dtypes.js'
import type { HostTensor } from '../read-tensor.js'
import { pickledText } from './pickle.js'
import { brief } from '../../errors/brief.js'

/** Numbers in a row, somewhere in the file. */
export interface TorchStorage {
  readonly key: string
  readonly dtype: Dtype
  /** How many numbers. */
  readonly length: number
  readonly byteLength: number
}

export class TorchTensor {
  readonly storage: TorchStorage
  readonly shape: readonly number[]
  readonly #offset: number
  readonly #strides: readonly number[]

  private constructor(storage: TorchStorage, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage
    this.shape = shape
    this.#offset = offset
    this.#strides = strides
  }

  /** The arguments of torch's `_rebuild_tensor_v2`. Throws FileError when they reach out of the storage. */
  static from(file: string, args: readonly unknown[]): TorchTensor {
    const [storage, offset, shape, strides] = args
    const fits = isStorage(storage) && isCount(offset) && isCounts(shape) && isCounts(strides)
    if (!fits || shape.length !== strides.length) {
      const said = args.slice(1, 4).map(pickledText)
      throw new FileError(
        `read ${file}: a tensor is described by ${said.join(', ')}. Offset, shape and strides are needed.`,
      )
    }
    const last = offset + shape.reduce((sum, n, axis) => sum + (n - 1) * strides[axis]!, 0)
    if (!shape.includes(0) && !(last < storage.length)) {
      const what = `a tensor of shape ${pickledText(shape)} ends at number ${last + 1} of storage '${brief(storage.key)}'`
      throw new FileError(`read ${file}: ${what}. It holds ${storage.length}.`)
    }
    return new TorchTensor(storage, offset, shape, strides)
  }

  /** How many numbers it has. */
  get length(): number {
    return this.shape.reduce((product, n) => product * n, 1)
  }

  /**
   * Which numbers of the storage it needs. Throws FileError for a view that repeats numbers (such as an expanded one):
   * a few bytes of file could ask for any amount of memory.
   */
  span(file: string, name: string): { begin: number; length: number } {
    if (this.shape.includes(0)) return { begin: 0, length: 0 }
    if (this.length > this.storage.length) {
      const what = `tensor '${brief(name)}' of shape ${pickledText(this.shape)} repeats the ${this.storage.length} numbers of its storage`
      throw new FileError(`read ${file}: ${what}. Save tensor.contiguous().`)
    }
    return {
      begin: this.#offset,
      length: 1 + this.shape.reduce((sum, n, axis) => sum + (n - 1) * this.#strides[axis]!, 0),
    }
  }

  /** The numbers of the span in the order of the axes, the last fastest. */
  inOrder(values: HostTensor['values']): HostTensor['values'] {
    if (this.#isInOrder()) return values
    const out = values instanceof Float32Array ? new Float32Array(this.length) : new Int32Array(this.length)
    const index = this.shape.map(() => 0)
    let from = 0
    for (let i = 0; i < out.length; i++) {
      out[i] = values[from]!
      for (let axis = index.length - 1; axis >= 0; axis--) {
        from += this.#strides[axis]!
        if (++index[axis]! < this.shape[axis]!) break
        from -= this.#strides[axis]! * this.shape[axis]!
        index[axis] = 0
      }
    }
    return out
  }

  #isInOrder(): boolean {
    let expected = 1
    for (let axis = this.shape.length - 1; axis >= 0; axis--) {
      if (this.shape[axis] !== 1 && this.#strides[axis] !== expected) return false
      expected *= this.shape[axis]!
    }
    return true
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every(isCount)
}

function isStorage(value: unknown): value is TorchStorage {
  return typeof value === 'object' && value !== null && 'dtype' in value && 'byteLength' in value
}
