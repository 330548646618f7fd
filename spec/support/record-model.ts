/** The models of spec/reference/models, as they are or with another config and other tensors. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { HookedModel } from '../../lib/model.js'
import { openCheckpoint } from '../../lib/weights/checkpoint.js'
import { encodeSafetensors } from '../../lib/weights/formats/safetensors.js'
import { folderSource } from '../../lib/weights/source.js'
import { loadModel, type LoadOptions } from '../../models/load-model.js'
import { withFolder } from './weight-files.js'

export type Tensors = Record<string, { shape: readonly number[]; values: Float32Array | Int32Array }>

export interface RecordOptions extends LoadOptions {
  /** Fields of config.json in place of the record's; undefined leaves one out. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Changes the tensors. */
  readonly edit?: (tensors: Tensors) => void
}

export const recordFolder = (name: string): string =>
  fileURLToPath(new URL(`../reference/models/${name}`, import.meta.url))

/** The record's config.json. */
export async function recordConfig(name: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(path.join(recordFolder(name), 'config.json'), 'utf8')) as Record<string, unknown>
}

/** All tensors of the record's checkpoint. */
export async function recordTensors(name: string): Promise<Tensors> {
  const checkpoint = await openCheckpoint(await folderSource(recordFolder(name)))
  const tensors: Tensors = {}
  for (const key of checkpoint.infos.keys()) tensors[key] = await checkpoint.read(key)
  await checkpoint.close()
  return tensors
}

/** The model with the changes, from a folder of config.json and model.safetensors. The caller disposes it. */
export async function editedModel(name: string, { config, edit, ...load }: RecordOptions = {}): Promise<HookedModel> {
  const tensors = await recordTensors(name)
  edit?.(tensors)
  const files = {
    'config.json': JSON.stringify({ ...(await recordConfig(name)), ...config }),
    'model.safetensors': encodeSafetensors(tensors),
  }
  let model: HookedModel | undefined
  await withFolder(files, async (folder) => {
    model = await loadModel(folder, load)
  })
  return model!
}
