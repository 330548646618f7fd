/** `ioi`, the main job: the study of indirect object identification on the embedded model, printed and as a report. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Command } from 'commander'
import { ArgumentError } from '../errors/errors.js'

const SAES = ['pocket-res/blocks.2.hook_resid_pre', 'pocket-z/blocks.2.hook_z', 'pocket-mlp/blocks.3.mlp.hook_post']

interface Options {
  readonly model: string
  readonly sae: readonly string[]
  readonly prompts: string
  readonly seed: string
  readonly top: string
  readonly out: string
}

export function register(program: Command): void {
  program
    .command('ioi')
    .description(
      'study indirect object identification: attribution, patching and ablation; writes an HTML report and JSON',
    )
    .option('--model <folder>', 'model folder in Hugging Face layout', 'pocket-gpt2')
    .option('--sae <release/id...>', 'SAEs: embedded ones by release and id, others by folder', SAES)
    .option('--prompts <count>', 'number of prompts', '8')
    .option('--seed <number>', 'seed of the prompts', '0')
    .option('--top <count>', 'latents shown in tables', '15')
    .option('--out <folder>', 'where report.html and results.json go', 'out/ioi-report')
    .action(run)
}

async function run(options: Options): Promise<void> {
  const started = Date.now()
  const count = wholeNumber('prompts', options.prompts)
  const seed = wholeNumber('seed', options.seed, 0)
  const top = wholeNumber('top', options.top)
  const [{ backendNotice, useBackend }, { loadModel }, { loadSae }, { ioiPrompts }] = await Promise.all([
    import('../backend/backend.js'),
    import('../../models/load-model.js'),
    import('../../saes/load-sae.js'),
    import('../../analyses/prompts/ioi-prompts.js'),
  ])
  const [{ studyIoi }, { printStudy, studyPage }, { writePage }, { writeFileAtomic }, { NotebookResults }] =
    await Promise.all([
      import('./ioi/study.js'),
      import('./ioi/report.js'),
      import('../report/page/page.js'),
      import('../files/write-atomic.js'),
      import('../report/notebook/notebook-results.js'),
    ])
  console.error(backendNotice(await useBackend()))
  const model = await loadModel(options.model)
  const saes = []
  for (const name of options.sae) saes.push(await loadSae(...splitName(name)))
  const study = await studyIoi(model, saes, ioiPrompts({ count, seed }), seed)
  printStudy(study, top)
  const [html, json] = [resolve(options.out, 'report.html'), resolve(options.out, 'results.json')]
  const page = studyPage(study, top)
  await writePage(html, page)
  const { format } = NotebookResults // what loadResult reads it as
  await writeFileAtomic(json, JSON.stringify({ format, version: 1, title: page.title, ...study }, null, 1))
  for (const sae of saes) sae.dispose()
  model.dispose()
  console.log(`\nReport:  ${pathToFileURL(html).href}\nNumbers: ${json}`)
  console.error(`Done in ${((Date.now() - started) / 1000).toFixed(1)} s.`)
}

/** `pocket-res/blocks.2.hook_resid_pre` is a release and an id; a folder stays whole. */
function splitName(name: string): [release: string, id?: string] {
  const [release, ...id] = name.split('/')
  return /^pocket-/.test(release!) && id.length > 0 ? [release!, id.join('/')] : [name]
}

function wholeNumber(option: string, text: string, least = 1): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value
  throw new ArgumentError(`ioi: --${option} is '${text}'. It must be a whole number from ${least}.`)
}
