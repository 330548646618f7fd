/** Requests to the Hugging Face hub: with the token, tried again when the hub stumbles, refusals in plain words. */
import { setTimeout as sleep } from 'node:timers/promises'
import { FileError } from '../../errors/errors.js'
import type { RepositoryKind } from './cache.js'
import type { HubSettings } from './env.js'
import { brief } from '../../errors/brief.js'

/** How often a request is made before it is given up. */
const TRIES = 4

/** The hub could not be reached, or has trouble of its own; the cache may still help. */
export class Unreachable extends Error {}

export interface HubConnection {
  readonly settings: HubSettings
  readonly kind: RepositoryKind
  readonly repoId: string
  readonly revision: string
  readonly fetch: typeof fetch
  /** Milliseconds before a second try; twice as many before each further one. */
  readonly retryDelay: number
}

/** A repository's page, under which its files lie. */
export function repositoryAddress({ settings, kind, repoId }: HubConnection): string {
  return `${settings.endpoint}/${kind === 'dataset' ? 'datasets/' : ''}${repoId}`
}

const kindNames: Record<RepositoryKind, string> = { model: 'model', dataset: 'data set' }

/**
 * An answer with a status below 400, redirects followed or not as `init` says.
 * @param doing begins the message of an error: `fetch org/name/config.json`
 * @throws Unreachable when there is no network or the hub answers 5xx or 429 every time; FileError for other refusals
 */
export async function request(hub: HubConnection, url: string, init: RequestInit, doing: string): Promise<Response> {
  for (let tries = 1; ; tries++) {
    const answer = await ask(hub, url, init)
    const last = tries === TRIES
    if (answer instanceof Response) {
      if (answer.status < 400 || answer.status === 416) return answer
      await answer.body?.cancel()
      if (answer.status < 500 && answer.status !== 429) throw refusal(hub, answer, doing)
      if (last) throw new Unreachable(`${hub.settings.endpoint} answered ${answer.status}, ${TRIES} times`)
    } else if (last || noNetwork.has(codeOf(answer))) {
      throw new Unreachable(`${hub.settings.endpoint} cannot be reached (${reasonOf(answer)})`, { cause: answer })
    }
    await pause(hub, tries)
  }
}

/** Waits before try number `tries` + 1. */
export async function pause(hub: HubConnection, tries: number): Promise<void> {
  await sleep(hub.retryDelay * 2 ** (tries - 1))
}

async function ask(hub: HubConnection, url: string, init: RequestInit): Promise<Response | Error> {
  const headers = new Headers(init.headers)
  const { endpoint, accessToken } = hub.settings
  // fetch drops this header where a redirect leads to another host.
  const isHub = new URL(url).origin === new URL(endpoint).origin
  if (accessToken !== undefined && isHub) headers.set('authorization', `Bearer ${accessToken}`)
  try {
    return await hub.fetch(url, { ...init, headers })
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** Codes that a second try would not change. */
const noNetwork = new Set(['ENOTFOUND', 'ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH', 'ENETDOWN', 'EAI_AGAIN'])

function codeOf(error: Error): string {
  return (error.cause as NodeJS.ErrnoException | undefined)?.code ?? ''
}

/** fetch's own message is 'fetch failed'; what happened is in its cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause
  if (!(cause instanceof Error)) return error.message
  return cause.message || (cause as NodeJS.ErrnoException).code || error.message
}

function refusal(hub: HubConnection, answer: Response, doing: string): FileError {
  const { status, headers } = answer
  if (status === 404) return notFound(hub, headers.get('x-error-code'), doing)
  const said = headers.get('x-error-message')
  const what = `${doing}: the hub answered ${status}${said ? ` (${brief(said)})` : ''}`
  if (status !== 401 && status !== 403) {
    return new FileError(`${what}. Check the name, or HF_ENDPOINT if it is set.`)
  }
  const kind = kindNames[hub.kind]
  const token = hub.settings.accessToken
    ? 'The token that was sent gives no access: check it, and that its owner may read this ' + kind
    : `If the name is right, the ${kind} is private or gated: set HF_TOKEN or pass accessToken`
  const terms = `The terms of a gated ${kind} are accepted at ${repositoryAddress(hub)}`
  return new FileError(`${what}. ${token}. ${terms}.`)
}

function notFound(hub: HubConnection, code: string | null, doing: string): FileError {
  const { repoId, revision } = hub
  if (code === 'EntryNotFound') {
    return new FileError(`${doing}: '${repoId}' has no such file at revision '${revision}'. See its list of files.`)
  }
  if (code === 'RevisionNotFound') {
    return new FileError(`${doing}: '${repoId}' has no revision '${revision}'. Name a branch, a tag or a commit.`)
  }
  return new FileError(
    `${doing}: there is no ${kindNames[hub.kind]} '${repoId}' at ${hub.settings.endpoint}. Check its name.`,
  )
}
