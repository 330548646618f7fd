/** What the research scripts share: their options, and the SAEs that these name. */
import { spawn } from 'node:child_process'
import { Command } from 'commander'
import { loadSae, saeReleases, type Sae } from 'tfjs-lens'

export interface ResearchOptions {
  readonly model: string
  readonly sae: string[]
  readonly data?: string
  readonly out: string
}

/** A command with --model, --sae, --data and --out; `.option(…)` adds more, `.parse().opts()` reads them all. */
export function research(name: string, about: { does: string; saes: string[]; data: string }): Command {
  return new Command(name)
    .description(about.does)
    .option('--model <name>', 'a model name of the hub, or a folder', 'pocket-gpt2')
    .option('--sae <release/id...>', 'SAEs: release and id, a folder, or a file', about.saes)
    .option('--data <source>', about.data)
    .option('--out <folder>', 'where report.html and results.json go', `out/${name}`)
}

/** A whole number from 1, for an option. */
export function count(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new Error(`'${text}' is no count. Give a whole number from 1.`)
}

/** SAEs by `release/id`, or by folder or file where the name begins with `.` or `/`. Dispose them together. */
export async function loadSaes(names: readonly string[]): Promise<Disposable & { readonly list: Sae[] }> {
  const list: Sae[] = []
  for (const name of names) {
    const slash = name.indexOf('/')
    const isPath = /^[./]/.test(name) || slash < 0
    list.push(await (isPath ? loadSae(name) : loadSae(name.slice(0, slash), name.slice(slash + 1))))
  }
  return { list, [Symbol.dispose]: () => list.forEach((sae) => sae.dispose()) }
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
