/**
 * Which latents of an MLP make a model close a quotation, and what is lost without them? Found by what ablating each
 * costs, then taken apart and taken out. Run it: npm run example -- closing-quotes
 */
import { answerRanks, latentAblation, directionDfa, latentDla, directLogitAttribution } from 'tfjs-lens/analyses'
import { bars } from 'tfjs-lens/report'
import { latentPeaks, latentsAt, logitBoosts, logprobBoosts, compareLosses } from 'tfjs-lens/analyses'
import { loadData } from 'tfjs-lens/data'
import { histogram } from 'tfjs-lens/report'
import { pocketText } from 'tfjs-lens/models'
import { meanActivation, meanInterval, peakExamples, positionAblation } from 'tfjs-lens/analyses'
import { Notebook, pearson } from 'tfjs-lens/report'
import { positionsAt, rareTokens, reconstructionLoss, tokenCounts, tokenLabel } from 'tfjs-lens/analyses'
import { scatter, Table } from 'tfjs-lens/report'
import { latentsByLoss, withoutError, withoutLatents, withReplaced } from 'tfjs-lens/analyses'
import { visibleToken } from 'tfjs-lens/report'
import { latents, type Result } from 'tfjs-lens'
import { count, hookOption, loadSaes, research, researchModel, type ResearchOptions } from './setup/research.js'

const options = research('closing-quotes', {
  does: 'latents of an MLP that close quotations',
  saes: ['pocket-mlp/blocks.3.mlp.hook_post', 'pocket-mlp/blocks.1.mlp.hook_post'],
  data: 'text: a file, a folder or a data set of the hub (default: the embedded test text)',
})
  .option(...hookOption)
  .option('--prompts <n>', 'documents that are read (default: 300, with --data 20000)', count)
  .option('--tests <n>', 'prompts that end in the answer', count, 40)
  .option('--longest <n>', 'tokens of such a prompt, at most', count, 48)
  .option('--answer <token>', 'what closes', ',"')
  .parse()
  .opts<ResearchOptions & { prompts?: number; tests: number; longest: number; answer: string }>()

using model = await researchModel(options)
using saes = await loadSaes(options.sae, options.hook)
const [sae, early] = saes.list // the one that is studied, and one of a lower MLP
const view = model.withSaes(sae!, { errorTerm: true })
const report = new Notebook('Latents that close quotations', `${model.name}, ${sae!.label}`)

report.heading('Encoders')
report.show(new Table(['encoder', 'hook point', 'latents'], saes.list.map(({ label, config }) => [label, config.hookName, config.dSae]))) // prettier-ignore

report.heading('Activations in general', 'the largest activation of each latent in each prompt, and its token')
const limit = options.prompts ?? (options.data === undefined ? 300 : 20_000)
const data = await loadData(model, options.data ?? pocketText('test'), { layout: 'documents', positions: Math.min(96, model.config.nCtx), rows: 32, limit }) // prettier-ignore
const documents: number[][] = []
for await (const { tokens } of data.batches()) documents.push(...tokens.rows.map((row, b) => row.filter((_, p) => tokens.mask?.[b]?.[p] !== 0))) // prettier-ignore
const found = await latentPeaks(view, data, { k: 5, dropLast: 1, limit: documents.length })
const largest = [...found.latents].sort((a, b) => found.max[b]! - found.max[a]!).slice(0, 8)
report.show(
  new Table(
    ['latent', 'fires in', 'prompt', 'token', 'activation'],
    largest.map((f) => peakRow(f)),
  ),
)
report.show(histogram({ values: found.max, bins: 20, title: 'largest activation of each latent', yTitle: 'latents' }))
report.keep('maxima', [...found.max])
const counts = await tokenCounts(model, documents)
const rare = rareTokens(counts, 4)
report.show(`${counts.values.length - rare.length} tokens are common, ${rare.length} occur at most 4 times`)

