/** Saving an SAE as SAELens 6 reads it: cfg.json, sae_weights.safetensors and, where known, sparsity.safetensors. */
import { stat, rm } from 'node:fs/promises'
import path from 'node:path'
import { ArgumentError, FileError } from '../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../lib/errors/options.js'
import { writeFileAtomic } from '../lib/files/write-atomic.js'
import type { EncodableTensor } from '../lib/weights/formats/safetensors.js'
import { writeSafetensors } from '../lib/weights/formats/write-safetensors.js'
import { CONFIG, SPARSITY, WEIGHTS } from './formats/saelens.js'
import { configJson } from './formats/saelens-config.js'
import type { Sae } from './sae.js'

/** What `saveSae` takes. */
export interface SaveSaeOptions {
  /** Replace an SAE that lies in the folder. @default false */
  readonly overwrite?: boolean
}

const saveSaeOptionNames: OptionNames<SaveSaeOptions> = { overwrite: true }

/**
 * Writes an SAE to a folder, which is made if it is not there: `loadSae(folder)` gives the same weights bit for bit,
 * and so does SAELens's `SAE.load_from_disk`. Each file is there whole or not at all, the config last.
 * A standard SAE with top-k is written as the top-k SAE that it is. SAELens 6 has no `tanh-relu` and no scaling
 * factors; those are written in the words of SAELens 5. A kind of your own is written by the names of its weights.
 *
 * @example
 * await saveSae(sae, './my-sae')
 * using loaded = await loadSae('./my-sae')
 * @throws ArgumentError when the folder holds an SAE already or an option is unknown, FileError when it cannot be
 *   written
 */
export async function saveSae(sae: Sae, folder: string, options: SaveSaeOptions = {}): Promise<void> {
  checkOptions('saveSae', options, saveSaeOptionNames)
  if (folder === '') throw new ArgumentError("saveSae: the folder is ''. Name a folder.")
  const file = (name: string) => path.join(folder, name)
  const there = await Promise.all([CONFIG, WEIGHTS].map((name) => stat(file(name)).catch(() => undefined)))
  if (!options.overwrite && there.some(Boolean)) {
    throw new ArgumentError(
      `saveSae: '${folder}' holds an SAE already. Name another folder, or pass overwrite: true to replace it.`,
    )
  }
  const tensors = await tensorsOf(sae)
  await remove(file(CONFIG)) // what is replaced must not be read with the new weights
  await writeSafetensors(file(WEIGHTS), tensors)
  if (sae.logSparsity) await writeSafetensors(file(SPARSITY), sparsityOf(sae.logSparsity))
  else await remove(file(SPARSITY))
  await writeFileAtomic(file(CONFIG), JSON.stringify(configJson(sae.config)))
}

async function remove(file: string): Promise<void> {
  await rm(file, { force: true }).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new FileError(`saveSae: cannot replace '${file}' (${reason}). Name a folder you can write to.`, { cause })
  })
}

const sparsityOf = (values: Float32Array): Map<string, EncodableTensor> =>
  new Map([['sparsity', { shape: [values.length], values }]])

async function tensorsOf(sae: Sae): Promise<Map<string, EncodableTensor>> {
  const tensors = new Map<string, EncodableTensor>()
  for (const [name, shape] of Object.entries(sae.weightShapes())) {
    tensors.set(name, { shape, values: await sae.weight(name).data<'float32'>() })
  }
  return tensors
}
