/**
 * Which latents speak for what? Four numbers for what each does to the logits, in all SAEs of a model, and the sets of
 * tokens that its largest effects gather. Run it: npm run example -- logit-lens
 */
import { readFileSync } from 'node:fs'
import { decadeSets, enrichment, joinStatistics, latentDensity, latentProperties, latentsBy } from 'tfjs-lens/analyses'
import { bars } from 'tfjs-lens/report'
import { loadModel } from 'tfjs-lens'
import { latentStatistics, letterSets, manhattan, partOfSpeechSets } from 'tfjs-lens/analyses'
import { loadData } from 'tfjs-lens/data'
import { Notebook } from 'tfjs-lens/report'
import { pocketText } from 'tfjs-lens/models'
import { neuronpediaListUrl, regexSets, statisticAnimation, statisticAreas, statisticBoxes } from 'tfjs-lens/analyses'
import { statisticHistogram, statisticScatter, summarizeStatistic, topEnriched, topLogits } from 'tfjs-lens/analyses'
import { Table } from 'tfjs-lens/report'
import { tokenLabel, wordLists, wordSets } from 'tfjs-lens/analyses'
import { visibleToken } from 'tfjs-lens/report'
import type { HookedModel } from 'tfjs-lens'
import type { LatentStatistics, RankedLatent, TokenLogit, TokenSets } from 'tfjs-lens/analyses'
import { count, link, loadSaes, openInBrowser, research, saeNames, type ResearchOptions } from './setup/research.js'

const options = research('logit-lens', {
  does: 'what the latents of all SAEs of a model do to its logits',
  saes: ['pocket-res'],
  data: 'text that sparsities are counted on where SAEs come without (default: the embedded test text)',
})
  .option('--study <release/id>', 'the SAE whose latents are looked at (default: the middle one)')
  .option('--latents <n>', 'how many of its most skewed latents are tested for enrichment', count, 1000)
  .option('--permutations <n>', 'random sets that p-values are counted from', count, 999)
  .option('--rows <n>', 'rows of text that sparsities are counted on', count, 128)
  .option('--sets <file>', 'JSON of more token sets: a pattern, words or token ids by name')
  .option('--pieces', 'words of several tokens bring all of their pieces, as in SAELens', false)
  .option('--open', 'open the lists on Neuronpedia in the browser', false)
  .parse()
  .opts<LogitLensOptions>()

interface LogitLensOptions extends ResearchOptions {
  readonly study?: string
  readonly latents: number
  readonly permutations: number
  readonly rows: number
  readonly sets?: string
  readonly pieces: boolean
  readonly open: boolean
}

/** Latents of each query, and tokens shown of each. */
const SHOWN = 5

using model = await loadModel(options.model)
const names = [...new Set([...saeNames(options.sae), ...(options.study === undefined ? [] : [options.study])])]
const report = new Notebook('Latents through the logit lens', `${model.name}, ${names.join(', ')}`)

report.heading('SAEs', 'one in memory at a time; how often a latent fires is in its folder or counted on text')
const parts: Record<'plain' | 'cosine' | 'weights', LatentStatistics[]> = { plain: [], cosine: [], weights: [] }
const counted: string[] = []
for (const name of names) {
  using saes = await loadSaes([name])
  const [sae] = saes.list
  const view = model.withSaes(sae!)
  if (!sae!.logSparsity) counted.push(sae!.label)
  sae!.logSparsity ??= await sparsityOnText(view)
  parts.plain.push(await latentStatistics(view))
  parts.cosine.push(await latentStatistics(view, { cosine: true }))
  if (sae!.hookNameOut === undefined) parts.weights.push(await latentProperties(view))
}
const statistics = joinStatistics(parts.plain)
const sparsity = summarizeStatistic(statistics, 'log sparsity')
report.show(new Table(['SAE', 'hook point', 'latents', 'median log sparsity', 'dead'], parts.plain.map((part) => saeRow(part)))) // prettier-ignore
if (counted.length > 0) report.show(`counted on ${options.rows} rows of text: ${counted.join(', ')}`)
report.show(statisticHistogram(statistics, 'log sparsity'))
report.keep('sparsity', sparsity)

