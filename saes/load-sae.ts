/** `loadSae`: an SAE of any kind, from any layout and place. */
import { checkCapacity, useBackend } from '../lib/backend/backend.js'
import { checkOptions, type OptionNames } from '../lib/errors/options.js'
import { downloadBars } from '../lib/weights/hub/download-bars.js'
import type { HubSourceOptions } from '../lib/weights/hub/hub.js'
import { foldActivationNorm } from './fold.js'
import { openSae } from './formats/open-sae.js'
import { joinFacts, saeFactNames, type OpenSae, type SaeFacts } from './formats/sae-files.js'
import { take } from './formats/stored-tensors.js'
import { saeKindOf, type SaeKinds } from './kinds/kinds.js'
import { locateSae, type LocatedSae } from './locate.js'
import type { Sae } from './sae.js'
import { checkTensors } from './sae-tensors.js'

/** What `loadSae` takes: where files of the hub are, what the SAE's files do not say of it, and kinds of your own. */
export interface LoadSaeOptions extends Omit<HubSourceOptions, 'kind'>, SaeFacts {
  /** Kinds of SAE of your own, by the `architecture` of their config; see docs/adding-an-sae.md. @default none */
  readonly kinds?: SaeKinds
}

const loadSaeOptionNames: OptionNames<LoadSaeOptions> = {
  ...saeFactNames,
  kinds: true,
  endpoint: true,
  accessToken: true,
  cacheDir: true,
  localFilesOnly: true,
  revision: true,
  onProgress: true,
  fetch: true,
  retryDelay: true,
}

/**
 * Loads an SAE by release and id, `loadSae('gpt2-small-res-jb', 'blocks.7.hook_resid_pre')`; from a folder,
 * `loadSae('./my-sae')` or `loadSae('./release', 'id')`; from a file, `loadSae('./25.pt')`; or from a repository of the
 * hub, `loadSae('org/repo', 'path/in/repo')`. Layouts: SAELens 1 to 6, Gemma Scope's params.npz, torch.save. What the
 * files do not say, such as the hook point of a bare `.pt`, is given as an option and counts more than what they say.
 * Files of the hub are kept in the cache that Python uses. Dispose the SAE when done.
 *
 * @example
 * using sae = await loadSae('pocket-res', 'blocks.2.hook_resid_pre')
 * const view = model.withSaes(sae, { errorTerm: true })
 * @throws ArgumentError for an unknown name, id or option, FileError and ConfigError for files that are not sound,
 *   cannot be had or do not say enough
 */
export async function loadSae(name: string, options?: LoadSaeOptions): Promise<Sae>
export async function loadSae(name: string, id?: string, options?: LoadSaeOptions): Promise<Sae>
export async function loadSae(
  name: string,
  idOrOptions: string | LoadSaeOptions = {},
  options: LoadSaeOptions = {},
): Promise<Sae> {
  const id = typeof idOrOptions === 'string' ? idOrOptions : undefined
  const given = typeof idOrOptions === 'string' ? options : { ...idOrOptions, ...options }
  checkOptions('loadSae', given, loadSaeOptionNames)
  const located = await locateSae(name, id, { ...given, onProgress: given.onProgress ?? downloadBars() })
  const sae = await loaded(located, given)
  const { normScale } = located
  if (normScale === undefined || sae.config.normalization !== 'expected_average_only_in') return sae
  try {
    return foldActivationNorm(sae, normScale)
  } finally {
    sae.dispose()
  }
}

async function loaded({ source, path, facts, label }: LocatedSae, given: LoadSaeOptions): Promise<Sae> {
  const files = await openSae(source, path, joinFacts(facts, given))
  try {
    const { config } = files
    const Kind = saeKindOf(config.architecture, label, given.kinds)
    const sae = new Kind({ config, label })
    checkTensors(sae, files.tensors)
    await useBackend(undefined, 2 * config.dIn * config.dSae)
    await fill(sae, files)
    return sae
  } finally {
    await files.close()
  }
}

/** Takes the weights out of the files, one at a time. */
async function fill(sae: Sae, { tensors, logSparsity }: OpenSae): Promise<void> {
  const bytes = [...tensors.values()].reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0)
  checkCapacity(bytes, `loadSae: ${sae.label}`)
  const weights: Record<string, Awaited<ReturnType<typeof take>>> = {}
  try {
    for (const [name, stored] of tensors) weights[name] = await take(stored, name)
    sae.load(weights)
  } finally {
    for (const weight of Object.values(weights)) weight.dispose()
  }
  sae.logSparsity = logSparsity
}
