/** SAELens's folder layout: cfg.json, sae_weights.safetensors and, from some versions, sparsity.safetensors. */
import type { JsonRecord } from '../../lib/transformer/config-reader.js'
import { FileError } from '../../lib/errors/errors.js'
import { isJsonObject } from '../../lib/files/json-file.js'
import { checkFinite } from '../../lib/weights/collect.js'
import { SafetensorsFile } from '../../lib/weights/formats/safetensors.js'
import { readJson, type Source } from '../../lib/weights/source.js'
import { configOf, withScaling, type OpenSae, type SaeFacts } from './sae-files.js'
import { closedOnFailure, storedIn } from './stored-tensors.js'

export const CONFIG = 'cfg.json'
export const WEIGHTS = 'sae_weights.safetensors'
export const SPARSITY = 'sparsity.safetensors'

/** Keys of older configs that say how the SAE was trained and are not read otherwise. */
const trainingKeys = ['dataset_path', 'sae_lens_training_version', 'seqpos_slice', 'exclude_special_tokens']

/** The SAE in the folder `under` of a source, which is '' or ends in `/`. @throws FileError, ConfigError */
export async function openSaeLensFolder(source: Source, under = '', facts: SaeFacts = {}): Promise<OpenSae> {
  const where = `${source.id}/${under}${CONFIG}`
  const json = (await readJson(source, under + CONFIG)) as JsonRecord
  const read = configOf(json, facts, where)
  const file = await SafetensorsFile.open(await source.open(under + WEIGHTS))
  return closedOnFailure(file, async () => {
    const { config, tensors } = await withScaling(read, storedIn(file, `${source.id}/${under}${WEIGHTS}`), where)
    const metadata = metadataOf(json)
    const logSparsity = (await source.has(under + SPARSITY)) ? await readSparsity(source, under, read.dSae) : undefined
    return {
      config: { ...config, ...(metadata && { metadata }) },
      tensors,
      ...(logSparsity && { logSparsity }),
      close: () => file.close(),
    }
  })
}

/** What the config says of the training, kept for saving the SAE again. */
function metadataOf(json: JsonRecord): JsonRecord | undefined {
  if (isJsonObject(json['metadata'])) return json['metadata']
  const entries = trainingKeys.flatMap((key) => (json[key] === undefined ? [] : [[key, json[key]]]))
  return entries.length > 0 ? (Object.fromEntries(entries) as JsonRecord) : undefined
}

async function readSparsity(source: Source, under: string, dSae: number): Promise<Float32Array> {
  const where = `${source.id}/${under}${SPARSITY}`
  const file = await SafetensorsFile.open(await source.open(under + SPARSITY))
  try {
    const values = file.infos.has('sparsity') ? (await file.read('sparsity')).values : undefined
    if (!(values instanceof Float32Array) || values.length !== dSae) {
      throw new FileError(
        `${where}: there is no tensor 'sparsity' of ${dSae} floats. It must hold one number a latent.`,
      )
    }
    checkFinite(values, 'sparsity', where)
    return values
  } finally {
    await file.close()
  }
}
