/** Where an SAE's files are: in the package, in a folder, or on the Hugging Face hub. */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { ArgumentError } from '../lib/errors/errors.js'
import { didYouMean } from '../lib/errors/nearest.js'
import { hubSource, type HubSourceOptions } from '../lib/weights/hub/hub.js'
import { folderSource, type Source } from '../lib/weights/source.js'
import { brief } from '../lib/errors/brief.js'
import type { SaeFacts } from './formats/sae-files.js'
import { findInRelease, findRelease, inRepository, releaseNames, type Release } from './releases/index.js'

/** An SAE's files, found but not opened. */
export interface LocatedSae {
  /** What messages and results call the SAE. */
  readonly label: string
  readonly source: Source
  /** Folder or file in the source; '' for the source itself. */
  readonly path: string
  readonly facts: SaeFacts
  readonly normScale?: number
}

/** @throws ArgumentError for a name or id that is not known; what hubSource throws */
export async function locateSae(name: string, id: string | undefined, options: HubSourceOptions): Promise<LocatedSae> {
  const release = findRelease(name)
  if (release && release.repository === undefined) return released(release, id, options)
  const there = name === '' || name.includes('\0') ? undefined : await stat(name).catch(() => undefined)
  if (there) return onDisk(name, there.isDirectory(), id)
  if (release) return released(release, id, options)
  if (/^[^./~\\][^/\\]*\/[^/\\]+$/.test(name)) return inHub(name, id, options)
  throw new ArgumentError(
    `loadSae: there is no release, folder or file '${brief(name)}'. Name a folder or file of an SAE, a repository ` +
      `'org/name' of the Hugging Face hub, or one of saeReleases(), such as pocket-res or gpt2-small-res-jb.` +
      didYouMean(name, releaseNames()),
  )
}

/** A folder, with the SAE's place in it, or a file. */
async function onDisk(name: string, isFolder: boolean, id: string | undefined): Promise<LocatedSae> {
  if (isFolder) return { source: await folderSource(name), path: id ?? '', label: labelOf(name, id), facts: {} }
  if (id !== undefined) {
    throw new ArgumentError(`loadSae: '${name}' is a file, so it has no SAE '${brief(id)}'. Name the file alone.`)
  }
  return { source: await folderSource(path.dirname(name)), path: path.basename(name), label: name, facts: {} }
}

async function released(release: Release, id: string | undefined, options: HubSourceOptions): Promise<LocatedSae> {
  const { name, repository } = release
  const sae = findInRelease(release, id)
  const source = repository === undefined ? await packageSource(name) : await hubSource(repository, options)
  return { ...sae, source, label: labelOf(name, sae.id) }
}

/** The folder of a release in the package. */
const packageSource = (name: string): Promise<Source> =>
  folderSource(fileURLToPath(new URL(`./pocket/${name}/`, import.meta.url)), name)

async function inHub(name: string, id: string | undefined, options: HubSourceOptions): Promise<LocatedSae> {
  const known = id === undefined ? undefined : inRepository(name, id)
  const place = known ?? { path: id ?? '', facts: {} }
  return { ...place, source: await hubSource(name, options), label: labelOf(name, id) }
}

const labelOf = (name: string, id: string | undefined): string => (id === undefined ? name : `${name}/${id}`)
