/** Releases of SAEs by name: those in the package, and those on the hub that SAELens has names for. */
import { ArgumentError } from '../../lib/errors/errors.js'
import { didYouMean } from '../../lib/errors/nearest.js'
import type { ProcessingFlags } from '../../lib/weights/process.js'
import { brief, fewNames } from '../../lib/errors/brief.js'
import { gemmaScopeReleases } from './gemma-scope.js'
import { hubReleases } from './hub.js'
import { pocketReleases } from './pocket.js'
import type { Release, ReleasedSae } from './release.js'

export type { Release, ReleasedSae } from './release.js'

/** What can be known of a release without loading it. */
export interface SaeRelease {
  /** For `loadSae(name, id)`. */
  readonly name: string
  /** `org/name` on the Hugging Face hub; undefined for what comes with the package. */
  readonly repository: string | undefined
  /** The model it was trained on, as `loadModel` takes it. */
  readonly model: string
  /** Weight processing the SAEs need of the model, where the release says so; else each SAE's config does. */
  readonly processing: Partial<ProcessingFlags>
  readonly ids: readonly string[]
}

const releases: ReadonlyMap<string, Release> = new Map(
  [...pocketReleases, ...hubReleases, ...gemmaScopeReleases()].map((release) => [release.name, release]),
)

/**
 * All releases that `loadSae` knows by name. `org/name` repositories of the hub can be loaded without being listed.
 *
 * @example
 * const ofGpt2 = saeReleases().filter(({ model }) => model === 'gpt2-small')
 */
export function saeReleases(): SaeRelease[] {
  return [...releases.values()].map(({ name, repository, model, facts, saes }) => {
    return { name, repository, model, processing: facts.processing ?? {}, ids: saes.map(({ id }) => id) }
  })
}

/**
 * Names of the SAEs that need no download: `[release, id]` for `loadSae(release, id)`.
 *
 * @example
 * for (const [release, id] of embeddedSaes()) console.log(release, id)
 */
export function embeddedSaes(): [release: string, id: string][] {
  return pocketReleases.flatMap(({ name, saes }) => saes.map(({ id }): [string, string] => [name, id]))
}

export function findRelease(name: string): Release | undefined {
  return releases.get(name)
}

export function releaseNames(): string[] {
  return [...releases.keys()]
}

/**
 * What a repository's path is known as in a release: Gemma Scope's `canonical` ids also work under the repository's
 * name.
 */
export function inRepository(repository: string, id: string): ReleasedSae | undefined {
  const found = [...releases.values()].filter((release) => release.repository === repository)
  for (const release of found) {
    const sae =
      release.saes.find((one) => one.id === id) ?? release.saes.find((one) => one.path.replace(/\/$/, '') === id)
    if (sae) return { ...sae, facts: { ...release.facts, ...sae.facts } }
  }
  return undefined
}

/** An SAE of a release, with all that is known of it. @throws ArgumentError naming the nearest id */
export function findInRelease(release: Release, id: string | undefined): ReleasedSae {
  const { name, saes, otherIds, facts } = release
  const only = id === undefined && saes.length === 1 ? saes[0] : undefined
  const unlisted = id !== undefined && otherIds?.test(id) ? { id, path: id, facts: {} } : undefined
  const sae = only ?? saes.find((one) => one.id === id) ?? unlisted
  if (sae) return { ...sae, facts: { ...facts, ...sae.facts } }
  const ids = saes.map((one) => one.id)
  const what = id === undefined ? 'needs the id of an SAE' : `has no SAE '${brief(id)}'`
  throw new ArgumentError(
    `loadSae: the release '${name}' ${what}. It has ${fewNames(ids)}.${id === undefined ? '' : didYouMean(id, ids)}`,
  )
}
