/** What the jobs work on: a folder as spec/bench/make_models.py writes it. Models and SAEs are loaded at first use. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadModel } from '../../models/load-model.js'
import { loadSae } from '../../saes/load-sae.js'
import type { Sae } from '../../saes/index.js'
import { FileError } from '../../lib/errors/errors.js'
import { logitDiff, type Metric } from '../../lib/core/metrics.js'
import type { HookedModel } from '../../lib/model.js'
import { parseJson } from '../../lib/files/json-file.js'

export type SaeFolder = 'gpt2-small-sae' | 'gpt2-small-sae-z'

export class Material {
  readonly #folder: string
  readonly #inputs: Readonly<Record<string, unknown>>
  #model: Promise<HookedModel> | undefined
  readonly #saes = new Map<SaeFolder, Promise<Sae>>()

  private constructor(folder: string, inputs: Readonly<Record<string, unknown>>) {
    this.#folder = folder
    this.#inputs = inputs
  }

  static async open(folder: string): Promise<Material> {
    const path = join(folder, 'inputs.json')
    return new Material(folder, parseJson(await readFile(path, 'utf8'), `bench: ${path}`) as Record<string, unknown>)
  }

  /** d_model of the model. */
  async width(): Promise<number> {
    const path = join(this.#folder, 'gpt2-small', 'config.json')
    return (parseJson(await readFile(path, 'utf8'), `bench: ${path}`) as { n_embd: number }).n_embd
  }

  /** The model with all processing on, kept. */
  model(): Promise<HookedModel> {
    return (this.#model ??= this.loadModel())
  }
  sae(name: SaeFolder): Promise<Sae> {
    const kept = this.#saes.get(name) ?? this.loadSae(name)
    this.#saes.set(name, kept)
    return kept
  }

  loadModel(): Promise<HookedModel> {
    return loadModel(join(this.#folder, 'gpt2-small'))
  }
  loadSae(name: SaeFolder): Promise<Sae> {
    return loadSae(join(this.#folder, name))
  }

  /** Rows of ids, such as `tokens_8x64`. @throws FileError when inputs.json has none of this name. */
  ids(name: string): number[][] {
    const rows = this.#inputs[name]
    if (Array.isArray(rows) && rows.every((row) => Array.isArray(row) && row.every(Number.isInteger))) return rows
    throw new FileError(
      `bench: inputs.json has no rows of ids '${name}'. Make the folder with spec/bench/make_models.py.`,
    )
  }

  /** logit[answer] − logit[wrong] at the last position of each row. */
  logitDiff(name: string): Metric {
    const answers = this.ids(name)
    return logitDiff(
      answers.map(([answer]) => answer!),
      answers.map(([, wrong]) => wrong!),
    )
  }

  get ablation(): { readonly pos: number; readonly latents: readonly number[] } {
    const ablation = this.#inputs['ablation'] as { pos: number; latents: number[] } | undefined
    if (ablation && Number.isInteger(ablation.pos) && Array.isArray(ablation.latents)) return ablation
    throw new FileError("bench: inputs.json has no 'ablation'. Make the folder with spec/bench/make_models.py.")
  }

  /** Latents that have examples in the corpus. */
  get latents(): readonly number[] {
    const latents = this.#inputs['latents_32']
    if (Array.isArray(latents) && latents.length >= 4 && latents.every(Number.isInteger)) return latents as number[]
    throw new FileError("bench: inputs.json has no 'latents_32'. Make the folder with spec/bench/make_models.py.")
  }

  /** Token ids by the set's name. */
  get tokenSets(): Readonly<Record<string, readonly number[]>> {
    const sets = this.#inputs['token_sets'] as Record<string, number[]> | undefined
    if (sets && Object.values(sets).every((ids) => Array.isArray(ids) && ids.every(Number.isInteger))) return sets
    throw new FileError("bench: inputs.json has no 'token_sets'. Make the folder with spec/bench/make_models.py.")
  }
}
