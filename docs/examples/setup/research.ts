/** What the research scripts share: their options, and the SAEs that these name. */
import { spawn } from 'node:child_process'
import { Command } from 'commander'
import { loadModel, loadSae, type HookedModel } from 'tfjs-lens'
import { saeReleases, type Sae } from 'tfjs-lens/saes'
import { type Drawn } from 'tfjs-lens/report'

export interface ResearchOptions {
  readonly model: string
  readonly sae: string[]
  readonly data?: string
  readonly hook?: string[]
  readonly keepValueBiases?: boolean
  readonly out: string
}

/** For SAEs of files that hold weights alone. */
export const hookOption = ['--hook <name...>', 'hook points of SAEs whose files do not say: one, or one for each --sae'] as const // prettier-ignore

/** For attention SAEs of unprocessed weights, such as gpt2-small-hook-z-kk. */
export const valueBiasOption = ['--keep-value-biases', 'leave b_V in hook_z, as SAEs of unprocessed weights want it', false] as const // prettier-ignore

/** A command with --model, --sae, --data and --out; `.option(…)` adds more, `.parse().opts()` reads them all. */
export function research(name: string, about: { does: string; saes: string[]; data: string }): Command {
  return new Command(name)
    .description(about.does)
    .option('--model <name>', 'a model name of the hub, or a folder', 'pocket-gpt2')
    .option(
      '--sae <release/id...>',
      'SAEs: release and id, a repository of the hub and a path in it, a folder, or a file',
      about.saes,
    )
    .option('--data <source>', about.data)
    .option('--out <folder>', 'where report.html and results.json go', `out/${name}`)
}

/** A whole number from 1, for an option. */
export function count(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new Error(`'${text}' is no count. Give a whole number from 1.`)
}

/** The model of --model, processed as its SAEs want it. */
export function researchModel({ model, keepValueBiases }: ResearchOptions): Promise<HookedModel> {
  return loadModel(model, keepValueBiases ? { process: { foldValueBiases: false } } : {})
}

/**
 * SAEs by `release/id` or `org/repo/path`, or by folder or file where the name begins with `.` or `/`. Dispose them
 * together.
 * @param hooks their hook points where the files do not say: one, or one for each
 */
export async function loadSaes(
  names: readonly string[],
  hooks: readonly string[] = [],
): Promise<Disposable & { readonly list: Sae[] }> {
  if (hooks.length > 1 && hooks.length !== names.length) {
    throw new Error(`--hook: there are ${hooks.length} hook points for ${names.length} SAEs. Give one, or one for each.`) // prettier-ignore
  }
  const list: Sae[] = []
  for (const [i, name] of names.entries()) {
    const hookName = hooks.length > 1 ? hooks[i] : hooks[0]
    const facts = hookName === undefined ? {} : { hookName }
    const [source, id] = splitName(name)
    list.push(await (id === undefined ? loadSae(source, facts) : loadSae(source, id, facts)))
  }
  return { list, [Symbol.dispose]: () => list.forEach((sae) => sae.dispose()) }
}

/** What `loadSae` takes: a release and an id, a repository and a path in it, or a path. */
function splitName(name: string): [source: string, id?: string] {
  const [first, second, ...rest] = name.split('/')
  if (second === undefined || /^[./]/.test(name)) return [name]
  if (rest.length === 0 || saeReleases().some((release) => release.name === first))
    return [first!, [second, ...rest].join('/')]
  return [`${first}/${second}`, rest.join('/')]
}

/** The names themselves, and for a release without an id those of all its SAEs. */
export function saeNames(names: readonly string[]): string[] {
  const releases = new Map(saeReleases().map(({ name, ids }) => [name, ids]))
  return names.flatMap((name) => releases.get(name)?.map((id) => `${name}/${id}`) ?? [name])
}

/** Opens a page in the user's browser; says so where there is no command for that. */
export function openInBrowser(url: string): void {
  const [command, ...args] =
    process.platform === 'darwin' ? ['open'] : process.platform === 'win32' ? ['rundll32', 'url.dll,FileProtocolHandler'] : ['xdg-open'] // prettier-ignore
  const opener = spawn(command!, [...args, url], { stdio: 'ignore', detached: true })
  opener.on('error', ({ message }) => console.error(`cannot open a browser: ${message}`)).unref()
}

/** A link for a report: to be followed in the page, in full in the terminal. @param url percent-encoded */
export function link(url: string, text: string): Drawn {
  const plain = (html: string) => html.replace(/[&<>"]/g, (sign) => `&#${sign.codePointAt(0)};`)
  return { toString: () => url, toHtml: () => `<p><a href="${plain(url)}">${plain(text)}</a></p>` }
}
