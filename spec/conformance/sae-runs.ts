/** The model and the SAEs of an SAE record, and single passes through an SAE. */
import path from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { loadModel } from '../../models/load-model.js'
import { foldActivationNorm, foldWDecNorm, type Sae } from '../../saes/index.js'
import { loadSae } from '../../saes/load-sae.js'
import { Recorder } from '../../lib/core/recorder.js'
import { ActivationCache } from '../../lib/residual/activation-cache.js'
import { makeAt, noTaps } from '../../lib/core/hooks.js'
import type { HookedModel } from '../../lib/model.js'
import { Tokens } from '../../lib/tokens/tokens.js'
import { notYet } from './check.js'
import type { Tolerance } from './compare.js'
import { rowsOf } from './model-runs.js'
import type { RecordFolder } from './record.js'
import { Shared } from './shared.js'

/** What is recorded of one SAE. */
export interface SaeEntry {
  readonly files: readonly string[]
  readonly loader: string
  readonly settings: Readonly<Record<string, unknown>>
  readonly hooks?: readonly string[]
  readonly hooks_with_error_term?: readonly string[]
  readonly mean_l0?: number
  /** The library and version whose numbers these are. */
  readonly expected_by?: string
}

/** What is read of the record's JSON. */
export interface SaeExpected {
  readonly tolerances: Readonly<Record<string, Partial<Tolerance>>>
  readonly model: {
    readonly folder: string
    readonly processing?: Readonly<Record<string, boolean>>
    readonly tokenizer_samples?: readonly { readonly text: string; readonly tokens: readonly number[] }[]
  }
  readonly saes?: Readonly<Record<string, SaeEntry>>
}

/** A pass through an SAE on its own: what its hook points saw. */
export type Pass = ActivationCache

/** What the caller of `loadSae` must say: some layouts hold weights alone. */
export function factsOf(loader: string, settings: SaeEntry['settings']): { hookName?: string } {
  return /npz|of four tensors/.test(loader) ? { hookName: String(settings['hook_name']) } : {}
}

export class SaeRuns {
  readonly record: RecordFolder
  readonly expected: SaeExpected
  readonly shared = new Shared()

  constructor(record: RecordFolder) {
    this.record = record
    this.expected = record.expected as unknown as SaeExpected
  }

  /** The entry of the longest matching prefix of a name, else the default. */
  tolerance(name: string): Tolerance {
    const { tolerances } = this.expected
    const prefixes = Object.keys(tolerances).filter((prefix) => name.startsWith(prefix))
    const longest = prefixes.sort((a, b) => b.length - a.length)[0] ?? 'default'
    const { atol = 0, rtol = 0 } = tolerances[longest] ?? {}
    return { atol, rtol }
  }

  model(): Promise<HookedModel> {
    const { folder, processing = {} } = this.expected.model
    const process = {
      foldLn: processing['fold_ln'] ?? true,
      centerWritingWeights: processing['center_writing_weights'] ?? true,
      centerUnembed: processing['center_unembed'] ?? true,
      foldValueBiases: processing['fold_value_biases'] ?? true,
    }
    return this.shared.once('model', () => loadModel(path.join(this.record.path, folder), { process }))
  }

  async tokens(name: string): Promise<Tokens> {
    return new Tokens(rowsOf(await this.record.read(name)))
  }

  /** Activations of the plain model on `model/tokens`, which the SAEs are given. */
  cache(): Promise<ActivationCache> {
    return this.shared.once('cache', async () => (await this.model()).runWithCache(await this.tokens('model/tokens')))
  }

  /** An SAE as the record says it is loaded. */
  sae(id: string): Promise<Sae> {
    return this.shared.once(`sae ${id}`, async () => {
      const { files, loader, settings } = this.expected.saes?.[id] ?? notYet(`the SAE '${id}', which is not described`)
      const sae = await loadSae(path.join(this.record.path, files[0]!), factsOf(loader, settings))
      if (!loader.includes('fold_activation_norm_scaling_factor')) return sae
      const folded = foldActivationNorm(sae, Number(settings['norm_scaling_factor']))
      sae.dispose()
      return folded
    })
  }
  folded(id: string): Promise<Sae> {
    return this.shared.once(`folded ${id}`, async () => foldWDecNorm(await this.sae(id)))
  }

  /** A recorded tensor as one of tfjs's; the caller owns it. */
  async read(name: string): Promise<tf.Tensor> {
    const { values, shape } = await this.record.read(name)
    return tf.tensor(values, [...shape])
  }

  /** The SAE alone on its recorded input. */
  pass(id: string, errorTerm: boolean): Promise<Pass> {
    return this.shared.once(`pass ${id} ${errorTerm}`, async () => {
      const sae = await this.sae(id)
      const input = await this.read(`sae/${id}/input`)
      const splice = sae.splice({ errorTerm })
      const recorder = new Recorder(
        splice.points.map((p) => p.name),
        splice.points,
      )
      const output = tf.tidy(() => splice.apply(input, makeAt({ ...noTaps, observers: [recorder] })))
      input.dispose()
      const tokens = await this.tokens('model/tokens')
      return new ActivationCache(await this.model(), { tensors: recorder.kept, tokens, output })
    })
  }

  /** Gradients of sum(output · cotangent) at the SAE's input and latents, without error term. */
  gradients(id: string): Promise<{ input: tf.Tensor; acts: tf.Tensor; dispose(): void }> {
    return this.shared.once(`gradients ${id}`, async () => {
      const splice = (await this.sae(id)).splice({})
      const acts = (await this.pass(id, false)).get('hook_sae_acts_post')
      const [x, cotangent] = [await this.read(`sae/${id}/input`), await this.read(`sae/${id}/cotangent`)]
      const weighted = (input: tf.Tensor, change: tf.Tensor) => {
        const hooks = new Map([['hook_sae_acts_post', [(a: tf.Tensor) => a.add(change)]]])
        return splice
          .apply(input, makeAt({ ...noTaps, hooks }))
          .mul(cotangent)
          .sum() as tf.Scalar
      }
      const [atInput, atActs] = tf.tidy(() => tf.grads(weighted)([x, tf.zerosLike(acts)]))
      tf.dispose([x, cotangent])
      return { input: atInput!, acts: atActs!, dispose: () => tf.dispose([atInput!, atActs!]) }
    })
  }

  async dispose(): Promise<void> {
    await this.shared.dispose()
    await this.record.close()
  }
}
