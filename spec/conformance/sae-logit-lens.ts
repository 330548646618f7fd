/** The `logit_lens` and `tsea` parts of an SAE record: statistics of latents, quick lists, token sets, enrichment. */
import * as tf from '@tensorflow/tfjs'
import {
  decadeSets,
  enrichment,
  latentProperties,
  latentsBy,
  latentStatistics,
  letterSets,
  neuronpediaListUrl,
  regexSets,
  summarizeStatistic,
} from '../../analyses/index.js'
import { saeAt } from '../../analyses/attached-saes.js'
import { eachProjection } from '../../analyses/enrichment/latent-projections.js'
import type { HookedModel } from '../../lib/model.js'
import type { LatentStatistics } from '../../analyses/index.js'
import { SetScores } from '../../lib/stats/set-scores.js'
import type { CheckList, Routes } from './check.js'
import type { SaeRuns } from './sae-runs.js'

interface LogitLensExpected {
  readonly sae: string
  readonly all_layers: {
    readonly hooks: readonly string[]
    readonly percentiles: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>>
  }
  readonly features_by_skewness: readonly number[]
  readonly quick_list: { readonly features: readonly number[]; readonly urls: Readonly<Record<string, string>> }
}

interface TseaExpected {
  readonly token_sets: Readonly<Record<string, readonly number[]>>
  readonly regexes: { readonly sets: readonly string[] }
  readonly letters: { readonly sets: readonly string[] }
  readonly words: { readonly sets: readonly string[] }
}

const quiet = { onProgress: () => undefined }

export function logitLensRoutes(runs: SaeRuns): Routes {
  return [
    [/^logit_lens\/cosine_(True|False)\/projection$/, async (cosine) => projections(runs, cosine === 'True')],
    [
      /^logit_lens\/cosine_(True|False)\/(\w+)$/,
      async (cosine, name) => {
        return tf.tensor1d((await statistics(runs, cosine === 'True')).select('statistic', name!).values)
      },
    ],
    [/^logit_lens\/all_layers\/(layer|feature)$/, async (what) => tf.tensor1d(await placesOf(runs, what!), 'int32')],
    [
      /^logit_lens\/all_layers\/(\w+)$/,
      async (name) => {
        const statistic = name === 'log_feature_sparsity' ? 'log sparsity' : name!
        return tf.tensor1d((await ofAllLayers(runs)).select('statistic', statistic).values)
      },
    ],
    [
      /^logit_lens\/feature_property\/feature$/,
      async () => tf.tensor1d([...(await properties(runs)).saes[0]!.latents]),
    ],
    [
      /^logit_lens\/feature_property\/(\w+)$/,
      async (name) => {
        return tf.tensor1d((await properties(runs)).select('property', propertyNames[name!]!).values)
      },
    ],
    [
      /^tsea\/(regexes|letters|words)$/,
      async (group) => {
        const { sets } = tseaOf(runs)[group as 'words']
        return scores(runs, Object.fromEntries(sets.map((name) => [name, setOf(runs, name)])))
      },
    ],
    [/^tsea\/edge_cases$/, async () => edgeCases(runs)],
    [/^tsea\/running_sums$/, async () => runningSums(runs)],
    [
      /^tsea\/minus_log_one_minus$/,
      async () => {
        const score = await scores(runs, { first: setOf(runs, 'starts_with_space') })
        const heights = tf.tidy(() => tf.sub(1, score).log().neg())
        score.dispose()
        return heights
      },
    ],
  ]
}

export function addLogitLensFacts(list: CheckList, runs: SaeRuns): void {
  const lens = runs.record.expected['logit_lens'] === undefined ? undefined : lensOf(runs)
  if (lens) {
    for (const [statistic, byLayer] of Object.entries(lens.all_layers.percentiles)) {
      const name = `expected.json/logit_lens/all_layers/percentiles/${statistic}`
      list.tree(name, byLayer, runs.tolerance('logit_lens/'), () => summaries(runs, statistic))
    }
    list.fact('expected.json/logit_lens/features_by_skewness', lens.features_by_skewness, () => bySkewness(runs))
    for (const [name, url] of Object.entries(lens.quick_list.urls)) {
      list.fact(`expected.json/logit_lens/quick_list/${name}`, url, async () => {
        return neuronpediaListUrl(
          (await runs.sae(lens.sae)).config,
          (await bySkewness(runs)).slice(0, lens.quick_list.features.length),
          name,
        )
      })
    }
  }
  if (runs.record.expected['tsea'] === undefined) return
  for (const [kind, sets] of Object.entries(setMakers)) {
    list.fact(`expected.json/tsea/token_sets/${kind}`, true, async () => {
      const made = sets(await runs.model())
      const wrong = Object.keys(made).find((name) => made[name]!.join() !== tseaOf(runs).token_sets[name]?.join())
      return wrong === undefined ? true : `'${wrong}' holds ${made[wrong]!.join()}`
    })
  }
}

/** Made from the tokenizer alone; the words of the other sets are not in the record. */
const setMakers: Readonly<Record<string, (model: HookedModel) => Record<string, number[]>>> = {
  letters: letterSets,
  regexes: (model) => regexSets(model),
  decades: (model) => decadeSets(model),
}