report.heading(
  'Moments',
  'of W_dec · W_U over the vocabulary: for a Gaussian skewness is 0 and kurtosis 3; the mean is 0 where the unembedding is centered',
)
const moments = ['mean', 'std', 'skewness', 'kurtosis'] as const
const cosine = joinStatistics(parts.cosine)
report.show(medians('median of latents', statistics), medians('the same with columns of W_U of norm 1', cosine))
report.show(...statistics.notes, ...moments.slice(1).map((name) => statisticHistogram(statistics, name)))
report.show(...moments.map((name) => statisticHistogram(cosine, name)))
report.show(statisticScatter(statistics, { x: 'std', y: 'kurtosis', log: 'xy' }))
report.show(statisticScatter(statistics, { x: 'skewness', y: 'kurtosis', log: 'xy' }))
report.keep('statistics', statistics)
report.keep('cosine', cosine)

if (names.length > 1) {
  report.heading('Layer by layer', 'how each statistic is spread over the latents of each SAE')
  report.show(statisticBoxes(statistics, 'std'), statisticBoxes(statistics, 'skewness'), statisticBoxes(statistics, 'kurtosis', { log: true })) // prettier-ignore
  report.show(statisticAreas(statistics, 'std'), statisticAreas(statistics, 'skewness'), statisticAreas(statistics, 'kurtosis', { log: true })) // prettier-ignore
  report.show(statisticAnimation(statistics, { x: 'skewness', y: 'kurtosis', log: 'y' }))
}
if (parts.weights.length > 0) {
  report.heading('Weights', 'the decoder of each latent against its encoder, by how often it fires')
  const weights = joinStatistics(parts.weights)
  report.show(statisticScatter(weights, { x: 'log sparsity', y: 'cosine of decoder and encoder' }))
  report.keep('weights', weights)
}

const study = options.study ?? names[names.length >> 1]!
const ofStudy = parts.plain[names.indexOf(study)]!
using studied = await loadSaes([study])
const [sae] = studied.list
const view = model.withSaes(sae!)

report.heading('Queries', `latents of ${sae!.label} by their statistics, and the tokens they raise and lower most`)
const skewness = new Map([...latentsBy(ofStudy, 'skewness')].map(({ latent, value }) => [latent, value]))
const queries: Record<string, RankedLatent[]> = {
  'highest skewness': [...latentsBy(ofStudy, 'skewness', { k: SHOWN })],
  'lowest skewness': [...latentsBy(ofStudy, 'skewness', { k: SHOWN, by: 'smallest' })],
  'middle of skewness': [...latentsBy(ofStudy, 'skewness', { percentiles: [49, 51], k: SHOWN })],
  'highest kurtosis, skewness within ±1': [...latentsBy(ofStudy, 'kurtosis')].filter(({ latent }) => Math.abs(skewness.get(latent)!) < 1).slice(0, SHOWN), // prettier-ignore
  'highest std': [...latentsBy(ofStudy, 'std', { k: SHOWN })],
}
const links: Record<string, string> = {}
for (const [query, found] of Object.entries(queries).filter(([, { length }]) => length > 0)) {
  const latents = found.map(({ latent }) => latent)
  const speaks = await tokensOf(latents)
  report.show(new Table(['latent', 'value', 'raised', 'lowered'], found.map(({ latent, value }, i) => [String(latent), value, ...speaks[i]!]), { title: query })) // prettier-ignore
  if (sae!.config.neuronpediaId !== undefined) links[query] = neuronpediaListUrl(sae!.config, latents, query)
  if (links[query] !== undefined) report.show(link(links[query], `${query}, on Neuronpedia`))
}
if (Object.keys(links).length === 0) report.show('No lists on Neuronpedia: the config of the SAE names no place there.')
if (options.open) Object.values(links).forEach(openInBrowser)
report.keep('queries', queries)
report.keep('links', links)

report.heading('Token sets')
const words = { whole: !options.pieces }
const { boys_names, girls_names, ...otherWords } = wordLists
const groups: Record<string, TokenSets> = {
  letters: letterSets(model),
  patterns: regexSets(model),
  'parts of speech': await partOfSpeechSets(model),
  names: wordSets(model, { boys_names, girls_names }, words),
  years: { ...wordSets(model, { years: range(1900, 2020) }, words), ...decadeSets(model, undefined, words) },
  words: wordSets(model, otherWords, words),
  ...(options.sets !== undefined && { given: givenSets(options.sets) }),
}
const named = Object.entries(groups).flatMap(([group, sets]) => Object.entries(sets).map(([name, ids]) => ({ group, name, ids }))) // prettier-ignore
const filled = named.filter(({ ids }) => ids.length > 0)
report.show(new Table(['group', 'set', 'tokens', 'such as'], filled.map(({ group, name, ids }) => [group, name, ids.length, shownTokens(ids.slice(0, 8))]))) // prettier-ignore
const empty = named.filter(({ ids }) => ids.length === 0).map(({ name }) => name)
if (empty.length > 0) report.show(`the vocabulary has no token of ${empty.join(', ')}`)

