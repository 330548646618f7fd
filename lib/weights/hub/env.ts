/** Where the Hugging Face hub and its cache are: options first, then the variables that Python's huggingface_hub reads. */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import { ArgumentError } from '../../errors/errors.js'

/** Where and how files of the hub are looked for. */
export interface HubOptions {
  /** The hub's address. @default HF_ENDPOINT, else https://huggingface.co */
  readonly endpoint?: string
  /** @default HF_TOKEN, else the token that `hf auth login` has stored */
  readonly accessToken?: string
  /** @default HF_HUB_CACHE, else the folder `hub` in HF_HOME, else ~/.cache/huggingface/hub */
  readonly cacheDir?: string
  /** Take files from the cache alone, without any request. @default whether HF_HUB_OFFLINE is set */
  readonly localFilesOnly?: boolean
}

export interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string
  readonly accessToken: string | undefined
  readonly cacheDir: string
  /** Why no request may be made; undefined when requests may be made. */
  readonly offline: string | undefined
}

/** @throws ArgumentError when the hub's address is no http(s) address */
export async function hubSettings(options: HubOptions): Promise<HubSettings> {
  const offline = options.localFilesOnly ?? isOn('HF_HUB_OFFLINE')
  return {
    endpoint: readEndpoint(options.endpoint ?? (process.env['HF_ENDPOINT'] || 'https://huggingface.co')),
    accessToken: offline ? undefined : (options.accessToken ?? (await readToken())),
    cacheDir: atHome(options.cacheDir ?? (await defaultCacheDir())),
    offline: offline ? (options.localFilesOnly ? 'localFilesOnly is set' : 'HF_HUB_OFFLINE is set') : undefined,
  }
}

function readEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') {
    throw new ArgumentError(
      `hubSource: the endpoint '${text}' is no address. An address such as 'https://huggingface.co' is needed.`,
    )
  }
  return url.origin + url.pathname.replace(/\/+$/, '')
}

async function readToken(): Promise<string | undefined> {
  const given = process.env['HF_TOKEN'] || process.env['HUGGING_FACE_HUB_TOKEN']
  if (given) return given.trim()
  if (isOn('HF_HUB_DISABLE_IMPLICIT_TOKEN')) return undefined
  const cacheHome = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache')
  const home = process.env['HF_HOME'] ?? path.join(cacheHome, 'huggingface')
  const file = atHome(process.env['HF_TOKEN_PATH'] ?? path.join(home, 'token'))
  const stored = await readFile(file, 'utf8').catch(() => '')
  return stored.trim() || undefined
}

/** The cache that Python uses. The hub's package is loaded where the hub is used: its thirty files take a while. */
async function defaultCacheDir(): Promise<string> {
  const { getHFHubCachePath } = await import('@huggingface/hub')
  return getHFHubCachePath()
}

function isOn(variable: string): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes((process.env[variable] ?? '').toUpperCase())
}

/** A path whose leading `~` is the home folder. */
function atHome(file: string): string {
  return file.replace(/^~(?=$|[/\\])/, homedir())
}
