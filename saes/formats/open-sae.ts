/** Which layout the files of an SAE have: SAELens's folder, Gemma Scope's params.npz, or a file of torch.save. */
import { ArgumentError, FileError } from '../../lib/errors/errors.js'
import { didYouMean } from '../../lib/errors/nearest.js'
import type { Source } from '../../lib/weights/source.js'
import { pathTrick } from '../../lib/files/path-trick.js'
import { brief, fewNames } from '../../lib/errors/brief.js'
import { openGemmaScope, PARAMS } from './gemma-scope.js'
import type { OpenSae, SaeFacts } from './sae-files.js'
import { CONFIG, openSaeLensFolder, WEIGHTS } from './saelens.js'
import { openTorchSae, torchEnding } from './torch-sae.js'

const KNOWN = `SAELens (${CONFIG}, ${WEIGHTS}), Gemma Scope (${PARAMS}), torch.save (.pt, .pth)`

/**
 * The SAE that `id` names in a source: a folder, a file, or a file without its ending; '' for the source itself.
 * @throws ArgumentError, FileError saying what is there; what the readers throw
 */
export async function openSae(source: Source, id: string, facts: SaeFacts): Promise<OpenSae> {
  const path = id.replace(/\/+$/, '')
  const trick = path === '' ? undefined : pathTrick(path)
  if (trick !== undefined) {
    const shown = brief(JSON.stringify(id).slice(1, -1))
    throw new ArgumentError(`loadSae: the id '${shown}' has ${trick}. Name a folder or file inside '${source.id}'.`)
  }
  const found = await find(source, path, id.endsWith('/'))
  if (torchEnding.test(found)) return openTorchSae(source, found, facts)
  if (found.endsWith('.npz')) return openGemmaScope(source, found, facts)
  return openSaeLensFolder(source, found, facts)
}

/**
 * A file, or a folder of SAELens ('' or with a slash at its end). What does not look like a file is not asked for as
 * one: the hub's cache would note that there is no such file, where later a folder has to be.
 */
async function find(source: Source, path: string, isFolder: boolean): Promise<string> {
  const looksLikeFile = !isFolder && /\.(pt|pth|npz|json|safetensors)$/.test(path)
  if (looksLikeFile && (await source.has(path))) return ofFile(source, path)
  const under = path === '' ? '' : `${path}/`
  for (const name of [CONFIG, WEIGHTS]) if (await source.has(under + name)) return under
  if (await source.has(under + PARAMS)) return under + PARAMS
  for (const ending of path === '' ? [] : ['.pt', '.pth']) if (await source.has(path + ending)) return path + ending
  return onlyOne(source, under)
}

function ofFile(source: Source, path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (name === CONFIG || name === WEIGHTS) return path.slice(0, path.length - name.length)
  if (torchEnding.test(name) || name.endsWith('.npz')) return path
  throw new FileError(`loadSae: '${brief(path)}' in '${source.id}' is no file of an SAE. Known layouts: ${KNOWN}.`)
}

/** The one weight file right in a folder. @throws FileError saying what else is there */
async function onlyOne(source: Source, under: string): Promise<string> {
  const all = await source.list()
  if (all.includes(under.slice(0, -1))) return ofFile(source, under.slice(0, -1))
  const here = all.filter((name) => name.startsWith(under))
  const files = here.filter((name) => /\.(pt|pth|npz)$/.test(name) && !name.slice(under.length).includes('/'))
  const [only] = files
  if (only !== undefined && files.length === 1) return only
  const ids = [...new Set(here.flatMap(idOf))]
  const id = under.slice(0, -1)
  const where = under === '' ? `'${source.id}'` : `'${brief(id)}' in '${source.id}'`
  if (ids.length > 0) {
    throw new FileError(`loadSae: ${where} is not one SAE but holds ${fewNames(ids)}. Give the id of one of them.`)
  }
  if (here.length > 0 || under === '') {
    throw new FileError(`loadSae: ${where} holds ${fewNames(here)}, no SAE. Known layouts: ${KNOWN}.`)
  }
  const others = [...new Set(all.flatMap(idOf))]
  throw new FileError(
    `loadSae: '${source.id}' has no SAE '${brief(id)}'.${didYouMean(id, others) || ` It holds ${fewNames(others)}.`}`,
  )
}

/** The id of the SAE that a file belongs to. */
function idOf(name: string): string[] {
  if (torchEnding.test(name)) return [name.replace(torchEnding, '')]
  const slash = name.lastIndexOf('/')
  const isPart = [WEIGHTS, PARAMS].includes(name.slice(slash + 1))
  return isPart && slash > 0 ? [name.slice(0, slash)] : []
}
