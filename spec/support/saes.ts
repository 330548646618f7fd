/** SAEs for specs: embedded ones made ready, random ones, and a plain float64 standard SAE to hold them to. */
import * as tf from '@tensorflow/tfjs'
import type { HookedModel } from '../../lib/model.js'
import type { HostTensor } from '../../lib/weights/read-tensor.js'
import type { OpenSae } from '../../saes/formats/sae-files.js'
import { take } from '../../saes/formats/stored-tensors.js'
import { loadSae } from '../../saes/load-sae.js'
import { StandardSae, type Sae, type SaeConfig } from '../../saes/index.js'
import { seededRandom } from './weight-files.js'

/** An embedded SAE by `release/id`. */
export async function embeddedSae(name: string): Promise<Sae> {
  const [release, id] = [name.slice(0, name.indexOf('/')), name.slice(name.indexOf('/') + 1)]
  return loadSae(release, id)
}

/** What an SAE's files hold, as plain data. */
export interface ReadSae extends Pick<OpenSae, 'config' | 'logSparsity'> {
  readonly tensors: ReadonlyMap<string, HostTensor>
}

/** Takes all tensors of an SAE's opened files, and closes them. */
export async function readToEnd(opening: Promise<OpenSae>): Promise<ReadSae> {
  const { tensors, close, ...facts } = await opening
  const read = new Map<string, HostTensor>()
  try {
    for (const [name, stored] of tensors) {
      const tensor = await take(stored, name)
      read.set(name, { shape: stored.shape, values: (await tensor.data()) as HostTensor['values'] })
      tensor.dispose()
    }
    return { ...facts, tensors: read }
  } finally {
    await close()
  }
}

/** Makes the transposes that an SAE keeps from its first backward pass on, so that no test has them as a leak. */
export function warmUp(model: HookedModel, ...saes: readonly Sae[]): void {
  for (const sae of saes) {
    const view = model.withSaes(sae, { force: true })
    view.runWithGradients([[0, 1]], { metric: (logits) => logits.sum(), names: sae.hookName }).dispose()
  }
}

/** The config of a standard SAE of 8 numbers and 12 latents, with what is given in place of the defaults. */
export function smallConfig(fields: Partial<SaeConfig> = {}): SaeConfig {
  return {
    architecture: 'standard',
    dIn: 8,
    dSae: 12,
    hookName: 'blocks.1.hook_resid_pre',
    applyBDecToInput: true,
    normalization: 'none',
    flattenHeads: false,
    hasScalingFactor: false,
    processing: {},
    ...fields,
  }
}

/** A standard SAE with weights drawn from a seed, of size 1 / √d_in. */
export function randomSae(fields: Partial<SaeConfig> = {}, seed = 1): StandardSae {
  const sae = new StandardSae({ config: smallConfig(fields) })
  const weights = Object.fromEntries(
    Object.entries(sae.weightShapes()).map(([name, shape], i) => [name, randomTensor(shape, seed + 17 * i)]),
  )
  sae.load(weights)
  tf.dispose(weights)
  return sae
}

/** Numbers between ±2 / √(the first axis' length), from a seed. */
export function randomTensor(shape: number[], seed: number): tf.Tensor {
  const next = seededRandom(seed)
  const size = shape.reduce((product, n) => product * n, 1)
  const scale = 4 / Math.sqrt(shape[0]!)
  return tf.tensor(
    Float32Array.from({ length: size }, () => scale * (next() - 0.5)),
    shape,
  )
}

/** Rows of a tensor over its last axis, as float64. */
export function rowsOf(x: tf.Tensor): number[][] {
  const width = x.shape.at(-1)!
  const values = Array.from(x.dataSync())
  return Array.from({ length: values.length / width }, (_, i) => values.slice(i * width, (i + 1) * width))
}

/** row · matrix in float64: [in] × [in,out] → [out]. */
export function times(row: readonly number[], matrix: readonly (readonly number[])[]): number[] {
  return matrix[0]!.map((_, o) => row.reduce((sum, value, i) => sum + value * matrix[i]![o]!, 0))
}

/** Rows become columns. */
export function transposed(matrix: readonly (readonly number[])[]): number[][] {
  return matrix[0]!.map((_, o) => matrix.map((row) => row[o]!))
}

export interface PlainPass {
  readonly pre: number[]
  readonly acts: number[]
  readonly recons: number[]
}

/** The standard SAE without normalization, written out in float64, for one input of d_in numbers. */
export function plainPass(sae: Sae, x: readonly number[]): PlainPass {
  const [bDec] = rowsOf(sae.b_dec)
  const [bEnc] = rowsOf(sae.weight('b_enc'))
  const centred = sae.config.applyBDecToInput ? x.map((value, i) => value - bDec![i]!) : x
  const pre = times(centred, rowsOf(sae.W_enc)).map((value, s) => value + bEnc![s]!)
  const acts = pre.map((value) => Math.max(0, value))
  const scaling = sae.config.hasScalingFactor ? rowsOf(sae.weight('scaling_factor'))[0]! : acts.map(() => 1)
  const scaled = acts.map((value, s) => value * scaling[s]!)
  return { pre, acts, recons: times(scaled, rowsOf(sae.W_dec)).map((value, i) => value + bDec![i]!) }
}
