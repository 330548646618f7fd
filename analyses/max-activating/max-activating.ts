/**
 * The examples that activate latents most, for many latents in one pass over a data set, in memory that grows with
 * latents · k and not with the data. B rows · P positions · F latents
 */
import { keeps, specialIds, type Exclude } from '../../lib/data/excluded.js'
import type { DataPosition, TokenBatch, TokenData } from '../../lib/data/token-data.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import type { HookName } from '../../lib/core/hooks.js'
import type { HookedModel } from '../../lib/model.js'
import { progress } from '../../lib/report/terminal/progress.js'
import { checkCounts } from '../../lib/stats/k-largest.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { checkDfa } from '../source-scores.js'
import { tokenLabel } from '../../lib/core/labels.js'
import { takeBatch, type Selection } from './batch.js'
import { CheckpointFile, type CheckpointSettings } from './checkpoint.js'
import { attributeSources } from './dfa.js'
import { latentsOf, type LatentPoint, type LatentSource } from '../latent-source.js'
import { MaxActivating, type Example } from './max-activating-result.js'
import { KeptRows } from './rows.js'
import { TopExamples } from './top-examples.js'

export interface MaxActivatingOptions {
  /** @default all latents of the SAE */
  readonly latents?: readonly number[]
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
  /** Examples of each latent. @default 10 */
  readonly k?: number
  /** Tokens shown before and after each example; so many at both ends of a row are no examples. @default 10 */
  readonly buffer?: number
  /** Never two examples of a latent from one row within `buffer` tokens of each other. @default true */
  readonly noOverlap?: boolean
  /**
   * What is compared. Of `hook_sae_acts_post` only activations above 0 count; pre-activations may be negative.
   * @default 'hook_sae_acts_post'
   */
  readonly point?: LatentPoint
  /** Tokens that are no examples themselves, such as BOS. @default 'none' */
  readonly exclude?: Exclude
  /** For SAEs of `attn.hook_z`: attribute each example to its source tokens, as `featureDfa`. @default false */
  readonly dfa?: boolean
  /** Stop after so many rows, at the end of a batch. @default all */
  readonly limit?: number
  /**
   * A JSON file: the state is written there every half minute, when the job is aborted and at its end, and the job
   * goes on from it when it exists.
   */
  readonly checkpoint?: string
  /** Stops the job at the end of a batch; the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal
  /** Called after each batch; the default shows a bar on stderr where `limit` is given. */
  readonly onProgress?: (rows: number, total: number | undefined) => void
}

/**
 * The k largest activations of each latent over the data, and the text around them. They are those of
 * `kLargestIndices` over all rows at once, the earlier of equals first. The model runs up to the SAE's hook point only,
 * and only the latents asked for are encoded.
 *
 * `await maxActivating(model.withSaes(sae), data, { latents: [3, 14], k: 10, buffer: 10 })`
 * @throws ArgumentError, HookError, MismatchError before any run; FileError for a checkpoint that cannot be used;
 *   ArgumentError for rows that the buffer leaves nothing of
 */
export async function maxActivating(
  view: HookedModel,
  data: TokenData,
  options: MaxActivatingOptions = {},
): Promise<MaxActivating> {
  const job = await Job.start(view, data, options)
  const report = options.onProgress ?? barOf('max-activating rows', options.limit)
  const stopAt = options.limit ?? Infinity
  if (job.rows < stopAt) {
    for await (const batch of data.batches(job.next)) {
      await job.add(batch)
      report(job.rows, options.limit)
      if (options.signal?.aborted) await job.save()
      options.signal?.throwIfAborted()
      await job.saveSometimes()
      if (job.rows >= stopAt) break
    }
  }
  await job.save()
  return job.result()
}

/** One pass: what it is of, and how far it has come. */
class Job {
  readonly #view: HookedModel
  readonly #source: LatentSource
  readonly #selection: Selection
  readonly #settings: CheckpointSettings
  readonly #file: CheckpointFile | undefined
  readonly #top: TopExamples
  readonly #kept: KeptRows | undefined
  #rows = 0
  #tokens = 0
  #next: DataPosition | undefined

