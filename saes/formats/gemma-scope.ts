/** Gemma Scope's layout: layer_L/width_W/average_l0_N/params.npz. No config: repository and folder say the rest. */
import { ConfigError, FileError } from '../../lib/errors/errors.js'
import { NpzFile } from '../../lib/weights/formats/npz.js'
import type { HostTensor } from '../../lib/weights/read-tensor.js'
import type { Source } from '../../lib/weights/source.js'
import { fewNames } from '../../lib/errors/brief.js'
import { configOf, sizesOf, withScaling, type OpenSae, type SaeFacts } from './sae-files.js'

export const PARAMS = 'params.npz'

const arrays = ['W_enc', 'W_dec', 'b_enc', 'b_dec', 'threshold']

/** Hook points by the last part of a repository's name. */
const places: Readonly<Record<string, (layer: string) => SaeFacts & { readonly hookName: string }>> = {
  res: (layer) => ({ hookName: `blocks.${layer}.hook_resid_post` }),
  mlp: (layer) => ({ hookName: `blocks.${layer}.hook_mlp_out` }),
  att: (layer) => ({ hookName: `blocks.${layer}.attn.hook_z` }),
  transcoders: (layer) => ({
    architecture: 'jumprelu_transcoder',
    hookName: `blocks.${layer}.ln2.hook_normalized`,
    hookNameOut: `blocks.${layer}.hook_mlp_out`,
  }),
}

const unprocessed = { foldLn: false, centerWritingWeights: false, centerUnembed: false, foldValueBiases: false }

/** What a path through a Gemma Scope repository says, `…gemma-scope-2b-pt-res/layer_3/…`. */
export function gemmaScopeFacts(path: string): SaeFacts {
  const repository = /gemma-scope-(2b|9b|27b)-(pt|it)-(res|mlp|att|transcoders)(?![a-z])/.exec(path)
  if (!repository) return {}
  const [, size, tuning, place = ''] = repository
  const layer = /(?:^|\/)layer_(\d+)(?:\/|$)/.exec(path)?.[1]
  const there = isEmbedding(path) ? { hookName: 'hook_embed' } : layer === undefined ? {} : places[place]?.(layer)
  return { modelName: `gemma-2-${size}${tuning === 'it' ? '-it' : ''}`, processing: unprocessed, ...there }
}

const isEmbedding = (path: string) => /(?:^|\/)embedding\//.test(path)

/** @throws FileError for a file that is damaged or of another kind, ConfigError when nothing tells the hook point. */
export async function openGemmaScope(source: Source, file: string, facts: SaeFacts): Promise<OpenSae> {
  const where = `${source.id}/${file}`
  const known = { prependBos: true, contextSize: 1024, ...gemmaScopeFacts(where), ...facts }
  if (known.hookName === undefined) throw noHookName(where)
  const arrays = await readArrays(source, file)
  if (isEmbedding(where)) rescaleEmbedding(arrays)
  const json = { architecture: 'jumprelu', apply_b_dec_to_input: false, ...sizesOf(arrays, where) }
  const stored = [...arrays].map(([name, array]) => {
    return [name, { shape: array.shape, file: where, read: () => Promise.resolve(array) }] as const
  })
  return {
    ...(await withScaling(configOf(json, known, where), new Map(stored), where)),
    close: () => Promise.resolve(),
  }
}

async function readArrays(source: Source, file: string): Promise<Map<string, HostTensor>> {
  const npz = await NpzFile.open(await source.open(file))
  try {
    const names = new Map(npz.names.map((name) => [name.replace(/^w_/, 'W_'), name])) // early files say w_enc
    const missing = arrays.filter((name) => !names.has(name))
    if (missing.length > 0) {
      throw new FileError(
        `loadSae: ${source.id}/${file} holds ${fewNames(npz.names)}, and no ${missing.join(', ')}. ` +
          `A file of Gemma Scope holds ${arrays.join(', ')}.`,
      )
    }
    const tensors = new Map<string, HostTensor>()
    for (const [ours, theirs] of names) tensors.set(ours, await npz.read(theirs))
    return tensors
  } finally {
    await npz.close()
  }
}

/**
 * SAEs of the embedding were trained on it as it is stored; hook_embed has it times √d_model. Both matrices are
 * rescaled, b_dec is not: as SAELens does, so that the numbers are its.
 */
function rescaleEmbedding(tensors: ReadonlyMap<string, HostTensor>): void {
  const [dModel = 1] = tensors.get('W_enc')?.shape ?? []
  const root = Math.sqrt(dModel)
  rescale(tensors.get('W_enc'), (number) => number / root)
  rescale(tensors.get('W_dec'), (number) => number * root)
}

function rescale(tensor: HostTensor | undefined, f: (number: number) => number): void {
  if (!tensor) return
  const { values } = tensor
  values.forEach((number: number, i: number) => (values[i] = f(number)))
}

function noHookName(where: string): ConfigError {
  const layer = /(?:^|\/)layer_(\d+)\//.exec(where)?.[1] ?? '0'
  const named = ['res', 'mlp', 'att'].map((place) => `'${places[place]?.(layer).hookName}' (${place})`)
  return new ConfigError(
    `loadSae: ${where} does not say which hook point the SAE reads, and its path names no Gemma Scope repository. ` +
      `Give the option hookName, such as ${named.join(', ')}.`,
  )
}