const latents = latentsBy(ofStudy, 'skewness', { k: options.latents }).latents
report.heading('Enrichment', `sets that gather at one end of what a latent does to the logits, for the ${latents.length} most skewed latents of ${sae!.label}; above 0 (signed) the latent raises them`) // prettier-ignore
const sets = Object.fromEntries(filled.map(({ name, ids }) => [name, ids]))
const enriched = await enrichment(view, sets, { latents, permutations: options.permutations })
for (const group of Object.keys(groups)) {
  const inGroup = filled.filter((set) => set.group === group).map(({ name }) => name)
  if (inGroup.length === 0) continue
  const each = inGroup.length > 6 ? 1 : 3
  report.show(topEnriched(enriched, { sets: inGroup, k: each, title: `${group}: latents of the highest scores` }))
  report.show(manhattan(enriched, { sets: inGroup, called: each, title: `enrichment of ${group}` }))
}
report.keep('sets', sets)
report.keep('enrichment', enriched)

report.heading('Top latents by category', 'the latent that raises each set most, and what else it raises')
const best = filled.map(({ name }) => enriched.select('set', name).select('measure', 'signed').top(1, { by: 'largest' })[0]!) // prettier-ignore
const bestSpeak = await tokensOf(best.map(({ index }) => latents[index[0]!]!), 8) // prettier-ignore
report.show(new Table(['set', 'latent', 'signed score', 'p', 'raised'], filled.map(({ name }, i) => [name, best[i]!.labels[0]!, best[i]!.value, enriched.at(name, best[i]!.index[0]!, 'p'), bestSpeak[i]![0]!]))) // prettier-ignore
const few = filled.map(({ name }) => enriched.select('set', name).select('measure', 'p').values.filter((p) => p <= 0.01).length / latents.length) // prettier-ignore
report.show(bars({ labels: filled.map(({ name }) => name), y: few, title: 'share of latents with p of at most 0.01 (by chance 0.01)', horizontal: true })) // prettier-ignore
await report.write(options.out, { ...(await view.provenance({ seed: 0 })), saes: names })

async function sparsityOnText(of: HookedModel): Promise<Float32Array> {
  const data = await loadData(model, options.data ?? pocketText('test'), { positions: 64, limit: options.rows })
  return (await latentDensity(of, data)).values
}

function saeRow(part: LatentStatistics) {
  const { hook, label, latents } = part.saes[0]!
  const known = [...latentsBy(part, 'log sparsity').values]
  const shown = sparsity.at(hook, '50%')
  return [label, hook, latents.length, shown, known.filter((log) => log < -9).length]
}

/** The median of each moment in each SAE. */
function medians(title: string, result: LatentStatistics): Table {
  const summaries = moments.map((name) => summarizeStatistic(result, name))
  const hooks = summaries[0]!.axes[0]!.labels
  return new Table(['SAE', ...moments], hooks.map((hook) => [hook, ...summaries.map((one) => one.at(hook, '50%'))]), { title }) // prettier-ignore
}

/** The tokens that each latent raises most and lowers most. */
async function tokensOf(some: readonly number[], k = SHOWN): Promise<[string, string][]> {
  const found = await topLogits(view, { latents: [...new Set(some)], k })
  const byLatent = new Map(found.latents.map((one) => [one.latent, one]))
  const shown = (list: readonly TokenLogit[]) => list.map(({ token }) => visibleToken(token)).join('  ')
  return some.map((latent) => [shown(byLatent.get(latent)!.top), shown(byLatent.get(latent)!.bottom)])
}

function shownTokens(ids: readonly number[]): string {
  return ids.map((id) => visibleToken(tokenLabel(model.tokenizer, id))).join('  ')
}

/** Sets of a JSON file: by name a pattern, a list of words, or a list of token ids. */
function givenSets(file: string): TokenSets {
  const given = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string | string[] | number[]>
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, set]) => {
      if (typeof set === 'string') return Object.entries(regexSets(model, { [name]: set }))
      const ids = set.filter((one) => typeof one === 'number')
      return ids.length === set.length ? [[name, ids]] : Object.entries(wordSets(model, { [name]: set as string[] }, words)) // prettier-ignore
    }),
  )
}

function range(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => String(from + i))
}