const propertyNames: Readonly<Record<string, string>> = {
  log_feature_sparsity: 'log sparsity',
  d_e_projection: 'decoder on encoder',
  b_enc: 'b_enc',
  b_dec_projection: 'b_dec on decoder',
  dead_neuron: 'dead',
}

const lensOf = (runs: SaeRuns) => runs.record.expected['logit_lens'] as LogitLensExpected
const tseaOf = (runs: SaeRuns) => runs.record.expected['tsea'] as TseaExpected

/** The record's sets of words come with their tokens alone. */
function setOf(runs: SaeRuns, name: string): number[] {
  return [...tseaOf(runs).token_sets[name]!]
}

async function viewOf(runs: SaeRuns): Promise<HookedModel> {
  return (await runs.model()).withSaes(await runs.sae(lensOf(runs).sae))
}

async function statistics(runs: SaeRuns, cosine: boolean): Promise<LatentStatistics> {
  return latentStatistics(await viewOf(runs), { cosine, ...quiet })
}

async function properties(runs: SaeRuns): Promise<LatentStatistics> {
  return latentProperties(await viewOf(runs))
}

/** The SAEs of version 3 at the hook points that the record lists. */
async function ofAllLayers(runs: SaeRuns): Promise<LatentStatistics> {
  const entries = Object.entries(runs.expected.saes ?? {})
  const at = (hook: string) => {
    const found = entries.find(
      ([, { expected_by: by = '', settings }]) => by.startsWith('sae_lens 3.') && settings['hook_name'] === hook,
    )
    return runs.sae(found?.[0] ?? hook)
  }
  const saes = await Promise.all(lensOf(runs).all_layers.hooks.map(at))
  return latentStatistics((await runs.model()).withSaes(saes), { cosine: true, ...quiet })
}

async function placesOf(runs: SaeRuns, what: string): Promise<number[]> {
  const { saes } = await ofAllLayers(runs)
  return saes.flatMap(({ latents, layer }) => latents.map((latent) => (what === 'layer' ? layer : latent)))
}

async function summaries(runs: SaeRuns, statistic: string): Promise<unknown> {
  const summary = summarizeStatistic(await ofAllLayers(runs), statistic)
  const quantities = summary.axes[1]!.labels
  const layers = summary.extra['layers'] as readonly number[]
  return Object.fromEntries(
    layers.map((layer, row) => [layer, Object.fromEntries(quantities.map((q) => [q, summary.at(row, q)]))]),
  )
}

async function bySkewness(runs: SaeRuns): Promise<number[]> {
  const k = lensOf(runs).features_by_skewness.length
  return latentsBy(await statistics(runs, false), 'skewness', { k }).latents
}

/** Every latent's projection, [S,V]. */
async function projections(runs: SaeRuns, cosine: boolean, latents?: readonly number[]): Promise<tf.Tensor2D> {
  const view = await viewOf(runs)
  const encoder = saeAt('conformance', view)
  const all = latents ?? Array.from({ length: encoder.sae.config.dSae }, (_, s) => s)
  const rows: number[][] = []
  for await (const { projection } of eachProjection(view, encoder, { latents: all, cosine })) {
    rows.push(Array.from(projection))
  }
  return tf.tensor2d(rows)
}

/** [set, latent] */
async function scores(runs: SaeRuns, sets: Record<string, number[]>): Promise<tf.Tensor2D> {
  const latents = lensOf(runs).features_by_skewness
  const result = (await enrichment(await viewOf(runs), sets, { latents, ...quiet })).select('measure', 'score')
  return tf.tensor2d(result.values, result.shape as [number, number])
}

/** No token, one, all but one, all: `enrichment` refuses the first, the sum behind it has a value. */
async function edgeCases(runs: SaeRuns): Promise<tf.Tensor2D> {
  const view = await viewOf(runs)
  const { dVocab } = view.config
  const upTo = (count: number) => Array.from({ length: count }, (_, id) => id)
  const scores = new SetScores(dVocab, [[], [5], upTo(dVocab - 1), upTo(dVocab)])
  const columns: number[][] = []
  const latents = lensOf(runs).features_by_skewness
  for await (const { projection } of eachProjection(view, saeAt('conformance', view), { latents })) {
    columns.push(Array.from(scores.of(projection)!, Math.abs))
  }
  return tf.tidy(() => tf.tensor2d(columns).transpose())
}

/** Running sums of the set starts_with_space along the rankings of the first three latents. */
async function runningSums(runs: SaeRuns): Promise<tf.Tensor2D> {
  const set = new Set(setOf(runs, 'starts_with_space'))
  const logits = await projections(runs, false, lensOf(runs).features_by_skewness.slice(0, 3))
  const order = tf.tidy(() => tf.topk(logits, logits.shape[1]).indices)
  const rows = (await order.array()) as number[][]
  const others = logits.shape[1] - set.size
  tf.dispose([logits, order])
  return tf.tensor2d(
    rows.map((row) => {
      let sum = 0
      return row.map((id) => (sum += set.has(id) ? 1 / set.size : -1 / others))
    }),
  )
}
