/**
 * Batched products on wasm. Its backend hands one product of matrices to XNNPACK, and computes many, and those of a
 * transposed matrix, by loops that take ten times as long. Here they are transposed and handed over one by one.
 */
import * as tf from '@tensorflow/tfjs'
import { replaceKernel, type Call, type WasmBackend } from './kernel.js'

const { sizeFromShape: sizeOf } = tf.util

type Product = Call<
  { readonly a: tf.TensorInfo; readonly b: tf.TensorInfo },
  { readonly transposeA: boolean; readonly transposeB: boolean }
>

/** Multiplications of two matrices from which on handing them over is worth its while. */
const WORTH = 4096

/** Replaces the kernel of products. */
export function registerProducts(): void {
  replaceKernel<Product>('BatchMatMul', (own) => (call) => (isForTheBackend(call) ? own(call) : oneByOne(call)))
}

const batchOf = ({ shape }: tf.TensorInfo): number[] => shape.slice(0, -2)

/** Whether the backend's own kernel is to take it: what is XNNPACK's as it is, broadcast, small or refused. */
function isForTheBackend({ inputs: { a, b }, attrs: { transposeA, transposeB } }: Product): boolean {
  const [rows, inner] = sides(a, transposeA)
  const [innerOfB, columns] = sides(b, transposeB)
  const plain = !transposeA && !transposeB && sizeOf(batchOf(a)) === 1
  const fits = inner === innerOfB && String(batchOf(a)) === String(batchOf(b))
  return plain || !fits || rows * inner * columns < WORTH || a.dtype !== 'float32' || b.dtype !== 'float32'
}

/** Rows and columns of the matrices of x. */
function sides({ shape }: tf.TensorInfo, transposed: boolean): [number, number] {
  const [rows, columns] = shape.slice(-2) as [number, number]
  return transposed ? [columns, rows] : [rows, columns]
}

/** Products of equally many matrices of a and of b, each a view of memory that is there. */
function oneByOne({ inputs, attrs: { transposeA, transposeB }, backend }: Product): tf.TensorInfo {
  const a = transposeA ? swapped(inputs.a, backend) : inputs.a
  const b = transposeB ? swapped(inputs.b, backend) : inputs.b
  const [rows, inner, columns] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-1)!]
  const out = backend.makeOutput([...batchOf(a), rows, columns], 'float32')
  const { wasm } = backend
  const shapes = wasm._malloc(24)
  wasm.HEAP32.set([1, rows, inner, 1, inner, columns], shapes >>> 2)
  const [viewA, viewB, viewOut] = [views(a, backend), views(b, backend), views(out, backend)]
  for (let i = 0; i < sizeOf(batchOf(a)); i++) {
    const ids = [viewA(i), viewB(i), viewOut(i)] as const
    wasm._BatchMatMul(ids[0], shapes, 3, ids[1], shapes + 12, 3, 0, 0, ids[2])
    for (const id of ids) wasm.tfjs.disposeData(id)
  }
  wasm._free(shapes)
  if (transposeA) backend.disposeData(a.dataId)
  if (transposeB) backend.disposeData(b.dataId)
  return out
}

/** The i-th matrix under a name of its own, to be given back. */
function views({ dataId, shape }: tf.TensorInfo, backend: WasmBackend): (i: number) => number {
  const size = shape.at(-2)! * shape.at(-1)!
  const { memoryOffset } = backend.dataIdMap.get(dataId)
  return (i) => {
    const id = backend.dataIdNextNumber++
    backend.wasm.tfjs.registerTensor(id, size, memoryOffset + 4 * size * i)
    return id
  }
}

/** The last two axes in each other's place. */
function swapped(x: tf.TensorInfo, backend: WasmBackend): tf.TensorInfo {
  const [rows, columns] = x.shape.slice(-2) as [number, number]
  const matrices = { ...x, shape: [sizeOf(batchOf(x)), rows, columns] }
  const transpose = tf.getKernel('Transpose', 'wasm').kernelFunc as unknown as (call: object) => tf.TensorInfo
  const y = transpose({ inputs: { x: matrices }, attrs: { perm: [0, 2, 1] }, backend })
  return { ...y, shape: [...batchOf(x), columns, rows] }
}
