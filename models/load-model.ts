/** `loadModel`. The only file beside the door that names an architecture. */
import type { Architecture, ModelConfig, TensorReader, Traits } from '../lib/transformer/architecture.js'
import { checkCapacity, useBackend } from '../lib/backend/backend.js'
import { collectWeights } from '../lib/transformer/collect-weights.js'
import { ConfigReader } from '../lib/transformer/config-reader.js'
import { weightLayout } from '../lib/transformer/weight-layout.js'
import { ArgumentError, ConfigError } from '../lib/errors/errors.js'
import { HookedModel } from '../lib/model.js'
import { didYouMean } from '../lib/errors/nearest.js'
import { readRecorded } from '../lib/core/self-check.js'
import { downloadBars } from '../lib/weights/hub/download-bars.js'
import { checkTokenizer } from '../lib/tokens/tokenizer.js'
import { openCheckpoint } from '../lib/weights/checkpoint.js'
import { collectBeside } from '../lib/weights/collect.js'
import { firstLayers } from '../lib/weights/first-layers.js'
import type { DownloadEvent } from '../lib/weights/hub/download-events.js'
import type { HubSourceOptions } from '../lib/weights/hub/hub.js'
import { ungroupHeads } from '../lib/weights/packed.js'
import {
  allProcessing,
  noProcessing,
  possibleProcessing,
  processWeights,
  type ProcessingFlags,
} from '../lib/weights/process.js'
import { readJson, type Source } from '../lib/weights/source.js'
import { refactorAttention } from '../lib/residual/refactor-attention.js'
import { Weights } from '../lib/weights/weights.js'
import { gpt2 } from './gpt2.js'
import { gptNeo } from './gpt-neo.js'
import { gptNeox } from './gpt-neox.js'
import { gemma } from './gemma.js'
import { gemma2 } from './gemma2.js'
import { llama } from './llama.js'
import { locate } from './locate.js'
import { knownModel, shortNames } from './names.js'
import { neel } from './neel.js'
import { qwen2 } from './qwen2.js'

/** Architectures by the `model_type` of their config.json. */
export const architectures: Readonly<Record<string, Architecture>> = {
  gpt2: gpt2 as Architecture,
  gpt_neo: gptNeo as Architecture,
  gpt_neox: gptNeox as Architecture,
  gemma: gemma as Architecture,
  gemma2: gemma2 as Architecture,
  llama: llama as Architecture,
  neel: neel as Architecture,
  qwen2: qwen2 as Architecture,
}

/** What is told while a model is loaded: downloads as transformers.js does, then the tensors that are read, then the end. */
export type LoadEvent =
  | DownloadEvent
  | {
      readonly status: 'load'
      readonly name: string
      /** Tensors that are read, and all of them. */
      readonly loaded: number
      readonly total: number
      /** Percent, 0 to 100. */
      readonly progress: number
    }
  | { readonly status: 'ready'; readonly name: string }

export interface LoadOptions extends Omit<HubSourceOptions, 'onProgress'> {
  /** Weight processing: true for all (as TransformerLens's from_pretrained), false for none, or single flags, the others on. @default true */
  readonly process?: boolean | Partial<ProcessingFlags>
  /**
   * Give each query head keys and values of its own where heads share them (TransformerLens's option of this name):
   * hook_k, hook_v and their inputs then have H heads, and one head can be changed alone. Outputs stay. @default false
   */
  readonly ungroupGroupedQueryAttention?: boolean
  /** Number type in memory. tfjs computes in float32 alone: other types of a checkpoint are widened. @default 'float32' */
  readonly dtype?: 'float32'
  /** Load only so many blocks, from the first on (TransformerLens's first_n_layers). @default all */
  readonly firstNLayers?: number
  /** Called as files are downloaded and tensors read; `false` for silence. @default bars on stderr for downloads */
  readonly onProgress?: ((event: LoadEvent) => void) | false
}

/**
 * Loads a model: the embedded `pocket-gpt2` without an argument, a folder as the Hugging Face hub has it (config.json,
 * model.safetensors or its shards, tokenizer files), a repository of the hub (`org/name`), or one of TransformerLens's
 * short names (`gpt2-small`, `gelu-1l`). Files of the hub are kept in the cache that Python uses. Dispose it when done.
 * @throws ArgumentError for an unknown name, ConfigError, FileError and MismatchError for files that are not sound or
 *   cannot be had.
 */
