/** One pass over a data set for examples: what it is of, and how far it has come. F latents */
import { tokenLabel } from '../../lib/core/labels.js'
import type { DataPosition, TokenBatch } from '../../lib/data/token-data.js'
import type { HookedModel } from '../../lib/model.js'
import type { LatentSource } from '../latent-source.js'
import { attributeSources } from './attribute-sources.js'
import type { CheckpointFile, CheckpointSettings } from './checkpoint.js'
import { KeptRows } from './kept-rows.js'
import { MaxActivating, type MaxActivatingExample } from './max-activating-result.js'
import { takeBatch, type Search, type Selection } from './take-batch.js'
import { TopExamples } from './top-examples.js'

/** What is searched for, and where the state is kept. */
export interface SearchPlan {
  readonly selection: Selection
  readonly settings: CheckpointSettings
  readonly file: CheckpointFile | undefined
}

export class SearchJob {
  readonly #view: HookedModel
  readonly #search: Search
  readonly #settings: CheckpointSettings
  readonly #file: CheckpointFile | undefined
  /** Where sources are attributed: the rows of the examples. */
  readonly #kept: KeptRows | undefined
  #rows = 0
  #tokens = 0
  #next: DataPosition | undefined

  constructor(view: HookedModel, source: LatentSource, { selection, settings, file }: SearchPlan) {
    this.#view = view
    this.#settings = settings
    this.#file = file
    const { k, buffer } = selection
    const floor = source.point === 'hook_sae_acts_post' ? 0 : -Infinity
    const top = new TopExamples({ count: source.latents.length, k, window: 2 * buffer + 1, floor })
    this.#search = { source, selection, top }
    this.#kept = settings.dfa ? new KeptRows() : undefined
  }

  /** Rows seen. */
  get rows(): number {
    return this.#rows
  }

  /** Where the data continues. */
  get next(): DataPosition | undefined {
    return this.#next
  }

  /** Takes up what the checkpoint has. @throws FileError, MismatchError */
  async resume(): Promise<void> {
    const state = await this.#file?.read()
    if (!state) return
    this.#search.top.restore(state.top)
    this.#kept?.restore(state.kept ?? [])
    ;[this.#rows, this.#tokens, this.#next] = [state.rows, state.tokens, state.next ?? undefined]
  }

  async add(batch: TokenBatch): Promise<void> {
    const tokens = this.#view.toTokens(batch.tokens)
    const numbered = { tokens, firstRow: batch.firstRow }
    const taken = await takeBatch(this.#search, numbered)
    this.#kept?.add(numbered, taken, this.#search.top)
    this.#rows += tokens.batch
    this.#tokens += tokens.mask
      ? tokens.mask.flat().reduce((sum, real) => sum + real, 0)
      : tokens.batch * tokens.positions
    this.#next = batch.next
  }

  async save(): Promise<void> {
    await this.#file?.write(this.#state())
  }

  async saveSometimes(): Promise<void> {
    await this.#file?.writeSometimes(() => this.#state())
  }

  async result(): Promise<MaxActivating> {
    const { sae, latents } = this.#search.source
    const examples = latents.map((latent, f) => this.#examplesOf(latent, f))
    const provenance = await this.#view.provenance()
    const kept = this.#kept
    const all = kept ? await attributeSources(this.#view, { sae, kept, examples }) : examples
    const { hook, point, k, buffer, noOverlap, data } = this.#settings
    const [rows, tokens] = [this.#rows, this.#tokens]
    const about = { sae: sae.label, hook, point, k, buffer, noOverlap, data, rows, tokens, latents }
    return new MaxActivating(about, all, provenance)
  }

  #examplesOf(latent: number, f: number): MaxActivatingExample[] {
    const { buffer } = this.#settings
    const text = (id: number) => tokenLabel(this.#view.tokenizer, id)
    return this.#search.top.of(f).map(({ value, row, position, tokens, activations }) => {
      const ids = [...tokens]
      return {
        latent,
        activation: value,
        row,
        position,
        start: position - buffer,
        ids,
        tokens: ids.map(text),
        activations: [...activations],
      }
    })
  }

  #state() {
    const { top } = this.#search
    return { rows: this.#rows, tokens: this.#tokens, next: this.#next ?? null, top, kept: this.#kept }
  }
}
