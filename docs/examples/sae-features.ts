/**
 * What do the latents of an SAE stand for? Those that fire on sums, the tokens they speak for, the text they fire on
 * most, and for attention SAEs where that comes from. Run it: npm run example -- sae-features
 */
import * as tf from '@tensorflow/tfjs'
import { arithmeticPrompts, generationAccuracy } from 'tfjs-lens/analyses'
import { loadData } from 'tfjs-lens/data'
import { histogram, indexWithBuffer, kLargestIndices } from 'tfjs-lens/report'
import { pocketText } from 'tfjs-lens/models'
import { maxActivating, topLatents, topLogits, writePrompts } from 'tfjs-lens/analyses'
import { Notebook, Table, visibleToken } from 'tfjs-lens/report'
import type { Sae } from 'tfjs-lens/saes'
import type { ArithmeticOperation } from 'tfjs-lens/analyses'
import type { Highlight } from 'tfjs-lens/report'
import {
  count,
  hookOption,
  loadSaes,
  research,
  researchModel,
  valueBiasOption,
  type ResearchOptions,
} from './setup/research.js'

const options = research('sae-features', {
  does: 'what the latents of SAEs stand for',
  saes: ['pocket-res/blocks.2.hook_resid_pre', ...[0, 1, 2, 3].map((layer) => `pocket-z/blocks.${layer}.hook_z`)],
  data: 'text: a file, a folder or a data set of the hub (default: the embedded test text)',
})
  .option(...hookOption)
  .option(...valueBiasOption)
  .option('--prompts <n>', 'sums of each kind', count, 12)
  .option('--rows <n>', 'rows of text that are searched', count, 128)
  .option('--save <file>', 'write the sums as JSON lines')
  .parse()
  .opts<ResearchOptions & { prompts: number; rows: number; save?: string }>()

/** Tokens shown on both sides of an example. */
const BUFFER = 7

using model = await researchModel(options)
using saes = await loadSaes(options.sae, options.hook)
const [sae] = saes.list // the one that is studied; the others are looked at if they read attention
const view = model.withSaes(sae!)
const report = new Notebook('What the latents of an SAE stand for', `${model.name}, ${sae!.label}`)

report.heading('The SAE')
report.show(configTable(sae!), shapesTable(sae!))

report.heading('Sums', 'does the model know them? With and without a worked example; the likeliest tokens and sampled')
const operations: ArithmeticOperation[] = ['plus', 'minus', 'times']
const sums = operations.flatMap((operation) =>
  [false, true].map((example) => {
    const prompts = arithmeticPrompts({ count: options.prompts, operations: [operation], example, seed: 1 })
    return { name: `${operation}${example ? ', with example' : ''}`, prompts }
  }),
)
if (options.save !== undefined) await writePrompts(options.save, sums.flatMap(({ prompts }) => prompts)) // prettier-ignore
const rows: [string, number, number][] = []
for (const { name, prompts } of sums) {
  const likeliest = await generationAccuracy(model, prompts, { sample: false })
  const sampled = await generationAccuracy(model, prompts, { temperature: 1, seed: 1 })
  if (rows.length === 0) report.show(likeliest)
  rows.push([name, likeliest.accuracy, sampled.accuracy])
}
report.show(new Table(['sums', 'right', 'right when sampled'], rows))
report.keep('accuracy', Object.fromEntries(rows.map(([name, ...shares]) => [name, shares])))

report.heading('Latents at the last token', 'among the five largest before the activation, counted over prompts')
const tops = await Promise.all(sums.map(({ prompts }) => topLatents(view, model.toTokens(prompts.map(({ text }) => text), { paddingSide: 'left' }), { k: 5, point: 'hook_sae_acts_pre' }))) // prettier-ignore
const most = tops.map((top) => top.top(8, { by: 'largest' }).filter(({ value }) => value > 0))
const places = Array.from({ length: Math.max(...most.map(({ length }) => length)) }, (_, place) => [
  place + 1,
  ...most.map((list) => (list[place] ? `${latentOf(list[place])} (${list[place].value})` : null)),
])
report.show(new Table(['place', ...sums.map(({ name }) => name)], places, { title: 'latent (prompts)' }))
report.show('on how many prompts a latent is among them', histogram({ values: tops.flatMap(({ values }) => [...values]), bins: options.prompts, xTitle: 'prompts on which a latent is among the five', yTitle: 'latents' })) // prettier-ignore
report.keep('topLatents', Object.fromEntries(tops.map((top, i) => [sums[i]!.name, top])))