export async function loadModel(name = 'pocket-gpt2', options: LoadOptions = {}): Promise<HookedModel> {
  const flags = processingFlags(options.process ?? true)
  checkDtype(options.dtype ?? 'float32')
  const report = options.onProgress || undefined
  const onProgress = options.onProgress ?? downloadBars()
  const located = await locate(name, knownModel(name), shortNames, { ...options, onProgress })
  const { source } = located
  const json = (await readJson(source, 'config.json')) as Record<string, unknown>
  const architecture = architectureOf(new ConfigReader(json, `${source.id}/config.json`))
  const whole = architecture.readConfig(json)
  const stored = { ...whole, nLayers: layersToLoad(whole, options.firstNLayers) }
  const config = { ...stored, ...changesOf(stored, options, located.nCtx) }
  const buildTokenizer = await located.tokenizer(json)
  const tokenizerOf = () => {
    const tokenizer = buildTokenizer?.()
    if (tokenizer) checkTokenizer(tokenizer, config.dVocab, name)
    return tokenizer
  }
  // weights of the hub are not fetched for one that is refused; those of a folder are read while it is made
  const early = source.commit === undefined ? undefined : tokenizerOf()
  if (flags.refactorFactoredAttnMatrices) checkRefactoring(architecture.traits(config), name)
  const checkpoint = await openCheckpoint(source)
  try {
    checkLayers(whole.nLayers, checkpoint.infos.size)
    const infos = firstLayers(checkpoint.infos, stored.nLayers, whole.nLayers)
    const reader: TensorReader = {
      infos,
      read: (tensor) => checkpoint.read(tensor),
      map: (tensor) => checkpoint.map(tensor),
    }
    const numbers = numbersIn(reader)
    await useBackend(undefined, numbers)
    checkCapacity(4 * numbers, `loadModel: ${name}`)
    const layout = weightLayout(config, architecture.traits(config))
    const processing = possibleProcessing(flags, layout)
    const told = (loaded: number, total: number) =>
      report?.({ status: 'load', name: located.name, loaded, total, progress: (100 * loaded) / total })
    const collect = (from: TensorReader) => collectWeights(architecture, { reader: from, config: stored }, told)
    const [weights, tokenizer] = await collectBeside(reader, collect, () => early ?? tokenizerOf())
    if (options.ungroupGroupedQueryAttention) ungroupHeads(weights, stored.nLayers, stored)
    processWeights(weights, layout, processing)
    if (processing.refactorFactoredAttnMatrices) await refactorAttention(weights, stored.nLayers, config)
    const processed = new Weights(weights)
    const files = hashesOf(source, checkpoint.files)
    report?.({ status: 'ready', name: located.name })
    return new HookedModel({
      name: located.name,
      architecture,
      config,
      weights: processed,
      tokenizer,
      processing,
      files,
      recorded: () => readRecorded(source),
    })
  } finally {
    await checkpoint.close()
  }
}

/** @throws ArgumentError when the model has not as many blocks as are asked for */
function layersToLoad({ nLayers }: ModelConfig, wanted = nLayers): number {
  if (Number.isInteger(wanted) && wanted >= 1 && wanted <= nLayers) return wanted
  throw new ArgumentError(
    `loadModel: firstNLayers is ${wanted}. The model has ${nLayers} layers: give a whole number from 1 to ${nLayers}.`,
  )
}

/** Where the model differs from what is stored. */
function changesOf(stored: ModelConfig, options: LoadOptions, context = stored.nCtx): Partial<ModelConfig> {
  const nCtx = Math.min(context, stored.nCtx)
  return options.ungroupGroupedQueryAttention ? { nCtx, nKeyValueHeads: stored.nHeads } : { nCtx }
}

/** Before anything is made for each layer: a config may claim a billion. */
function checkLayers(layers: number, tensors: number): void {
  if (layers <= tensors) return
  throw new ConfigError(
    `loadModel: the config has ${layers} layers and the checkpoint ${tensors} tensors in all. They belong to different models.`,
  )
}

/** How many numbers the tensors hold. */
function numbersIn({ infos }: TensorReader): number {
  return [...infos.values()].reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0)
}

/** Fields that tell TransformerLens's own format, which has no model_type. */
const nativeFields = ['n_layers', 'd_model', 'n_heads', 'd_head', 'd_vocab', 'act_fn']

function architectureOf(config: ConfigReader): Architecture {
  if (!config.has('model_type') && nativeFields.every((field) => config.has(field))) return architectures['neel']!
  const type = config.text('model_type')
  if (Object.hasOwn(architectures, type)) return architectures[type]!
  const known = Object.keys(architectures)
  throw new ConfigError(
    `loadModel: model_type '${type}' is not supported. Supported: ${known.join(', ')}.${didYouMean(type, known)}`,
  )
}

function processingFlags(process: boolean | Partial<ProcessingFlags>): ProcessingFlags {
  if (typeof process === 'boolean') return process ? allProcessing : noProcessing
  const known = [...Object.keys(allProcessing), 'refactorFactoredAttnMatrices']
  for (const [flag, value] of Object.entries(process ?? {})) {
    if (!known.includes(flag)) {
      throw new ArgumentError(`loadModel: there is no processing flag '${flag}'.${didYouMean(flag, known)}`)
    }
    if (typeof value !== 'boolean') {
      throw new ArgumentError(`loadModel: the flag ${flag} is ${JSON.stringify(value)}. It must be true or false.`)
    }
  }
  const flags = { ...allProcessing, ...process }
  return flags.refactorFactoredAttnMatrices ? { ...flags, foldValueBiases: true } : flags
}

function checkDtype(dtype: string): void {
  if (dtype === 'float32') return
  throw new ArgumentError(
    `loadModel: dtype is '${dtype}'. It must be 'float32': tfjs computes in no other number type.`,
  )
}

/** @throws ArgumentError where heads cannot be refactored */
function checkRefactoring({ positions }: Traits, name: string): void {
  if (positions !== 'rotary') return
  throw new ArgumentError(
    `loadModel: refactorFactoredAttnMatrices turns the dimensions of queries and keys, and ${name} has rotary positions, which act on them. Leave the flag out.`,
  )
}

/** sha256 of the weight files, computed when a result first asks for them. */
function hashesOf(source: Source, files: readonly string[]): () => Promise<Record<string, string>> {
  let hashes: Promise<Record<string, string>> | undefined
  const compute = async () =>
    Object.fromEntries(await Promise.all(files.map(async (file) => [file, await source.sha256(file)] as const)))
  return () => (hashes ??= compute())
}
