/** What of tfjs's wasm backend its replaced kernels use. */
import * as tf from '@tensorflow/tfjs'

/** A tensor in the module's memory. */
export interface Stored {
  /** What the module calls it. */
  readonly id: number
  /** Its address. */
  readonly memoryOffset: number
}

/** tfjs's BackendWasm. */
export interface WasmBackend {
  readonly dataIdMap: { get(dataId: object): Stored }
  dataIdNextNumber: number
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo
  disposeData(dataId: object): boolean
  incRef(dataId: object): void
  readSync(dataId: object): ArrayLike<number>
  readonly wasm: {
    // read anew after each allocation: growing memory leaves old views without any
    readonly HEAPU8: Uint8Array
    readonly HEAP32: Int32Array
    _malloc(bytes: number): number
    _free(address: number): void
    _BatchMatMul(...args: number[]): void
    readonly tfjs: {
      registerTensor(id: number, size: number, address: number): void
      disposeData(id: number): void
    }
  }
}

/** One call of a kernel. */
export interface Call<Inputs, Attributes> {
  readonly inputs: Inputs
  readonly attrs: Attributes
  readonly backend: WasmBackend
}

const replaced = new Set<string>()

/**
 * Puts another kernel in the place of one, at the first call.
 * @param make the new one; given the old one, for what the new one leaves to it
 */
export function replaceKernel<C, Output = tf.TensorInfo>(
  name: string,
  make: (own: (call: C) => Output) => (call: C) => Output,
): void {
  if (replaced.has(name)) return
  replaced.add(name)
  const { kernelFunc, ...config } = tf.getKernel(name, 'wasm')
  tf.unregisterKernel(name, 'wasm')
  const kernel = make(kernelFunc as unknown as (call: C) => Output)
  tf.registerKernel({ ...config, kernelFunc: kernel as unknown as tf.KernelFunc })
}
