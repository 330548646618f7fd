/** `harvest`: activations of chosen hook points over a data set, written to disk in shards. B rows, P positions, N tokens. */
import { ArgumentError } from '../errors/errors.js'
import type { NameFilter } from '../core/hooks.js'
import type { HookedModel } from '../model.js'
import { activationsAt, hookSites, type Site } from './activation-run.js'
import { keeps, sitesOf, specialIds, type Exclude } from './excluded.js'
import { openManifest, type Manifest } from './harvest-manifest.js'
import { bytesPerToken, ShardWriter } from './shard-writer.js'
import type { TokenData } from './token-data.js'

export interface HarvestOptions {
  /** Hook points of shape [B,P,…], those of attached SAEs included. */
  readonly hooks: NameFilter
  /** Where to write; made if need be. With an unfinished harvest of the same kind in it, that one goes on. */
  readonly folder: string
  /** Stop behind the batch in which so many tokens are reached; a later call with more goes on. @default all */
  readonly tokens?: number
  /** Tokens of a shard. @default as many as take half of `memory` */
  readonly shardTokens?: number
  /** Bytes that activations may take in memory: a shard and twice a batch. @default 512 MiB */
  readonly memory?: number
  /** Tokens to leave out beside padding. @default 'none' */
  readonly exclude?: Exclude
  /** Ends the job: what is in memory is written, then the signal's reason is thrown. */
  readonly signal?: AbortSignal
  /** Told of the tokens that are done after each batch; `total` is `tokens`. */
  readonly onProgress?: (done: number, total: number | undefined) => void
}

/** What a harvest's folder holds. */
export interface Harvest {
  readonly folder: string
  /** N, of all shards. */
  readonly tokens: number
  readonly shards: number
  /** Hook point → axes of one token's activation there. */
  readonly hooks: Readonly<Record<string, readonly number[]>>
  /** Whether the data came to its end. */
  readonly ended: boolean
}

const defaultMemory = 512 * 2 ** 20

/**
 * Writes the activations of real tokens to `folder`: shards in safetensors, each with a tensor [N,…] by hook point and
 * `tokens`, `rows` and `positions` [N], and a manifest.json. A shard is there whole or not at all; a job that was
 * interrupted goes on behind its last shard when it is called again.
 *
 * `await harvest(model, data, { hooks: 'blocks.2.hook_resid_pre', folder: 'acts', tokens: 1e6 })`
 * @throws ArgumentError, HookError before any run; MismatchError where the folder holds a harvest of something else,
 *   FileError where it holds other files, cannot be written to, or lacks a shard
 */
export async function harvest(view: HookedModel, data: TokenData, options: HarvestOptions): Promise<Harvest> {
  const { folder, tokens = Infinity, exclude = 'none', signal, onProgress } = options
  checkNumbers(options)
  const special = specialIds(view.tokenizer)
  const keep = keeps('harvest', exclude, special)
  const sites = hookSites('harvest', view, options.hooks)
  const names = sites.map((site) => site.name)
  const shardTokens = tokensInShard(sites, options)
  const found = await openManifest(folder, { ...(await identity(view, data, sites, exclude)), special })
  const writer = new ShardWriter(folder, sites, shardTokens, found)
  if (found.ended || found.tokens >= tokens) return summary(folder, found)
  for await (const batch of data.batches(found.shards.at(-1)?.next)) {
    if (signal?.aborted) {
      await writer.flush()
      signal.throwIfAborted()
    }
    checkBatch(sites, batch.tokens.batch * batch.tokens.positions, shardTokens, options)
    const kept = sitesOf(batch, keep)
    await writer.add(await activationsAt(view, batch.tokens, names, kept.index), kept, batch.next)
    onProgress?.(writer.tokens, options.tokens)
    if (writer.tokens < tokens) continue
    await writer.flush()
    return summary(folder, writer.manifest)
  }
  await writer.flush(true)
  return summary(folder, writer.manifest)
}

function summary(folder: string, { tokens, shards, config, ended }: Manifest): Harvest {
  return { folder, tokens, shards: shards.length, hooks: config.hooks, ended }
}

/** What decides the numbers, and where they are from. */
async function identity(
  view: HookedModel,
  data: TokenData,
  sites: readonly Site[],
  exclude: Exclude,
): Promise<Pick<Manifest, 'config' | 'provenance'>> {
  const provenance = await view.provenance()
  const { model, modelFiles, processing, hooks: changed } = provenance
  const saes = view.attached.map(({ sae, readsAt, options }) => ({ sae: sae.label, site: readsAt, ...options }))
  const hooks = Object.fromEntries(sites.map(({ name, shape }) => [name, [...shape]]))
  const config = { model, modelFiles, processing, saes, changed, hooks, exclude, data: data.about }
  return JSON.parse(JSON.stringify({ config, provenance })) as Pick<Manifest, 'config' | 'provenance'>
}

function checkNumbers({ folder, tokens = 1, shardTokens = 1, memory = 1 }: HarvestOptions): void {
  if (typeof folder !== 'string' || folder === '') {
    throw new ArgumentError(`harvest: folder is ${JSON.stringify(folder)}. Name a folder to write to.`)
  }
  for (const [name, value] of Object.entries({ tokens, shardTokens, memory })) {
    if (Number.isSafeInteger(value) && value > 0) continue
    throw new ArgumentError(`harvest: ${name} is ${String(value)}. It must be a whole number from 1 up.`)
  }
}

function tokensInShard(sites: readonly Site[], { memory = defaultMemory, shardTokens }: HarvestOptions): number {
  const bytes = bytesPerToken(sites)
  const affordable = Math.floor(memory / bytes)
  if (shardTokens === undefined) return Math.max(1, Math.floor(affordable / 2))
  if (shardTokens <= affordable) return shardTokens
  throw new ArgumentError(
    `harvest: shardTokens is ${shardTokens}, ${megabytes(shardTokens * bytes)} at these hook points. ` +
      `Within memory (${megabytes(memory)}) lie ${affordable}.`,
  )
}

/** @throws ArgumentError for a batch that does not fit beside a shard: the model gives it twice, as a tensor and as numbers */
function checkBatch(
  sites: readonly Site[],
  tokens: number,
  shardTokens: number,
  { memory = defaultMemory }: HarvestOptions,
): void {
  const bytes = bytesPerToken(sites)
  const needed = (Math.max(shardTokens, tokens) + 2 * tokens) * bytes
  if (needed <= memory) return
  throw new ArgumentError(
    `harvest: a shard of ${shardTokens} tokens and a batch of ${tokens} take ${megabytes(needed)}, more than memory ` +
      `(${megabytes(memory)}). Give the data fewer rows, take fewer hooks or shardTokens, or allow more memory.`,
  )
}

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`
