/**
 * How do SAE latents take part in indirect object identification? Runs with one and with all attention SAEs; latents
 * and their errors ablated, attributed and cut off from later heads. Run it: npm run example -- ioi
 */
import { readFileSync } from 'node:fs'
import { head, latents, logitDiff } from 'tfjs-lens'
import { ablation, attributionPatching, ioiPrompts, latentPaths, latentsAt } from 'tfjs-lens/analyses'
import { heatmap } from 'tfjs-lens/report'
import { type Result } from 'tfjs-lens'
import { compareMetric, type IoiPrompt } from 'tfjs-lens/analyses'
import { Notebook, pearson, scatter, Table, visibleToken } from 'tfjs-lens/report'
import {
  count,
  hookOption,
  loadSaes,
  research,
  researchModel,
  valueBiasOption,
  type ResearchOptions,
} from './setup/research.js'

const options = research('ioi', {
  does: 'SAE latents in indirect object identification',
  saes: [0, 1, 2, 3].map((layer) => `pocket-z/blocks.${layer}.hook_z`),
  data: 'JSON lines with clean, answer and wrong, all of one length (default: prompts drawn with a seed)',
})
  .option(...hookOption)
  .option(...valueBiasOption)
  .option('--prompts <n>', 'how many are drawn', count, 8)
  .option('--latents <n>', 'latents whose paths are cut', count, 6)
  .parse()
  .opts<ResearchOptions & { prompts: number; latents: number }>()

using model = await researchModel(options)
using saes = await loadSaes(options.sae, options.hook)
const [sae] = saes.list // the one that is studied; the others are attached beside it
const report = new Notebook('Indirect object identification through SAEs', `${model.name}, ${options.sae.join(', ')}`)

report.heading('Prompts', 'logit difference: the answer less the other name, at the last token')
const prompts = options.data === undefined ? ioiPrompts({ count: options.prompts }) : readPrompts(options.data)
const clean = prompts.map((prompt) => prompt.clean)
const metric = logitDiff(prompts.map(({ answer }) => answer), prompts.map(({ wrong }) => wrong)) // prettier-ignore
const S2 = positionOfSecondName()
const one = model.withSaes(sae!)
const kept = model.withSaes(sae!, { errorTerm: true })
const allKept = model.withSaes(saes.list, { errorTerm: true })
const views = { model, 'one SAE': one, 'one, with error': kept, [`${saes.list.length} SAEs`]: model.withSaes(saes.list), [`${saes.list.length}, with errors`]: allKept } // prettier-ignore
const differences = await compareMetric(views, clean, { metric })
const rows = prompts.map(({ clean: text, answer, wrong }, b) => [
  text,
  visibleToken(answer),
  visibleToken(wrong),
  differences.at(b, 'model'),
])
report.show(new Table(['prompt', 'answer', 'wrong', 'logit difference'], rows))
report.heading('With SAEs', 'the same when reconstructions stand in, with and without what they miss')
const average = differences.mean('prompt')
report.show(average, average.plot())
report.keep('differences', differences)

report.heading('Latents ablated', `one at a time at the second name (position ${S2}), by prompt, without error term`)
const acts = await latentsAt(one, clean, { position: S2 })
const live = acts.axes[1]!.labels.flatMap((_, f) => (clean.some((_, b) => acts.at(b, f) > 0) ? [f] : []))
if (live.length === 0) throw new Error(`ioi: no latent of ${sae!.label} fires at position ${S2} of these prompts. Give others, or another SAE.`) // prettier-ignore
const ablated = await ablation(one, clean, { metric, target: latents(sae!, ...live), position: S2 })
const shown = ablated.mean('prompt').top(24)
report.show(
  `${live.length} latents fire there; of these the ${shown.length} of the largest mean effect`,
  heatmap({
    z: shown.map(({ index }) => clean.map((_, b) => ablated.at(index[0]!, b))),
    y: shown.map(({ labels }) => labels[0]!),
    x: ablated.axes[1]!.labels,
    unit: ablated.unit,
  }),
)
report.keep('ablated', ablated)