const latents = [...new Set(most.flatMap((list) => list.slice(0, 2).map((each) => latentOf(each))))].slice(0, 5)
const [latent] = latents

report.heading('One latent on text', `the largest activations of latent ${latent}, found by hand`)
const data = await loadData(model, options.data ?? pocketText('test'), {
  positions: Math.min(64, model.config.nCtx),
  limit: options.rows,
})
const { texts, acts } = await activationsOf(latent!)
const indices = kLargestIndices(acts, { k: 5, buffer: BUFFER })
const { windows } = indexWithBuffer(acts, indices, BUFFER)
const highlights = indices.map(([row, column], i): Highlight => {
  return { tokens: texts[row]!.slice(column - BUFFER, column + BUFFER + 1), values: windows[i]!, max: acts[indices[0]![0]]![indices[0]![1]]!, mark: BUFFER } // prettier-ignore
})
report.show(...highlights)
report.keep('kLargest', { latent, indices, windows })

report.heading('Tokens they speak for', 'what a unit of the latent adds to the logits')
const logits = await topLogits(view, { latents, k: 8 })
report.show(...latents.map((one) => logitsTable(one)))
report.keep('topLogits', logits)

report.heading('Text they fire on', `over ${options.rows} rows`)
const examples = await maxActivating(view, data, { latents, k: 5, buffer: BUFFER })
report.show(examples)
report.keep('examples', examples)

for (const attention of saes.list.filter(({ hookName }) => hookName.endsWith('.attn.hook_z'))) {
  report.heading(attention.label, 'its latents on sums: text they fire on, each line with the text that this comes from in front') // prettier-ignore
  const heads = model.withSaes(attention)
  const asked = sums[0]!.prompts.map(({ text }) => text)
  const active = await topLatents(heads, asked, { k: 3 })
  const chosen = active.top(3, { by: 'largest' }).flatMap((each) => (each.value > 0 ? [latentOf(each)] : []))
  if (chosen.length === 0) {
    report.show('None of its latents fires there.')
    continue
  }
  const attributed = await maxActivating(heads, data, { latents: chosen, k: 3, buffer: BUFFER, dfa: true })
  report.show(attributed)
  report.keep(attention.label, attributed)
}
await report.write(options.out, await view.provenance())

/** A latent by its label. */
function latentOf({ labels }: { readonly labels: readonly string[] }): number {
  return Number(labels[0]!.replace('latent ', ''))
}

function configTable({ config }: Sae): Table {
  const shown = Object.entries(config).filter(([name, value]) => name !== 'metadata' && value !== undefined)
  return new Table(['config', 'value'], shown.map(([name, value]) => [name, typeof value === 'object' ? JSON.stringify(value) : String(value)])) // prettier-ignore
}

/** Weights with the names of their axes. */
function shapesTable(one: Sae): Table {
  const axes: Record<string, string> = { W_enc: 'd_in, d_sae', W_dec: 'd_sae, d_in', b_dec: 'd_in' }
  const shapes = Object.entries(one.weightShapes())
  return new Table(['weight', 'axes', 'shape'], shapes.map(([name, shape]) => [name, axes[name] ?? 'd_sae', shape.join(' × ')])) // prettier-ignore
}

function logitsTable(one: number): Table {
  const { top, bottom } = logits.latents.find((each) => each.latent === one)!
  const cells = top.map((up, i) => [visibleToken(up.token), up.logit, visibleToken(bottom[i]!.token), bottom[i]!.logit])
  return new Table(['raised', 'logits', 'lowered', 'logits'], cells, { title: `latent ${one}` })
}

/** Texts [row][token] and activations [row][token] of a latent. */
async function activationsOf(one: number): Promise<{ texts: string[][]; acts: number[][] }> {
  const name = `${sae!.hookName}.hook_sae_acts_post`
  const [texts, acts]: [string[][], number[][]] = [[], []]
  for await (const { tokens } of data.batches()) {
    using cache = view.runWithCache(tokens, { names: name, logits: false })
    const ofLatent = tf.tidy(() => cache.get(name).gather([one], 2).squeeze<tf.Tensor2D>([2])) // [B,P]
    acts.push(...(await ofLatent.array()))
    ofLatent.dispose()
    texts.push(...tokens.rows.map((row) => model.toStrTokens([...row], { prependBos: false })))
  }
  return { texts, acts }
}
