/** The `fm/` tensors of a model record: heads as factored matrices, and how they compose. */
import * as tf from '@tensorflow/tfjs'
import { compositionScores, copyingScore, ovCircuit, qkCircuit } from '../../lib/residual/circuits.js'
import type { FactoredMatrix } from '../../lib/residual/factored-matrix.js'
import type { HookedModel } from '../../lib/model.js'
import type { Routes } from './check.js'
import type { ModelRuns } from './model-runs.js'

type Circuit = typeof ovCircuit

export function circuitRoutes(runs: ModelRuns): Routes {
  const each = async (circuit: Circuit, numbers: (m: FactoredMatrix) => number | number[]) =>
    forEachHead(await runs.processed(), circuit, numbers)
  const block = () => Number(runs.record.expected['weights_block'])
  const product = async (circuit: Circuit) => {
    const matrix = await circuit(await runs.processed(), block(), 0)
    return tf.tensor2d(matrix.AB.to2DArray())
  }
  return [
    [/^fm\/OV_singular_values$/, () => each(ovCircuit, (m) => [...m.svd().S])],
    [/^fm\/QK_singular_values$/, () => each(qkCircuit, (m) => [...m.svd().S])],
    [/^fm\/OV_norm$/, () => each(ovCircuit, (m) => m.norm())],
    [/^fm\/OV_AB$/, () => product(ovCircuit)],
    [/^fm\/QK_AB$/, () => product(qkCircuit)],
    [/^fm\/OV_eigenvalues_re$/, () => each(ovCircuit, (m) => m.eigenvalues().map(({ re }) => re))],
    [/^fm\/OV_eigenvalues_im$/, () => each(ovCircuit, (m) => m.eigenvalues().map(({ im }) => im))],
    [/^fm\/OV_copying_score$/, () => each(ovCircuit, copyingScore)],
    [/^fm\/full_OV_circuit_corner$/, () => fullCircuitCorner(runs, block())],
    [/^fm\/composition_([QKV])$/, async (mode) => composition(await runs.processed(), mode as 'Q' | 'K' | 'V')],
  ]
}

/** [L,H] or [L,H,numbers]. */
async function forEachHead(
  model: HookedModel,
  circuit: Circuit,
  numbers: (m: FactoredMatrix) => number | number[],
): Promise<tf.Tensor> {
  const { nLayers, nHeads } = model.config
  const heads: (number | number[])[][] = []
  for (let l = 0; l < nLayers; l++) {
    const layer: (number | number[])[] = []
    for (let h = 0; h < nHeads; h++) layer.push(numbers(await circuit(model, l, h)))
    heads.push(layer)
  }
  return tf.tensor(heads as number[][])
}

/** (W_E · W_V · W_O · W_U) for the first tokens. */
async function fullCircuitCorner(runs: ModelRuns, layer: number): Promise<tf.Tensor> {
  const model = await runs.processed()
  const [rows, columns] = runs.record.entry('fm/full_OV_circuit_corner').shape as [number, number]
  const ov = await ovCircuit(model, layer, 0)
  return tf.tidy(() => {
    const embedded = model.copyWeight('embed.W_E').slice([0, 0], [rows, -1])
    const unembed = model.copyWeight('unembed.W_U').slice([0, 0], [-1, columns])
    return tf.matMul(tf.matMul(embedded as tf.Tensor2D, tf.tensor2d(ov.AB.to2DArray())), unembed as tf.Tensor2D)
  })
}

async function composition(model: HookedModel, mode: 'Q' | 'K' | 'V'): Promise<tf.Tensor> {
  const { nLayers, nHeads } = model.config
  return tf.tensor((await compositionScores(model, mode)).values, [nLayers, nHeads, nLayers, nHeads])
}
