/**
 * The examples that activate latents most, for many latents in one pass over a data set, in memory that grows with
 * latents · k and not with the data. B rows · P positions · F latents
 */
import type { HookName } from '../../lib/core/hooks.js'
import { jobOptionNames, type JobOptions } from '../../lib/core/job-options.js'
import { jobProgress } from '../../lib/core/job-progress.js'
import { keeps, specialIds, type ExcludedTokens } from '../../lib/data/excluded-tokens.js'
import type { TokenData } from '../../lib/data/token-data.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { checkCounts } from '../../lib/stats/k-largest.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { latentSource, type LatentPoint } from '../latent-source.js'
import { checkDfa } from '../source-scores.js'
import { CheckpointFile } from './checkpoint.js'
import type { MaxActivating } from './max-activating-result.js'
import { SearchJob } from './search-job.js'

/** What `maxActivating` searches, and how. */
export interface MaxActivatingOptions extends JobOptions {
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
  readonly exclude?: ExcludedTokens
  /** For SAEs of `attn.hook_z`: attribute each example to its source tokens, as `featureDfa`. @default false */
  readonly dfa?: boolean
  /** Stop after so many rows, at the end of a batch. @default all */
  readonly limit?: number
}

const optionNames: OptionNames<MaxActivatingOptions> = {
  ...jobOptionNames,
  latents: true,
  hook: true,
  k: true,
  buffer: true,
  noOverlap: true,
  point: true,
  exclude: true,
  dfa: true,
  limit: true,
}

/**
 * The k largest activations of each latent over the data, and the text around them. They are those of
 * `kLargestIndices` over all rows at once, the earlier of equals first. The model runs up to the SAE's hook point only,
 * and only the latents asked for are encoded. Progress counts rows.
 *
 * With `checkpoint`, a JSON file, the state is written every half minute, when the job is stopped and at its end.
 *
 * @example
 * const found = await maxActivating(model.withSaes(sae), data, { latents: [3, 14], k: 10, buffer: 10 })
 * found.print()
 * @throws ArgumentError, HookError, MismatchError before any run; FileError for a checkpoint that cannot be used;
 *   ArgumentError for rows that the buffer leaves nothing of
 */
export async function maxActivating(
  view: HookedModel,
  data: TokenData,
  options: MaxActivatingOptions = {},
): Promise<MaxActivating> {
  checkOptions('maxActivating', options, optionNames)
  const { limit = Infinity, signal } = options
  const job = await startJob(view, data, options)
  using report = jobProgress('max-activating rows', options, limit)
  if (job.rows < limit) {
    for await (const batch of data.batches(job.next)) {
      await job.add(batch)
      report(job.rows)
      if (signal?.aborted) await job.save()
      signal?.throwIfAborted()
      await job.saveSometimes()
      if (job.rows >= limit) break
    }
  }
  await job.save()
  return job.result()
}

/** Checks everything, and takes up what the checkpoint has. */
async function startJob(view: HookedModel, data: TokenData, options: MaxActivatingOptions): Promise<SearchJob> {
  const { k = 10, buffer = 10, noOverlap = true, exclude = 'none', dfa = false, checkpoint } = options
  const { point = 'hook_sae_acts_post' } = options
  checkCounts('maxActivating', { k, buffer })
  checkLimit(options.limit)
  const attached = saeAt('maxActivating', view, options.hook)
  checkPoint(point)
  if (dfa) checkDfa('maxActivating', attached)
  const latents = chosenLatents('maxActivating', attached.sae, options.latents)
  const { model, saes = [], hooks = [] } = await view.provenance()
  const source = latentSource(view, attached, { latents, point, hooks })
  const keep = keeps('maxActivating', exclude, specialIds(view.tokenizer))
  const found = { hook: attached.readsAt, latents, point, k, buffer, noOverlap, exclude, dfa }
  const settings = { model, saes, hooks, ...found, data: data.about }
  const job = new SearchJob(view, source, {
    selection: { k, buffer, noOverlap, keep },
    settings,
    file: checkpoint === undefined ? undefined : new CheckpointFile(checkpoint, settings),
  })
  await job.resume()
  return job
}

function checkPoint(point: string): void {
  if (point === 'hook_sae_acts_post' || point === 'hook_sae_acts_pre') return
  throw new ArgumentError(
    `maxActivating: point is '${String(point)}'. It must be 'hook_sae_acts_post' or 'hook_sae_acts_pre'.`,
  )
}

function checkLimit(limit = 1): void {
  if (Number.isInteger(limit) && limit >= 1) return
  throw new ArgumentError(`maxActivating: limit is ${String(limit)}. It must be a whole number of rows, at least 1.`)
}
