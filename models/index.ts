/** Models: `loadModel`. The only file that names an architecture. */
import { stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Architecture } from '../lib/architecture.js'
import { useBackend } from '../lib/backend.js'
import { ConfigReader } from '../lib/config-reader.js'
import { ArgumentError, ConfigError } from '../lib/errors.js'
import { HookedModel } from '../lib/model.js'
import { didYouMean } from '../lib/nearest.js'
import { loadTokenizer } from '../lib/tokens/load.js'
import { checkTokenizer } from '../lib/tokens/tokenizer.js'
import { openCheckpoint } from '../lib/weights/checkpoint.js'
import { ungroupHeads } from '../lib/weights/packed.js'
import {
  allProcessing,
  noProcessing,
  possibleProcessing,
  processWeights,
  type ProcessingFlags,
} from '../lib/weights/process.js'
import { folderSource, readJson, type Source } from '../lib/weights/source.js'
import { Weights } from '../lib/weights/weights.js'
import { gpt2 } from './gpt2.js'
import { gptNeo } from './gpt-neo.js'
import { gptNeox } from './gpt-neox.js'
import { gemma } from './gemma.js'
import { gemma2 } from './gemma2.js'
import { llama } from './llama.js'
import { neel } from './neel.js'
import { qwen2 } from './qwen2.js'

export type { Gpt2Config } from './gpt2.js'
export type { GptNeoConfig } from './gpt-neo.js'
export type { GptNeoxConfig } from './gpt-neox.js'
export type { GemmaConfig } from './gemma.js'
export type { Gemma2Config } from './gemma2.js'
export type { LlamaConfig } from './llama.js'
export type { NeelConfig } from './neel.js'
export type { Qwen2Config } from './qwen2.js'

/** Architectures by the `model_type` of their config.json. */
const architectures: Readonly<Record<string, Architecture>> = {
  gpt2: gpt2 as Architecture,
  gpt_neo: gptNeo as Architecture,
  gpt_neox: gptNeox as Architecture,
  gemma: gemma as Architecture,
  gemma2: gemma2 as Architecture,
  llama: llama as Architecture,
  neel: neel as Architecture,
  qwen2: qwen2 as Architecture,
}

/** Names of the model that comes with the package. */
const embedded = ['pocket-gpt2', 'pocket']

export interface LoadOptions {
  /** Weight processing: true for all (as TransformerLens's from_pretrained), false for none, or single flags, the others on. @default true */
  readonly process?: boolean | Partial<ProcessingFlags>
  /**
   * Give each query head keys and values of its own where heads share them (TransformerLens's option of this name):
   * hook_k, hook_v and their inputs then have H heads, and one head can be changed alone. Outputs stay. @default false
   */
  readonly ungroupGroupedQueryAttention?: boolean
  /** Called as tensors are read. */
  readonly progress?: (done: number, total: number) => void
}

/**
 * Loads a model: the embedded `pocket-gpt2` without an argument, or a folder as the Hugging Face hub has it
 * (config.json, model.safetensors or its shards, tokenizer files). Dispose it when done.
 * @throws ArgumentError for an unknown name, ConfigError, FileError and MismatchError for a folder that is not sound.
 */
export async function loadModel(name = 'pocket-gpt2', options: LoadOptions = {}): Promise<HookedModel> {
  const source = await locate(name)
  const flags = processingFlags(options.process ?? true)
  const json = await readJson(source, 'config.json')
  const architecture = architectureOf(new ConfigReader(json, `${source.id}/config.json`))
  const stored = architecture.readConfig(json as Record<string, unknown>)
  const config = options.ungroupGroupedQueryAttention ? { ...stored, nKeyValueHeads: stored.nHeads } : stored
  const tokenizer = await loadTokenizer(source, json as { model_type?: string; vocab_size?: number })
  if (tokenizer) checkTokenizer(tokenizer, config.dVocab, name)
  const checkpoint = await openCheckpoint(source)
  try {
    checkLayers(stored.nLayers, checkpoint.infos.size)
    await useBackend()
    const anatomy = architecture.anatomy(config)
    const processing = possibleProcessing(flags, anatomy)
    const weights = await architecture.fromHuggingFace(checkpoint, stored, options.progress)
    if (config !== stored) ungroupHeads(weights, stored.nLayers, stored)
    const processed = new Weights(processWeights(weights, anatomy, processing))
    const files = hashesOf(source, checkpoint.files)
    return new HookedModel({
      name: nameOf(name),
      architecture,
      config,
      weights: processed,
      tokenizer,
      processing,
      files,
    })
  } finally {
    await checkpoint.close()
  }
}

/** Before anything is made for each layer: a config may claim a billion. */
function checkLayers(layers: number, tensors: number): void {
  if (layers <= tensors) return
  throw new ConfigError(
    `loadModel: the config has ${layers} layers and the checkpoint ${tensors} tensors in all. They belong to different models.`,
  )
}

async function locate(name: string): Promise<Source> {
  if (embedded.includes(name)) return folderSource(fileURLToPath(new URL('./pocket/', import.meta.url)))
  const info = await stat(name).catch(() => undefined)
  if (info) return folderSource(name)
  throw new ArgumentError(
    `loadModel: there is no model or folder '${name}'. Name a folder with config.json and model.safetensors, or 'pocket-gpt2'.${didYouMean(name, embedded)}`,
  )
}

/** What results call the model: its own name, or a folder's last part. */
function nameOf(name: string): string {
  return embedded.includes(name) ? embedded[0]! : (name.split(/[\\/]/).filter(Boolean).at(-1) ?? name)
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
  const unknown = Object.keys(process).find((flag) => !Object.hasOwn(allProcessing, flag))
  if (unknown !== undefined) {
    throw new ArgumentError(
      `loadModel: there is no processing flag '${unknown}'.${didYouMean(unknown, Object.keys(allProcessing))}`,
    )
  }
  return { ...allProcessing, ...process }
}

/** sha256 of the weight files, computed when a result first asks for them. */
function hashesOf(source: Source, files: readonly string[]): () => Promise<Record<string, string>> {
  let hashes: Promise<Record<string, string>> | undefined
  const compute = async () =>
    Object.fromEntries(await Promise.all(files.map(async (file) => [file, await source.sha256(file)] as const)))
  return () => (hashes ??= compute())
}