report.heading('Paths', `from the strongest latents into the value input of each later head`)
const strongest = shown.slice(0, options.latents)
const senders = latents(sae!, ...strongest.map(({ index }) => live[index[0]!]!))
const first = Number(/blocks\.(\d+)/.exec(sae!.hookName)![1]) + 1
const { nLayers, nHeads } = model.config
const receivers = Array.from({ length: (nLayers - first) * nHeads }, (_, i) => head(first + Math.floor(i / nHeads), i % nHeads, 'v')) // prettier-ignore
const paths = await latentPaths(one, clean, { metric, senders, receivers, position: S2 })
report.show(paths.mean('prompt').plot())
report.show(new Table(['latent', 'head', 'mean change'], paths.mean('prompt').top(8).map(({ labels, value }) => [...labels, value]))) // prettier-ignore
report.keep('paths', paths)

report.heading('Errors', 'what SAEs miss, ablated at the second name and everywhere, where it is kept otherwise')
const errors = allKept.attached.map(({ writesAt }) => `${writesAt}.hook_sae_error`)
const target = errors.map((hook) => ({ hook }))
const atName = await ablation(allKept, clean, { metric, target, position: S2 })
const everywhere = await ablation(allKept, clean, { metric, target })
const attributedErrors: number[] = []
for (const hook of errors) attributedErrors.push(mean(perPrompt(await attributionPatching(allKept, clean, { metric, target: { hook } })))) // prettier-ignore
const errorRows = errors.map((hook, i) => [hook, atName.mean('prompt').at(i), everywhere.mean('prompt').at(i), attributedErrors[i]!]) // prettier-ignore
report.show(new Table(['error', 'ablated at the name', 'ablated everywhere', 'attributed everywhere'], errorRows))
report.keep('errors', { hooks: errors, atName: atName.mean('prompt'), everywhere: everywhere.mean('prompt'), attributed: attributedErrors }) // prettier-ignore

report.heading('Attribution patching', 'gradient × (0 − activation) beside exact ablation, each latent and the error')
const exact = await ablation(kept, clean, { metric, target: latents(sae!, ...live), position: S2 })
const estimate = await attributionPatching(kept, clean, { metric, position: S2 })
const errorHook = `${kept.attached[0]!.writesAt}.hook_sae_error`
const exactError = await ablation(kept, clean, { metric, target: { hook: errorHook }, position: S2 })
const estimateError = perPrompt(
  await attributionPatching(kept, clean, { metric, target: { hook: errorHook }, position: S2 }),
)
const points = clean.flatMap((_, b) => [
  ...live.map((f, i) => ({ label: `latent ${f}, prompt ${b}`, x: estimate.at(b, f), y: exact.at(i, b) })),
  { label: `error, prompt ${b}`, x: estimateError[b]!, y: exactError.at(0, b) },
])
const [x, y] = [points.map((point) => point.x), points.map((point) => point.y)]
report.show(scatter({ x, y, labels: points.map(({ label }) => label), identityLine: true, xTitle: 'attributed', yTitle: 'ablated' })) // prettier-ignore
report.number('correlation of latents and errors', pearson(x, y))
report.keep('attribution', points)
await report.write(options.out, await allKept.provenance())

/** A prompt, its answer and the wrong name from each line of a file. */
function readPrompts(path: string): IoiPrompt[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  const read = lines.flatMap((line, i) => {
    if (line.trim() === '') return []
    const prompt = JSON.parse(line) as Partial<IoiPrompt>
    const missing = (['clean', 'answer', 'wrong'] as const).filter((name) => typeof prompt[name] !== 'string')
    if (missing.length === 0) return [prompt as IoiPrompt]
    throw new Error(`ioi: line ${i + 1} of ${path} has no text ${missing.map((name) => `'${name}'`).join(' and ')}. Give clean, answer and wrong.`) // prettier-ignore
  })
  if (read.length > 0) return read
  throw new Error(`ioi: ${path} has no prompts. Give a JSON object with clean, answer and wrong on each line.`)
}

/** Where the wrong name stands for the last time; the analyses take one place for all prompts. */
function positionOfSecondName(): number {
  const all = prompts.map(({ clean: text, wrong }) => model.getTokenPosition(wrong, text, { mode: 'last' }))
  const lengths = new Set(clean.map((text) => model.toStrTokens(text).length))
  if (new Set(all).size === 1 && lengths.size === 1) return all[0]!
  throw new Error(`ioi: the wrong name stands at positions ${all.join(', ')}. Give prompts of one length that have it at one.`) // prettier-ignore
}

/** The sum over all axes but the first, the prompts. */
function perPrompt({ values, axes }: Result): number[] {
  const size = values.length / axes[0]!.labels.length
  return axes[0]!.labels.map((_, b) => values.subarray(b * size, (b + 1) * size).reduce((sum, value) => sum + value, 0))
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