  private constructor(
    view: HookedModel,
    source: LatentSource,
    selection: Selection,
    settings: CheckpointSettings,
    file: CheckpointFile | undefined,
  ) {
    ;[this.#view, this.#source, this.#selection, this.#settings, this.#file] = [view, source, selection, settings, file]
    const { k, buffer } = selection
    const floor = source.point === 'hook_sae_acts_post' ? 0 : -Infinity
    this.#top = new TopExamples(source.latents.length, k, 2 * buffer + 1, floor)
    this.#kept = settings.dfa ? new KeptRows() : undefined
  }

  static async start(view: HookedModel, data: TokenData, options: MaxActivatingOptions): Promise<Job> {
    const {
      k = 10,
      buffer = 10,
      noOverlap = true,
      exclude = 'none',
      dfa = false,
      point = 'hook_sae_acts_post',
    } = options
    checkCounts('maxActivating', { k, buffer })
    checkLimit(options.limit)
    const attached = saeAt('maxActivating', view, options.hook)
    if (point !== 'hook_sae_acts_post' && point !== 'hook_sae_acts_pre') {
      throw new ArgumentError(
        `maxActivating: point is '${String(point)}'. It must be 'hook_sae_acts_post' or 'hook_sae_acts_pre'.`,
      )
    }
    if (dfa) checkDfa('maxActivating', attached)
    const latents = chosenLatents('maxActivating', attached.sae, options.latents)
    const provenance = await view.provenance()
    const source = latentsOf(view, attached, latents, point, provenance.hooks ?? [])
    const keep = keeps('maxActivating', exclude, specialIds(view.tokenizer))
    const selection = { k, buffer, noOverlap, keep }
    const { model, saes = [], hooks = [] } = provenance
    const settings = {
      model,
      saes,
      hooks,
      hook: attached.readsAt,
      latents,
      point,
      k,
      buffer,
      noOverlap,
      exclude,
      dfa,
      data: data.about,
    }
    const file = options.checkpoint === undefined ? undefined : new CheckpointFile(options.checkpoint, settings)
    const job = new Job(view, source, selection, settings, file)
    await job.#resume()
    return job
  }

  /** Rows seen. */
  get rows(): number {
    return this.#rows
  }
  /** Where the data goes on. */
  get next(): DataPosition | undefined {
    return this.#next
  }

  async add(batch: TokenBatch): Promise<void> {
    const tokens = this.#view.toTokens(batch.tokens)
    const taken = await takeBatch(this.#source, tokens, batch.firstRow, this.#selection, this.#top)
    this.#kept?.add(tokens, batch.firstRow, taken, this.#top)
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
    const examples = examplesOf(this.#view, this.#top, this.#source.latents, this.#selection.buffer)
    const provenance = await this.#view.provenance()
    const { sae } = this.#source
    const all = this.#kept ? await attributeSources(this.#view, sae, this.#kept, examples) : examples
    const { hook, point, k, buffer, noOverlap, data } = this.#settings
    const [rows, tokens] = [this.#rows, this.#tokens]
    return new MaxActivating(
      { sae: sae.label, hook, point, k, buffer, noOverlap, data, rows, tokens, latents: this.#source.latents },
      all,
      provenance,
    )
  }

  #state() {
    return { rows: this.#rows, tokens: this.#tokens, next: this.#next ?? null, top: this.#top, kept: this.#kept }
  }

  async #resume(): Promise<void> {
    const state = await this.#file?.read()
    if (!state) return
    this.#top.restore(state.top)
    this.#kept?.restore(state.kept ?? [])
    ;[this.#rows, this.#tokens, this.#next] = [state.rows, state.tokens, state.next ?? undefined]
  }
}

function checkLimit(limit = 1): void {
  if (Number.isInteger(limit) && limit >= 1) return
  throw new ArgumentError(`maxActivating: limit is ${String(limit)}. It must be a whole number of rows, at least 1.`)
}

function examplesOf(view: HookedModel, top: TopExamples, latents: readonly number[], buffer: number): Example[][] {
  const text = (id: number) => tokenLabel(view.tokenizer, id)
  return latents.map((latent, f) =>
    top.of(f).map(({ value, row, position, tokens, activations }) => {
      const ids = [...tokens]
      return { latent, activation: value, row, position, start: position - buffer, ids, tokens: ids.map(text), activations: [...activations] } // prettier-ignore
    }),
  )
}

/** A bar of rows, for a total that is known. */
export function barOf(label: string, total: number | undefined): (rows: number) => void {
  if (total === undefined) return () => undefined
  const bar = progress(label, total)
  let shown = 0
  return (rows) => {
    bar.tick(rows - shown)
    shown = rows
    if (rows >= total) bar.done()
  }
}
