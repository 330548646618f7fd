/** Where a model's files are: in the package, in a folder, or on the Hugging Face hub. */
import { stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { ArgumentError } from '../lib/errors/errors.js'
import { didYouMean } from '../lib/errors/nearest.js'
import { readTokenizer, type BuildTokenizer } from '../lib/tokens/load.js'
import { hubSource, type HubSourceOptions } from '../lib/weights/hub/hub.js'
import { folderSource, type Source } from '../lib/weights/source.js'

/** Names of the model that comes with the package. */
const embedded = ['pocket-gpt2', 'pocket']

export interface Located {
  /** What results call the model: its own name, a folder's or a repository's last part. */
  readonly name: string
  readonly source: Source
  /** A context, in tokens, that stands in for the one of config.json. */
  readonly nCtx?: number
  /** What makes the tokenizer beside the weights, or that on the hub which config.json names; undefined when there is none. */
  tokenizer(json: Record<string, unknown>): Promise<BuildTokenizer | undefined>
}

/**
 * @param known what the name stands for if it is a known one
 * @param shortNames for did-you-mean
 * @throws ArgumentError for a name that is none of the three; what hubSource throws
 */
export async function locate(
  name: string,
  known: { readonly repository: string; readonly nCtx?: number } | undefined,
  shortNames: readonly string[],
  options: HubSourceOptions,
): Promise<Located> {
  if (embedded.includes(name)) {
    return inFolder(embedded[0]!, await folderSource(fileURLToPath(new URL('./pocket/', import.meta.url))))
  }
  if (await stat(name).catch(() => undefined)) return inFolder(lastPart(name), await folderSource(name))
  if (known) return { ...(await onHub(known.repository, options)), nCtx: known.nCtx }
  if (/^[^./~\\][^/\\]*\/[^/\\]+$/.test(name)) return onHub(name, options)
  throw new ArgumentError(
    `loadModel: there is no model or folder '${name}'. Name a folder with config.json and weights, a repository ` +
      `'org/name' of the Hugging Face hub, or a known model such as 'gpt2'.${didYouMean(name, [...embedded, ...shortNames])}`,
  )
}

function inFolder(name: string, source: Source): Located {
  return { name, source, tokenizer: (json) => readTokenizer(source, json) }
}

async function onHub(repository: string, options: HubSourceOptions): Promise<Located> {
  const source = await hubSource(repository, options)
  const elsewhere = async ({ tokenizer_name: named, ...json }: Record<string, unknown>) => {
    if (typeof named !== 'string') return undefined
    return readTokenizer(await hubSource(named, { ...options, revision: 'main' }), json)
  }
  const tokenizer = async (json: Record<string, unknown>) => (await readTokenizer(source, json)) ?? elsewhere(json)
  return { name: lastPart(repository), source, tokenizer }
}

function lastPart(name: string): string {
  return name.split(/[\\/]/).filter(Boolean).at(-1) ?? name
}
