/** SAELens's folder layout: cfg.json, sae_weights.safetensors and, from some versions, sparsity.safetensors. */
import type { JsonRecord } from '../../lib/transformer/config-reader.js'
import { FileError } from '../../lib/errors/errors.js'
import { isJsonObject } from '../../lib/files/json-file.js'
import { SafetensorsFile, type HostTensor } from '../../lib/weights/formats/safetensors.js'
import { readJson, type Source } from '../../lib/weights/source.js'
import { checkNumbers, configOf, withScaling, type SaeFacts, type SaeFiles } from './sae-files.js'

export type { SaeFiles } from './sae-files.js'

export const CONFIG = 'cfg.json'
export const WEIGHTS = 'sae_weights.safetensors'
export const SPARSITY = 'sparsity.safetensors'

/** Keys of older configs that say how the SAE was trained and are not read otherwise. */
const trainingKeys = ['dataset_path', 'sae_lens_training_version', 'seqpos_slice', 'exclude_special_tokens']

/** The SAE in the folder `under` of a source, which is '' or ends in `/`. @throws FileError, ConfigError */
export async function readSaeLensFolder(source: Source, under = '', facts: SaeFacts = {}): Promise<SaeFiles> {
  const where = `${source.id}/${under}${CONFIG}`
  const json = await readJson(source, under + CONFIG)
  const config = configOf(json as JsonRecord, facts, where)
  const files = withScaling(config, await readAll(source, under + WEIGHTS), where)
  const metadata = metadataOf(json as JsonRecord)
  const logSparsity = (await source.has(under + SPARSITY)) ? await readSparsity(source, under, config.dSae) : undefined
  return {
    ...files,
    config: { ...files.config, ...(metadata && { metadata }) },
    ...(logSparsity && { logSparsity }),
  }
}

/** What the config says of the training, kept for saving the SAE again. */
function metadataOf(json: JsonRecord): JsonRecord | undefined {
  if (isJsonObject(json['metadata'])) return json['metadata']
  const entries = trainingKeys.flatMap((key) => (json[key] === undefined ? [] : [[key, json[key]]]))
  return entries.length > 0 ? (Object.fromEntries(entries) as JsonRecord) : undefined
}

async function readAll(source: Source, name: string): Promise<Map<string, HostTensor>> {
  const file = await SafetensorsFile.open(await source.open(name))
  try {
    const tensors = new Map<string, HostTensor>()
    for (const key of file.infos.keys()) tensors.set(key, await file.read(key))
    checkNumbers(tensors, `${source.id}/${name}`)
    return tensors
  } finally {
    await file.close()
  }
}

async function readSparsity(source: Source, under: string, dSae: number): Promise<Float32Array> {
  const sparsity = (await readAll(source, under + SPARSITY)).get('sparsity')
  if (!(sparsity?.values instanceof Float32Array) || sparsity.values.length !== dSae) {
    throw new FileError(
      `${source.id}/${under}${SPARSITY}: there is no tensor 'sparsity' of ${dSae} floats. It must hold one number a latent.`,
    )
  }
  return sparsity.values
}
