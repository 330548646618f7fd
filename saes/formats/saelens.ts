/** SAELens's folder layout: cfg.json, sae_weights.safetensors and, from some versions, sparsity.safetensors. */
import { checkFinite } from '../../lib/weights/collect.js'
import { ConfigError, FileError } from '../../lib/errors.js'
import { SafetensorsFile, type HostTensor } from '../../lib/weights/safetensors.js'
import { readJson, type Source } from '../../lib/weights/source.js'
import { readSaeConfig, type SaeConfig } from '../config.js'

/** What a folder holds, as plain data. */
export interface SaeFiles {
  readonly cfg: SaeConfig
  readonly tensors: ReadonlyMap<string, HostTensor>
  /** log10 of how often each latent fires [S]. */
  readonly logSparsity?: Float32Array
}

const WEIGHTS = 'sae_weights.safetensors'
const SPARSITY = 'sparsity.safetensors'

/** @throws FileError, ConfigError */
export async function readSaeLensFolder(source: Source): Promise<SaeFiles> {
  const where = `${source.id}/cfg.json`
  const cfg = readSaeConfig(await readJson(source, 'cfg.json'), where)
  const tensors = await readAll(source, WEIGHTS)
  const scaling = tensors.get('scaling_factor')
  // factors that are all one do nothing: SAELens drops them
  const hasScalingFactor = scaling !== undefined && scaling.values.some((v) => v !== 1)
  if (scaling && !hasScalingFactor) tensors.delete('scaling_factor')
  if (!scaling && cfg.hasScalingFactor) {
    throw new ConfigError(
      `${where}: finetuning_scaling_factor is true, but ${WEIGHTS} has no tensor 'scaling_factor'. The folder is incomplete.`,
    )
  }
  const logSparsity = (await source.has(SPARSITY)) ? await readSparsity(source, cfg.dSae) : undefined
  return { cfg: { ...cfg, hasScalingFactor }, tensors, ...(logSparsity && { logSparsity }) }
}

async function readAll(source: Source, name: string): Promise<Map<string, HostTensor>> {
  const file = await SafetensorsFile.open(await source.open(name))
  try {
    const tensors = new Map<string, HostTensor>()
    for (const key of file.infos.keys()) {
      const tensor = await file.read(key)
      checkFinite(tensor.values, key, `${source.id}/${name}`)
      tensors.set(key, tensor)
    }
    return tensors
  } finally {
    await file.close()
  }
}

async function readSparsity(source: Source, dSae: number): Promise<Float32Array> {
  const sparsity = (await readAll(source, SPARSITY)).get('sparsity')
  if (!(sparsity?.values instanceof Float32Array) || sparsity.values.length !== dSae) {
    throw new FileError(
      `${source.id}/${SPARSITY}: there is no tensor 'sparsity' of ${dSae} floats. It must hold one number a latent.`,
    )
  }
  return sparsity.values
}
