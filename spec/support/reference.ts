/** Records of spec/reference: the JSON and the numbers beside it. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { SafetensorsFile, type HostTensor } from '../../lib/weights/formats/safetensors.js'
import { folderSource } from '../../lib/weights/source.js'

export interface Reference {
  /** The folder's path. */
  readonly folder: string
  /** expected.json. */
  readonly json: Record<string, unknown>
  /** Every tensor of expected.safetensors by name. @throws Error for a name that is not recorded */
  tensor(name: string): HostTensor
  /** The numbers of a tensor. */
  values(name: string): Float32Array | Int32Array
}

/** Reads a record, such as `pocket` or `models/gpt2`. */
export async function reference(name: string): Promise<Reference> {
  const folder = fileURLToPath(new URL(`../reference/${name}`, import.meta.url))
  const json = JSON.parse(await readFile(`${folder}/expected.json`, 'utf8')) as Record<string, unknown>
  const file = await SafetensorsFile.open(await (await folderSource(folder)).open('expected.safetensors'))
  const tensors = new Map<string, HostTensor>()
  try {
    for (const key of file.infos.keys()) tensors.set(key, await file.read(key))
  } finally {
    await file.close()
  }
  const tensor = (key: string) => {
    const found = tensors.get(key)
    if (!found) throw new Error(`${name}: no tensor '${key}' is recorded`)
    return found
  }
  return { folder, json, tensor, values: (key) => tensor(key).values }
}
