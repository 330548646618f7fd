/** Tensors out of a file that the operating system shows as memory: copied once, and nothing for JavaScript to collect. */
import * as tf from '@tensorflow/tfjs'
import type { GraphText, Node } from '../backend/native/graph-text.js'
import { runGraph } from '../backend/native/graph.js'
import { nativeOp, type NativeOp } from '../backend/native/ops.js'
import type { Dtype } from './formats/dtypes.js'
import type { PlacedTensor } from './formats/safetensors-header.js'
import type { RandomAccessFile } from './source.js'

/** TensorFlow hands out a part of a tensor that begins at such a multiple of bytes without copying it. */
const SHARED = 64

const halves: { readonly [T in Dtype]?: 'float16' | 'bfloat16' } = { F16: 'float16', BF16: 'bfloat16' }

/**
 * A tensor of a file that lies on this machine, as float32, on the native backend; the caller owns it. Undefined where it
 * has to be read instead: another type or backend, an odd place or count of half-precision numbers.
 * @throws FileError when the file is not the one that was opened any more.
 */
export function mappedTensor(file: RandomAccessFile, tensor: PlacedTensor): tf.Tensor | undefined {
  const { dtype, shape, begin, byteLength } = tensor
  const half = halves[dtype]
  const [first, words] = [begin / 4, byteLength / 4]
  const fits = Number.isInteger(first) && Number.isInteger(words) && words > 0 && first + words < 2 ** 31
  const op = nativeOp()
  if (!op || !file.path || !fits || !(half || dtype === 'F32')) return undefined
  const path = file.path()
  return tf.tidy(() => {
    const mapped = asTensor(op, path, Math.floor(file.size / 4))
    if (!mapped) return undefined
    const part = mapped.slice(first, words)
    if (half) return widened(part, half)?.reshape([...shape])
    return (begin % SHARED === 0 ? op('DeepCopy', { T: 'float32' }, [part]) : part).reshape([...shape])
  })
}

/** The words of a file, or undefined where its file system maps none. */
function asTensor(op: NativeOp, path: string, words: number): tf.Tensor1D | undefined {
  try {
    return op(
      'ImmutableConst',
      { dtype: 'float32', shape: [words], memory_region_name: { text: path } },
      [],
    ) as tf.Tensor1D
  } catch {
    return undefined
  }
}

/** The numbers of half precision whose bytes these words are, two in each. */
function widened(words: tf.Tensor, half: 'float16' | 'bfloat16'): tf.Tensor | undefined {
  return runGraph(`numbers of ${half}`, (g, { words }) => ({ numbers: cast(g, words, half) }), { words })?.['numbers']
}

function cast(g: GraphText, words: Node | undefined, half: 'float16' | 'bfloat16'): Node | undefined {
  const pairs = words && g.node('Bitcast', [words], { T: 'float32', type: half })
  return pairs && g.node('Cast', [pairs], { SrcT: half, DstT: 'float32' })
}
