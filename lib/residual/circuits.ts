/**
 * Heads as matrices: what a head moves (OV) and what it looks for (QK), and how heads compose. Elhage et al. 2021, A
 * Mathematical Framework for Transformer Circuits. Axes: L layers · H heads · D d_model · K d_head
 */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../errors/errors.js'
import { FactoredMatrix, leftReduced, type Dense } from './factored-matrix.js'
import type { HookedView } from '../core/hooked-view.js'
import { Result } from '../report/result/result.js'

/** A model with heads. */
type ModelWithHeads = Pick<HookedView, 'name' | 'config' | 'copyWeight' | 'provenance'>

/**
 * W_V · W_O of a head, [D,D] of rank K: what it writes for what it attends to.
 *
 * @example copyingScore(await ovCircuit(model, 9, 6))
 * @throws ArgumentError where there is no such head
 */
export async function ovCircuit(model: ModelWithHeads, layer: number, head: number): Promise<FactoredMatrix> {
  const read = headReader(model, layer, head)
  return new FactoredMatrix(await read('W_V'), await read('W_O'))
}

/**
 * W_Q · W_Kᵀ of a head, [D,D] of rank K: which sources a destination attends to.
 *
 * @example (await qkCircuit(model, 9, 6)).svd().S
 * @throws ArgumentError where there is no such head
 */
export async function qkCircuit(model: ModelWithHeads, layer: number, head: number): Promise<FactoredMatrix> {
  const read = headReader(model, layer, head)
  return new FactoredMatrix(await read('W_Q'), transposed(await read('W_K')))
}

/** Sum of the OV circuit's eigenvalues over the sum of their absolute values: 1 for a head that copies. */
export function copyingScore(ov: FactoredMatrix): number {
  const eigenvalues = ov.eigenvalues()
  const total = eigenvalues.reduce((sum, { re, im }) => sum + Math.hypot(re, im), 0)
  return total === 0 ? 0 : eigenvalues.reduce((sum, { re }) => sum + re, 0) / total
}

/**
 * How much of what an earlier head writes a later head's query (`Q`), key (`K`) or value (`V`) reads:
 * ‖OV₁ · M₂‖ / (‖OV₁‖ ‖M₂‖) with M₂ = QK₂, QK₂ᵀ or OV₂; 0 unless the second head lies in a later layer.
 * Axes [writer, reader], labels `L0H0`.
 */
export async function compositionScores(model: ModelWithHeads, mode: 'Q' | 'K' | 'V'): Promise<Result> {
  const { nLayers, nHeads } = model.config
  const heads = Array.from({ length: nLayers * nHeads }, (_, i) => [Math.floor(i / nHeads), i % nHeads] as const)
  const writers = await Promise.all(heads.map(([l, h]) => ovCircuit(model, l, h)))
  const readers = await Promise.all(heads.map(([l, h]) => readerCircuit(model, mode, l, h)))
  const norms = await compositionNorms(writers, readers)
  const [writerNorms, readerNorms] = [writers.map((m) => m.norm()), readers.map((m) => m.norm())]
  const count = heads.length
  const values = norms.map((norm, i) => {
    const [w, r] = [Math.floor(i / count), i % count]
    const later = heads[w]![0] < heads[r]![0]
    return later ? norm / writerNorms[w]! / readerNorms[r]! : 0
  })
  const labels = heads.map(([l, h]) => `L${l}H${h}`)
  return new Result({
    kind: 'composition scores',
    title: `${mode} composition`,
    unit: '',
    values,
    axes: [
      { name: 'writer', labels },
      { name: 'reader', labels },
    ],
    provenance: await model.provenance(),
  })
}

async function readerCircuit(
  model: ModelWithHeads,
  mode: 'Q' | 'K' | 'V',
  layer: number,
  head: number,
): Promise<FactoredMatrix> {
  if (mode === 'Q') return qkCircuit(model, layer, head)
  if (mode === 'K') return (await qkCircuit(model, layer, head)).transpose
  if (mode === 'V') return ovCircuit(model, layer, head)
  throw new ArgumentError(`compositionScores: the mode is '${String(mode)}'. It must be 'Q', 'K' or 'V'.`)
}

/**
 * ‖A₁B₁A₂B₂‖ for all pairs at once: with A₁ = Q₁R₁ and B₂ᵀ = Q₂R₂ it is the norm of (R₁B₁)(A₂R₂ᵀ), [K,D] by [D,K], so
 * that one product of all writers' rows with all readers' columns holds every pair as a block.
 */
async function compositionNorms(
  writers: readonly FactoredMatrix[],
  readers: readonly FactoredMatrix[],
): Promise<Float32Array> {
  const count = writers.length
  const rows = writers.map((m) => leftReduced(m.A).mmul(m.B))
  const columns = readers.map((m) => m.A.mmul(leftReduced(m.B.transpose()).transpose()))
  const [inner, width] = [rows[0]!.rows, rows[0]!.columns]
  const norms = new Float32Array(count * count)
  const readersTensor = tf.tidy(() =>
    tf.concat(
      columns.map((m) => tf.tensor2d(m.to2DArray())),
      1,
    ),
  ) // [D, count·K]
  for (const [w, block] of rows.entries()) {
    // one writer at a time: all at once would take (count · K)² numbers
    const squares = tf.tidy(() => {
      const product = tf.matMul(tf.tensor2d(block.to1DArray(), [inner, width]), readersTensor)
      return product.square().sum(0).reshape([count, inner]).sum(1).sqrt()
    })
    norms.set(await squares.data(), w * count)
    squares.dispose()
  }
  readersTensor.dispose()
  return norms
}

/** Reads one head's part of W_Q, W_K, W_V [D,K] or W_O [K,D]. @throws ArgumentError where there is no such head */
function headReader(
  model: ModelWithHeads,
  layer: number,
  head: number,
): (name: 'W_Q' | 'W_K' | 'W_V' | 'W_O') => Promise<Dense> {
  const { nLayers, nHeads } = model.config
  const within = (value: number, count: number) => Number.isInteger(value) && value >= 0 && value < count
  if (!within(layer, nLayers) || !within(head, nHeads)) {
    throw new ArgumentError(
      `circuit: there is no head [${layer}, ${head}] in ${model.name}. ` +
        `It has layers 0 to ${nLayers - 1} with heads 0 to ${nHeads - 1}.`,
    )
  }
  return async (name) => {
    const weight = tf.tidy(() =>
      model.copyWeight(`blocks.${layer}.attn.${name}`).slice([head, 0, 0], [1, -1, -1]).squeeze<tf.Tensor2D>([0]),
    )
    const [rows, columns] = weight.shape
    const values = await weight.data()
    weight.dispose()
    return { rows, columns, values }
  }
}

function transposed({ rows, columns, values }: Dense): Dense {
  const turned = Float32Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!)
  return { rows: columns, columns: rows, values: turned }
}
