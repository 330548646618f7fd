/** manifest.json of a harvest: what was harvested, from what, and the shards that are done. */
import { mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { FileError, MismatchError } from '../errors/errors.js'
import { writeFileAtomic } from '../files/write-atomic.js'
import type { JsonObject, JsonValue } from '../report/result/json.js'
import { folderSource, readJson, type Source } from '../weights/source.js'
import { brief, fewNames } from '../errors/brief.js'

export const manifestFile = 'manifest.json'
const format = 'tfjs-lens activations 1'

const count = z.number().int().nonnegative()
const json = z.record(z.string(), z.json())
const schema = z.object({
  format: z.literal(format),
  /** What decides the numbers: two harvests of one configuration are the same. */
  config: z.looseObject({ hooks: z.record(z.string(), z.array(count)) }),
  special: z.object({ bos: count.optional(), eos: count.optional(), pad: count.optional() }),
  provenance: json,
  /** Whether the data came to its end. */
  ended: z.boolean(),
  /** Of all shards. */
  tokens: count,
  shards: z.array(z.object({ file: z.string(), tokens: count, bytes: count, next: json })),
})

/** What manifest.json holds. */
export type HarvestManifest = z.infer<typeof schema>
/** A file of activations, as the manifest has it. */
export type HarvestShard = HarvestManifest['shards'][number]

/** The manifest of a harvest's folder. @throws FileError where there is none, or it is not sound */
export async function readManifest(source: Source): Promise<HarvestManifest> {
  if (!(await source.has(manifestFile))) {
    throw new FileError(`open ${source.id}: there is no ${manifestFile}. Name the folder of a harvest.`)
  }
  const parsed = schema.safeParse(await readJson(source, manifestFile))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const what = `${issue?.path.join('.') || 'the whole'} is not as it should be (${brief(issue?.message)})`
    throw new FileError(`open ${source.id}/${manifestFile}: ${what}. The manifest of a harvest is needed.`)
  }
  const { tokens, shards } = parsed.data
  if (shards.reduce((sum, shard) => sum + shard.tokens, 0) !== tokens) {
    throw new FileError(`open ${source.id}/${manifestFile}: its shards do not have ${tokens} tokens. It is damaged.`)
  }
  return parsed.data
}

/** The new manifest of a folder, or the one that a harvest of the same configuration left there. */
export async function openManifest(
  folder: string,
  fresh: Pick<HarvestManifest, 'config' | 'special' | 'provenance'>,
): Promise<HarvestManifest> {
  const names = await mkdir(folder, { recursive: true })
    .then(() => readdir(folder))
    .catch((cause: Error) => {
      throw new FileError(`harvest: no folder '${folder}' (${cause.message}). Name one you can write to.`, { cause })
    })
  if (names.includes(manifestFile)) return continued(folder, names, fresh)
  if (names.length > 0) {
    throw new FileError(`harvest: '${folder}' holds ${fewNames(names)} and no harvest. Name an empty or a new folder.`)
  }
  const manifest: HarvestManifest = { format, ...fresh, ended: false, tokens: 0, shards: [] }
  await writeManifest(folder, manifest)
  return manifest
}

/** Writes manifest.json, whole or not at all. */
export function writeManifest(folder: string, manifest: HarvestManifest): Promise<void> {
  return writeFileAtomic(path.join(folder, manifestFile), JSON.stringify(manifest, undefined, 1))
}

async function continued(
  folder: string,
  names: readonly string[],
  { config }: Pick<HarvestManifest, 'config'>,
): Promise<HarvestManifest> {
  const source = await folderSource(folder)
  const manifest = await readManifest(source)
  const other = difference(manifest.config as JsonObject, JSON.parse(JSON.stringify(config)) as JsonObject)
  if (other !== undefined) {
    throw new MismatchError(
      `harvest: '${folder}' holds another harvest: ${other}. Name another folder, or ask for the same.`,
    )
  }
  for (const { file, bytes } of manifest.shards) await checkShard(source, file, bytes)
  // what a process that was killed had begun to write
  const halves = names.filter((name) => /^\.[0-9a-f-]{36}\.tmp$/.test(name))
  for (const name of halves) await rm(path.join(folder, name), { force: true })
  return manifest
}

async function checkShard(source: Source, name: string, bytes: number): Promise<void> {
  const file = await source.open(name)
  await file.close()
  if (file.size === bytes) return
  throw new FileError(
    `harvest: ${file.name} has ${file.size} bytes, and had ${bytes} when it was written. Delete the folder and start ` +
      'over.',
  )
}

/** The first thing in which two configurations differ, in words. */
function difference(there: JsonValue | undefined, here: JsonValue | undefined, place = ''): string | undefined {
  if (JSON.stringify(there) === JSON.stringify(here)) return undefined
  if (isRecord(there) && isRecord(here)) {
    const keys = [...new Set([...Object.keys(there), ...Object.keys(here)])]
    const inner = keys.map((key) => difference(there[key], here[key], place === '' ? key : `${place}.${key}`))
    return inner.find((each) => each !== undefined)
  }
  return `${place} is ${brief(there)} there and ${brief(here)} here`
}

function isRecord(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
