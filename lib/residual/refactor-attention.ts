/**
 * Heads rewritten so that their factored matrices are singular value decompositions, as TransformerLens's
 * refactor_factored_attn_matrices: the attention scores and what heads write stay, queries, keys and values turn.
 * Axes: D d_model · H heads · K d_head
 */
import * as tf from '@tensorflow/tfjs'
import { Matrix } from 'ml-matrix'
import { FactoredMatrix } from './factored-matrix.js'
import type { NamedTensors } from '../weights/named-tensors.js'
import type { AttentionSizes } from '../weights/packed.js'

/**
 * For each head [W_Q; b_Q] · [W_K; b_K]ᵀ = U S Vᵀ gives W_Q = U √S and W_K = V √S (with their biases), and
 * W_V · W_O = U S Vᵀ gives W_V = U S and W_O = Vᵀ. Value biases must have been folded: they are 0. Not for rotary
 * positions, which act on the dimensions that are turned, nor for heads that share keys. Consumes the tensors it replaces.
 */
export async function refactorAttention(weights: NamedTensors, nLayers: number, sizes: AttentionSizes): Promise<void> {
  for (let l = 0; l < nLayers; l++) await refactorLayer(weights, `blocks.${l}.attn`, sizes)
}

async function refactorLayer(
  weights: NamedTensors,
  attn: string,
  { nHeads, dHead, dModel }: AttentionSizes,
): Promise<void> {
  const width = nHeads * dHead
  const read = (name: string) => readMatrix(weights.get(`${attn}.${name}`)!)
  const [W, b, O] = [await read('W_QKV'), await read('b_QKV'), await read('W_O')]
  const rows = Matrix.zeros(dModel + 1, 3 * width) // the biases as one more input, which is always 1
  rows.setSubMatrix(W, 0, 0)
  rows.setSubMatrix(b, dModel, 0)
  for (let h = 0; h < nHeads; h++) {
    const columns = (part: number): [number, number] => [part * width + h * dHead, part * width + (h + 1) * dHead - 1]
    const of = (part: number, last: number) => rows.subMatrix(0, last, ...columns(part))
    const qk = new FactoredMatrix(of(0, dModel), of(1, dModel).transpose()).svd()
    const roots = Matrix.diag(qk.S.map(Math.sqrt))
    rows.setSubMatrix(qk.U.mmul(roots), 0, columns(0)[0])
    rows.setSubMatrix(qk.V.mmul(roots), 0, columns(1)[0])
    const ov = new FactoredMatrix(of(2, dModel - 1), O.subMatrix(h * dHead, (h + 1) * dHead - 1, 0, dModel - 1)).svd()
    rows.setSubMatrix(ov.U.mmul(Matrix.diag([...ov.S])), 0, columns(2)[0])
    O.setSubMatrix(ov.V.transpose(), h * dHead, 0)
  }
  replace(weights, `${attn}.W_QKV`, rows.subMatrix(0, dModel - 1, 0, 3 * width - 1), [dModel, 3 * width])
  replace(weights, `${attn}.b_QKV`, rows.subMatrix(dModel, dModel, 0, 3 * width - 1), [3 * width])
  replace(weights, `${attn}.W_O`, O, [width, dModel])
}

async function readMatrix(tensor: tf.Tensor): Promise<Matrix> {
  const [rows, columns] = tensor.rank === 1 ? [1, tensor.size] : (tensor.shape as [number, number])
  return Matrix.from1DArray(rows, columns, Array.from(await tensor.data()))
}

function replace(weights: NamedTensors, name: string, matrix: Matrix, shape: number[]): void {
  weights.get(name)!.dispose()
  weights.set(name, tf.tensor(Float32Array.from(matrix.to1DArray()), shape))
}