report.heading('Test prompts', `cut behind the first ${options.answer}; what is judged is the prediction of it`)
const id = model.toSingleToken(options.answer)
const rows = documents.flatMap((row) => {
  const end = row.slice(0, options.longest).indexOf(id)
  return end > 1 ? [row.slice(0, end + 1)] : []
})
if (rows.length === 0) throw new Error(`closing-quotes: none of ${documents.length} documents has ${options.answer} among its first ${options.longest} tokens. Give another --answer, more --prompts or a larger --longest.`) // prettier-ignore
const tests = model.toTokens(rows.slice(0, options.tests))
const at = positionsAt(tests, -2)
report.show(`${tests.batch} prompts, such as`, model.toString(rows[0]!.slice(1)))
const dla = await directLogitAttribution(model, tests, { answer: id, position: -2 })
report.show('what writes the answer', table('component', 'logits', dla.mean('prompt'), 10))

report.heading('Reconstruction', 'loss at the position, with nothing and with what the SAE makes of it')
for (const one of saes.list) {
  const recovered = await reconstructionLoss(model.withSaes(one, { errorTerm: true }), tests)
  report.show(recovered.mean('prompt'))
  report.number(`loss recovered by ${one.label}`, recovered.lossRecovered)
}

report.heading('Directions', 'latents that fire here as they rarely do elsewhere')
const directions = await latentsByLoss(view, tests, { maxima: found.max, limit: 30, prompts: 20 })
if (directions.latents.length === 0) throw new Error('closing-quotes: no latent fires on the test prompts as it rarely does elsewhere. Give more --tests, or another SAE.') // prettier-ignore
report.show(directions.toTable({ limit: 10 }))
const quantity = (name: string) => directions.select('quantity', name).values
report.show(scatter({ x: quantity('mean activation'), y: quantity('loss increase'), labels: directions.axes[0]!.labels, xTitle: 'mean activation', yTitle: 'loss increase' })) // prettier-ignore
report.keep('directions', directions)
const chosen = directions.latents.slice(0, 3)
const [first] = chosen as [number]
report.show(await peakExamples(view, found, { latents: chosen, k: 5, buffer: 6 }))

report.heading('Remainder', 'the MLP, its reconstruction and the rest, in the answer’s logit')
const parts = (await directLogitAttribution(view, tests, { answer: id, position: -2, latents: 0 })).mean('prompt')
const part = (name: string) => parts.at(`${sae!.hookName} ${name}`)
const [code, rest] = [part('other latents') + part('b_dec'), part('error')]
report.show(new Table(['part', 'logits'], [['MLP', code + rest], ['reconstruction', code], ['remainder', rest]])) // prettier-ignore
report.keep('remainder', { mlp: code + rest, reconstruction: code, remainder: rest })

report.heading('What feeds the directions', 'components through W_in and W_enc, inactive neurons at 0 or at their mean')
for (const inactive of ['zero', 'mean'] as const) {
  const dfa = await directionDfa(view, tests, {
    latents: [...chosen],
    position: -2,
    inactive,
    source: documents.slice(0, 12),
  })
  report.show(table('component', `inactive neurons: ${inactive}`, dfa.mean('prompt').select('latent', 0), 6))
}

const off = early?.hookName ?? 'blocks.0.mlp.hook_post'
const acts = await latentsAt(view, tests, { latents: chosen, position: -2 })
const actsOff = await latentsAt(withReplaced(view, { hook: off }, { positions: at }), tests, {
  latents: chosen,
  position: -2,
})
report.show(`their activations, and those with ${off} at 0 there, on average`, new Table(['latent', 'as it is', 'without'], chosen.map((f, i) => [String(f), acts.mean('prompt').at(i), actsOff.mean('prompt').at(i)]))) // prettier-ignore
report.keep('withoutEarlyMlp', { off, acts: acts.mean('prompt'), actsOff: actsOff.mean('prompt') })

