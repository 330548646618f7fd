/** `harvest`: activations of chosen hook points over a data set, on disk in shards. B rows, P positions, N tokens. */
import type { NameFilter } from '../core/hook-filters.js'
import { progressOptionNames, type ProgressOptions } from '../core/job-options.js'
import { jobProgress } from '../core/job-progress.js'
import { ArgumentError } from '../errors/errors.js'
import { checkOptions, type OptionNames } from '../errors/options.js'
import { activationsAt, tokenPoints, type ActivationModel, type TokenPoint } from './activation-run.js'
import { keeps, keptTokens, specialIds, type ExcludedTokens } from './excluded-tokens.js'
import { openManifest, type HarvestManifest } from './harvest-manifest.js'
import { bytesPerToken, ShardWriter } from './shard-writer.js'
import type { TokenData } from './token-data.js'

/** What `harvest` writes, and where to. */
export interface HarvestOptions extends ProgressOptions {
  /** Hook points of shape [B,P,…], those of attached SAEs included. */
  readonly hooks: NameFilter
  /** Where to write; made if need be. An unfinished harvest of the same kind that lies there is continued. */
  readonly folder: string
  /** Stop after the batch in which so many tokens are reached; a later call with more continues. @default all */
  readonly tokens?: number
  /** Tokens of a shard. @default as many as take half of `memory` */
  readonly shardTokens?: number
  /** Bytes that activations may take in memory: a shard and twice a batch. @default 512 MiB */
  readonly memory?: number
  /** Tokens to leave out, padding always being one. @default 'none' */
  readonly exclude?: ExcludedTokens
}

const optionNames: OptionNames<HarvestOptions> = {
  ...progressOptionNames,
  hooks: true,
  folder: true,
  tokens: true,
  shardTokens: true,
  memory: true,
  exclude: true,
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
 * interrupted continues after its last shard when it is called again. When `signal` stops it, what is in memory is
 * written first. Progress counts tokens.
 *
 * @example await harvest(model, data, { hooks: 'blocks.2.hook_resid_pre', folder: 'acts', tokens: 1e6 })
 * @throws ArgumentError, HookError before any run; MismatchError where the folder holds a harvest of something else,
 *   FileError where it holds other files, cannot be written to, or lacks a shard
 */
export async function harvest(view: ActivationModel, data: TokenData, options: HarvestOptions): Promise<Harvest> {
  checkOptions('harvest', options, optionNames)
  const { folder, tokens = Infinity, exclude = 'none', signal } = options
  checkNumbers(options)
  const special = specialIds(view.tokenizer)
  const keep = keeps('harvest', exclude, special)
  const points = tokenPoints('harvest', view, options.hooks)
  const names = points.map((point) => point.name)
  const limits = shardLimits(points, options)
  const found = await openManifest(folder, { ...(await identity(view, data, { points, exclude })), special })
  const writer = new ShardWriter(folder, found, { points, capacity: limits.shardTokens })
  if (found.ended || found.tokens >= tokens) return summary(folder, found)
  using report = jobProgress('harvest: tokens', options, tokens)
  for await (const batch of data.batches(found.shards.at(-1)?.next)) {
    if (signal?.aborted) {
      await writer.flush()
      signal.throwIfAborted()
    }
    checkBatch(batch.tokens.batch * batch.tokens.positions, limits)
    const kept = keptTokens(batch, keep)
    const activations = await activationsAt(view, batch.tokens, { names, index: kept.index })
    await writer.add(activations, kept, batch.next)
    report(writer.tokens)
    if (writer.tokens < tokens) continue
    await writer.flush()
    return summary(folder, writer.manifest)
  }
  await writer.flush(true)
  return summary(folder, writer.manifest)
}

function summary(folder: string, { tokens, shards, config, ended }: HarvestManifest): Harvest {
  return { folder, tokens, shards: shards.length, hooks: config.hooks, ended }
}

/** What decides the numbers, and where they are from. */
async function identity(
  view: ActivationModel,
  data: TokenData,
  { points, exclude }: { readonly points: readonly TokenPoint[]; readonly exclude: ExcludedTokens },
): Promise<Pick<HarvestManifest, 'config' | 'provenance'>> {
  const provenance = await view.provenance()
  const { model, modelFiles, processing, hooks: changed } = provenance
  const saes = view.attached.map(({ sae, readsAt, options }) => ({ sae: sae.label, site: readsAt, ...options }))
  const hooks = Object.fromEntries(points.map(({ name, shape }) => [name, [...shape]]))
  const config = { model, modelFiles, processing, saes, changed, hooks, exclude, data: data.about }
  return JSON.parse(JSON.stringify({ config, provenance })) as Pick<HarvestManifest, 'config' | 'provenance'>
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

interface ShardLimits {
  /** Of one token. */
  readonly bytes: number
  readonly shardTokens: number
  /** Bytes. */
  readonly memory: number
}

/** @throws ArgumentError for shards that are larger than the memory */
function shardLimits(
  points: readonly TokenPoint[],
  { memory = defaultMemory, shardTokens }: HarvestOptions,
): ShardLimits {
  const bytes = bytesPerToken(points)
  const affordable = Math.floor(memory / bytes)
  if (shardTokens === undefined) return { bytes, memory, shardTokens: Math.max(1, Math.floor(affordable / 2)) }
  if (shardTokens <= affordable) return { bytes, memory, shardTokens }
  throw new ArgumentError(
    `harvest: shardTokens is ${shardTokens}, ${megabytes(shardTokens * bytes)} at these hook points. ` +
      `Within memory (${megabytes(memory)}) lie ${affordable}.`,
  )
}

/** @throws ArgumentError for a batch that does not fit next to a shard: it comes as a tensor and as numbers */
function checkBatch(tokens: number, { bytes, shardTokens, memory }: ShardLimits): void {
  const needed = (Math.max(shardTokens, tokens) + 2 * tokens) * bytes
  if (needed <= memory) return
  throw new ArgumentError(
    `harvest: a shard of ${shardTokens} tokens and a batch of ${tokens} take ${megabytes(needed)}, more than memory ` +
      `(${megabytes(memory)}). Give the data fewer rows, take fewer hooks or shardTokens, or allow more memory.`,
  )
}

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`
