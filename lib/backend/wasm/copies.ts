/**
 * Ops on wasm that only copy. Its backend reads a tensor whole to slice it, gathers and tiles number by number, and
 * copies what a clone shares; here runs of memory are moved, and a clone is another name.
 */
import * as tf from '@tensorflow/tfjs'
import { replaceKernel, type Call, type WasmBackend } from './kernel.js'

const { sizeFromShape: sizeOf } = tf.util

interface X {
  readonly x: tf.TensorInfo
}
type Slice = Call<X, { readonly begin: number[]; readonly size: number[] }>
type Split = Call<X, { readonly numOrSizeSplits: number | number[]; readonly axis: number }>
type Gather = Call<X & { readonly indices: tf.TensorInfo }, { readonly axis: number; readonly batchDims: number }>
type Tile = Call<X, { readonly reps: readonly number[] }>

/** Replaces the kernels of clones, slices, gathers and tiles. */
export function registerCopies(): void {
  replaceKernel('Identity', unlessText(shared))
  replaceKernel('Slice', unlessText(slice))
  replaceKernel('SplitV', unlessText(split))
  replaceKernel<Gather>('GatherV2', (own) => (call) => gather(call) ?? own(call))
  replaceKernel('Tile', unlessText(tile))
}

/** Leaves text, which is not in the module's memory, to the backend's own kernel. */
const unlessText =
  <C extends Call<X, unknown>, Output>(copy: (call: C) => Output) =>
  (own: (call: C) => Output) =>
  (call: C): Output =>
    call.inputs.x.dtype === 'string' ? own(call) : copy(call)

function shared({ inputs: { x }, backend }: Call<X, unknown>): tf.TensorInfo {
  backend.incRef(x.dataId)
  return { ...x }
}

function slice({ inputs: { x }, attrs, backend }: Slice): tf.TensorInfo {
  const [begin, size] = tf.slice_util.parseSliceParams(x, attrs.begin, attrs.size) as [number[], number[]]
  tf.slice_util.assertParamsValid(x, begin, size)
  return part(x, begin, size, backend)
}

function split({ inputs: { x }, attrs, backend }: Split): tf.TensorInfo[] {
  const axis = attrs.axis < 0 ? attrs.axis + x.shape.length : attrs.axis
  let start = 0
  return tf.backend_util.prepareSplitSize(x as tf.Tensor, attrs.numOrSizeSplits, axis).map((width) => {
    const begin = x.shape.map((_, i) => (i === axis ? start : 0))
    start += width
    return part(x, begin, replaced(x.shape, axis, width), backend)
  })
}

const replaced = (values: readonly number[], at: number, by: number): number[] =>
  values.map((value, i) => (i === at ? by : value))

function part(x: tf.TensorInfo, begin: number[], size: number[], backend: WasmBackend): tf.TensorInfo {
  const out = backend.makeOutput(size, x.dtype)
  if (sizeOf(size) === 0) return out
  // from the last axis that is not taken whole, all that is wanted lies side by side
  let cut = x.shape.length - 1
  while (cut > 0 && size[cut] === x.shape[cut]) cut--
  const run = sizeOf(size.slice(cut))
  const stride = (axis: number): number => sizeOf(x.shape.slice(axis + 1))
  let starts = [begin[cut]! * stride(cut)]
  for (let axis = cut - 1; axis >= 0; axis--) {
    const within = starts
    starts = Array.from({ length: size[axis]! }, (_, i) => (begin[axis]! + i) * stride(axis)).flatMap((from) =>
      within.map((start) => from + start),
    )
  }
  const move = mover(x, out, backend)
  starts.forEach((from, i) => move(from, i * run, run))
  return out
}

/** Bytes from which on moving a row is faster than the backend's loop over its numbers. */
const WORTH = 64

/** Rows of x; undefined where it is for the backend's own kernel: along other axes, short rows, indices to be refused. */
function gather({ inputs: { x, indices }, attrs: { axis, batchDims }, backend }: Gather): tf.TensorInfo | undefined {
  const [count, ...rest] = x.shape as [number, ...number[]]
  const run = sizeOf(rest)
  if (x.dtype === 'string' || axis !== 0 || batchDims !== 0 || run * 4 < WORTH) return undefined
  const rows = Array.from(backend.readSync(indices.dataId))
  if (rows.some((row) => !(row >= 0 && row < count))) return undefined
  const out = backend.makeOutput([...indices.shape, ...rest], x.dtype)
  const move = mover(x, out, backend)
  rows.forEach((row, i) => move(row * run, i * run, run))
  return out
}

function tile({ inputs, attrs: { reps }, backend }: Tile): tf.TensorInfo {
  let x = shared({ inputs, attrs: undefined, backend })
  for (let axis = reps.length - 1; axis >= 0; axis--) {
    if (reps[axis] === 1) continue
    const longer = repeated(x, axis, reps[axis]!, backend)
    backend.disposeData(x.dataId)
    x = longer
  }
  return x
}

/** x several times along an axis: each run once, and then what is there is doubled. */
function repeated(x: tf.TensorInfo, axis: number, times: number, backend: WasmBackend): tf.TensorInfo {
  const out = backend.makeOutput(replaced(x.shape, axis, x.shape[axis]! * times), x.dtype)
  const run = sizeOf(x.shape.slice(axis))
  if (run * times === 0) return out
  const [first, again] = [mover(x, out, backend), mover(out, out, backend)]
  for (let i = 0; i < sizeOf(x.shape.slice(0, axis)); i++) {
    const start = i * run * times
    first(i * run, start, run)
    for (let done = 1; done < times; done *= 2) again(start, start + done * run, Math.min(done, times - done) * run)
  }
  return out
}

/** Copies so many numbers from a place in x to one in y. No memory may be allocated between. */
function mover(
  x: tf.TensorInfo,
  y: tf.TensorInfo,
  backend: WasmBackend,
): (from: number, to: number, n: number) => void {
  const bytes = tf.util.bytesPerElement(x.dtype)
  const memory = backend.wasm.HEAPU8
  const [atX, atY] = [backend.dataIdMap.get(x.dataId).memoryOffset, backend.dataIdMap.get(y.dataId).memoryOffset]
  return (from, to, n) => void memory.copyWithin(atY + to * bytes, atX + from * bytes, atX + (from + n) * bytes)
}