report.heading('Without the directions', `latents ${chosen.join(', ')} taken out together`)
const increase = difference(await latentAblation(view, tests, { target: latents(sae!, ...chosen) }))
report.number('mean loss increase', meanInterval(increase).mean, `± ${meanInterval(increase).ci95.toFixed(4)} nats`)
report.show(histogram({ values: increase, bins: 20, xTitle: 'loss increase (nats)', yTitle: 'prompts' }))
const mean = await meanActivation(model, documents.slice(0, 10), { hook: sae!.hookName })
const without = withoutLatents(view, latents(sae!, ...chosen), { positions: at })
const site = { hook: sae!.hookName }
const zero = withReplaced(model, site, { positions: at })
const meant = withReplaced(model, site, { positions: at, by: mean.values })
const encoded = withoutError(view, { positions: at, hook: sae!.hookName })
const ranks = await answerRanks(model, tests, { edited: without, answer: id, position: -2 })
const changes = Object.entries(ranks.difference)
report.show('the answer, before less after', intervals(changes.map(([name, change]) => [name, change])))
report.keep('answer', changes)
const losses = await compareLosses({ original: model, mean: meant, zero, directions: without, reconstruction: encoded }, tests) // prettier-ignore
const conditions = losses.axes[1]!.labels
report.show('loss, with its 95% interval', intervals(conditions.map((name) => [name, meanInterval(losses.select('condition', name).values, 0)]))) // prettier-ignore
report.keep('losses', losses)

report.heading('What the first direction says', `latent ${first}`)
const only = withoutLatents(view, latents(sae!, first), { positions: at })
const boosts = await logprobBoosts(model, only, tests, { position: -2, floor: -9, exclude: rare })
report.show('log probabilities, with less without it', table('token', 'nats', boosts, 8))
report.show('directly, through W_out and W_U', table('token', 'logits', (await logitBoosts(view, { latents: [first], exclude: rare })).select('latent', 0), 8)) // prettier-ignore
const weights = (await latentsAt(view, tests, { position: -2 })).mean('prompt').values
const towards = await latentDla(view, { answer: id, weights })
report.show(
  `all latents into the logit of ${options.answer}, by mean activation`,
  table('latent', 'logits', towards, 8),
)
report.keep('latentDla', towards)

report.heading('Each active position', `latent ${first} taken out at one position of general text at a time`)
const active = await positionAblation(view, documents.slice(0, 100), { target: latents(sae!, first), threshold: 0.1 * found.max[first]!, limit: 300 }) // prettier-ignore
const [x, y] = ['activation', 'loss increase'].map((name) => active.select('quantity', name).values) as [Float32Array, Float32Array] // prettier-ignore
report.show(scatter({ x, y, labels: active.axes[0]!.labels, xTitle: 'activation', yTitle: 'loss increase (nats)' }))
report.number('correlation of activation and loss increase', pearson(x, y))
await report.write(options.out, await view.provenance())

/** A latent's largest activation, where it is, and in how many prompts it fires. */
function peakRow(latent: number): (string | number)[] {
  const { prompt, ids, position, activation } = found.peaks[latent]![0]!
  const token = visibleToken(tokenLabel(model.tokenizer, ids[position]!))
  return [String(latent), `${found.firing[latent]} of ${found.prompts}`, String(prompt), token, activation]
}

/** The largest values of a result of one axis; 0 is where nothing is. */
function table(label: string, unit: string, result: Result, limit: number): Table {
  const top = result.top(limit).filter(({ value }) => value !== 0)
  return new Table(
    [label, unit],
    top.map(({ labels, value }) => [visibleToken(labels[0]!), value]),
  )
}

function difference(losses: Result): number[] {
  return losses.axes[0]!.labels.map((_, b) => losses.at(b, 'ablated') - losses.at(b, 'original'))
}

/** Bars of means with 95% intervals. */
function intervals(of: readonly [string, { mean: number; ci95: number }][]) {
  return bars({ labels: of.map(([name]) => name), y: of.map(([, { mean }]) => mean), error: of.map(([, { ci95 }]) => ci95) }) // prettier-ignore
}
