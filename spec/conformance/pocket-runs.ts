/** The model, SAEs and caches of an embedded model's record, and the logit difference everything is measured by. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type * as tf from '@tensorflow/tfjs'
import { loadModel } from '../../models/load-model.js'
import { loadSae } from '../../saes/load-sae.js'
import type { Sae } from '../../saes/index.js'
import type { ActivationCache } from '../../lib/residual/activation-cache.js'
import type { HookedModel } from '../../lib/model.js'
import { Tokens } from '../../lib/tokens/tokens.js'
import { logitDifference, underEach, type AnswerIds, type HookSet } from './each.js'
import { rowsOf } from './model-runs.js'
import type { RecordFolder } from './record.js'
import { Shared } from './shared.js'

/** What is read of the record's JSON. */
export interface PocketExpected {
  readonly prompts: readonly Readonly<Record<'clean' | 'corrupt' | 'answer' | 'wrong', string>>[]
  readonly dla_labels: readonly string[]
  readonly logit_diff_mean?: number
  readonly saes?: Readonly<Record<string, { readonly hook: string; readonly latents: readonly number[] }>>
}

export class PocketRuns {
  readonly expected: PocketExpected
  readonly #record: RecordFolder
  readonly #shared = new Shared()

  constructor(record: RecordFolder) {
    this.#record = record
    this.expected = record.expected as unknown as PocketExpected
  }

  model(): Promise<HookedModel> {
    return this.#shared.once('model', () => loadModel(path.join(this.#record.path, 'model')))
  }
  sae(id: string): Promise<Sae> {
    return this.#shared.once(`sae ${id}`, () => {
      const folder = path.join(this.#record.path, 'saes', id)
      // without a config the record alone says what the SAE reads
      const hookName = existsSync(path.join(folder, 'cfg.json')) ? undefined : this.expected.saes?.[id]?.hook
      return loadSae(folder, { hookName })
    })
  }
  async withSae(id: string, errorTerm: boolean): Promise<HookedModel> {
    return (await this.model()).withSaes(await this.sae(id), { errorTerm })
  }

  async tokens(name: 'tokens' | 'corrupt_tokens'): Promise<Tokens> {
    return new Tokens(rowsOf(await this.#record.read(name)))
  }
  cache(name: 'tokens' | 'corrupt_tokens'): Promise<ActivationCache> {
    return this.#shared.once(name, async () => (await this.model()).runWithCache(await this.tokens(name)))
  }

  async answers(): Promise<AnswerIds> {
    const ids = async (name: string) => [...(await this.#record.read(name)).values]
    return { answer: await ids('answer'), wrong: await ids('wrong') }
  }

  /** Answer minus wrong at the last position, [B]. The caller owns it. */
  async logitDifference(view: HookedModel, tokens: 'tokens' | 'corrupt_tokens' = 'tokens'): Promise<tf.Tensor> {
    return logitDifference(view, await this.tokens(tokens), await this.answers())
  }

  /** The same under each set of hooks, [sets,B]. */
  async underEach(view: HookedModel, sets: readonly HookSet[]): Promise<tf.Tensor> {
    return underEach(view, await this.tokens('tokens'), await this.answers(), sets)
  }

  async dispose(): Promise<void> {
    await this.#shared.dispose()
    await this.#record.close()
  }
}
