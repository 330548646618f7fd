/** The `features/` part of an SAE record: the notebooks' feature functions. */
import * as tf from '@tensorflow/tfjs'
import {
  maxActivating,
  topLogits,
  TopLogits,
  type MaxActivatingExample,
  type LatentLogits,
  type MaxActivating,
  type TokenLogit,
} from '../../analyses/index.js'
import type { TokenData } from '../../lib/data/token-data.js'
import type { HookedModel } from '../../lib/model.js'
import { indexWithBuffer, kLargestIndices, type Index } from '../../lib/stats/k-largest.js'
import type { Tokens } from '../../lib/tokens/tokens.js'
import type { CheckList, Routes } from './check.js'
import { rowsOf } from './model-runs.js'
import { pythonRepr } from './python-repr.js'
import type { SaeRuns } from './sae-runs.js'

/** What is read of the record's `features`. */
interface FeaturesExpected {
  readonly k_largest_cases: readonly { readonly k: number; readonly buffer: number; readonly no_overlap: boolean }[]
  readonly top_logits: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly examples_settings: { readonly k: number; readonly buffer: number; readonly batches: number }
  readonly examples: Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>>
  readonly dfa: Readonly<Record<string, { readonly examples: Readonly<Record<string, readonly unknown[]>> }>>
  readonly last_tokens: { readonly most_common: readonly (readonly [latent: number, count: number])[] }
}

/** What the record gives to these functions. */
export function isFeatureInput(name: string): boolean {
  return /^features\/(k_largest\/x|windows\/indices|batches\/\d+)$/.test(name)
}

export function featureRoutes(runs: SaeRuns): Routes {
  const x = async () => rowsOf(await runs.record.read('features/k_largest/x'))
  const windows = async (buffer: string) => {
    const indices = rowsOf(await runs.record.read('features/windows/indices')) as unknown as Index[]
    return indexWithBuffer(await x(), indices, buffer === 'None' ? undefined : Number(buffer))
  }
  const ends = async (id: string, latent: string) => {
    const { top, bottom } = await topOf(runs, id, Number(latent))
    return [...top, ...bottom]
  }
  return [
    [
      /^features\/k_largest\/(\d+)$/,
      async (i) => tf.tensor2d(kLargestCase(runs, await x(), Number(i)), undefined, 'int32'),
    ],
    [/^features\/windows\/buffer_None$/, async () => tf.tensor1d((await windows('None')).windows.flat())],
    [
      /^features\/windows\/buffer_(\w+)_moved$/,
      async (b) =>
        tf.tensor2d(
          (await windows(b!)).indices.map(([r, c]) => [r, c]),
          undefined,
          'int32',
        ),
    ],
    [/^features\/windows\/buffer_(\d+)$/, async (b) => tf.tensor2d((await windows(b!)).windows)],
    [
      /^features\/top_logits\/(\w+)\/(\d+)\/values$/,
      async (id, f) => tf.tensor1d((await ends(id!, f!)).map((end) => end.logit)),
    ],
    [
      /^features\/top_logits\/(\w+)\/(\d+)\/tokens$/,
      async (id, f) =>
        tf.tensor1d(
          (await ends(id!, f!)).map((end) => end.id),
          'int32',
        ),
    ],
    [
      /^features\/dfa\/(\w+)\/(\d+)\/batch_(\d+)\/indices$/,
      async (id, f, b) => {
        const examples = await attentionExamples(runs, id!, Number(f), Number(b))
        return tf.tensor2d(
          examples.map(({ row, position }) => [row, position]),
          undefined,
          'int32',
        )
      },
    ],
    [
      /^features\/dfa\/(\w+)\/(\d+)\/batch_(\d+)\/scores$/,
      async (id, f, b) => {
        const { positions } = await batch(runs, Number(b))
        const examples = await attentionExamples(runs, id!, Number(f), Number(b))
        return tf.tensor2d(examples.map(({ dfa }) => filledUp(dfa!.scores, positions)))
      },
    ],
    [/^features\/last_tokens\/mean$/, () => lastTokens(runs)],
    [/^features\/last_tokens\/indices$/, async () => tf.tensor2d(await lastLatents(runs), undefined, 'int32')],
  ]
}

export function addFeatureFacts(list: CheckList, runs: SaeRuns): void {
  const features = expectedOf(runs)
  if (!features) return
  const tolerance = runs.tolerance('features/')
  for (const [id, latents] of Object.entries(features.top_logits)) {
    for (const [latent, recorded] of Object.entries(latents)) {
      list.fact(`expected.json/features/top_logits/${id}/${latent}`, recorded, () =>
        topLogitsText(runs, id, Number(latent)),
      )
    }
  }
  for (const [id, latents] of Object.entries(features.examples)) {
    list.tree(`expected.json/features/examples/${id}`, latents, tolerance, () =>
      mostActivating(runs, id, Object.keys(latents).map(Number)),
    )
  }
  for (const [id, { examples }] of Object.entries(features.dfa)) {
    for (const [latent, recorded] of Object.entries(examples)) {
      list.tree(`expected.json/features/dfa/${id}/${latent}`, recorded, tolerance, () =>
        attributed(runs, id, Number(latent)),
      )
    }
  }
  const { most_common: common } = features.last_tokens
  list.fact('expected.json/features/last_tokens/most_common', common, async () =>
    mostCommon((await lastLatents(runs)).flat(), common.length),
  )
}

function expectedOf(runs: SaeRuns): FeaturesExpected | undefined {
  return runs.record.expected['features'] as FeaturesExpected | undefined
}

async function viewOf(runs: SaeRuns, id: string): Promise<HookedModel> {
  return (await runs.model()).withSaes(await runs.sae(id))
}

function kLargestCase(runs: SaeRuns, x: number[][], i: number): [number, number][] {
  const { k, buffer, no_overlap: noOverlap } = expectedOf(runs)!.k_largest_cases[i]!
  return kLargestIndices(x, { k, buffer, noOverlap }).map(([row, column]) => [row, column])
}

/** Tokens at each end of a list of top logits. */
const ENDS = 10

async function topOf(runs: SaeRuns, id: string, latent: number): Promise<LatentLogits> {
  const recorded = [...(await runs.record.read(`features/top_logits/${id}/${latent}/tokens`)).values]
  const { latents } = await topLogits(await viewOf(runs, id), { latents: [latent], k: ENDS + SPARE })
  const ordered = (list: readonly TokenLogit[], ids: readonly number[]) =>
    inRecordedOrder(
      list,
      ids,
      (one) => one.id,
      (one) => one.logit,
    )
  const { top, bottom } = latents[0]!
  return { latent, top: ordered(top, recorded.slice(0, ENDS)), bottom: ordered(bottom, recorded.slice(ENDS)) }
}

/** The two columns as the notebook prints them: parts of characters as U+FFFD, where we show their bytes. */
async function topLogitsText(runs: SaeRuns, id: string, latent: number): Promise<unknown> {
  const model = await runs.model()
  const inPython = (list: readonly TokenLogit[]) => list.map((one) => ({ ...one, token: model.toString([one.id]) }))
  const { top, bottom } = await topOf(runs, id, latent)
  const table = new TopLogits(
    [{ latent, top: inPython(top), bottom: inPython(bottom) }],
    await model.provenance(),
  ).toTable()
  return { top: table.rows.map(([top]) => top), bottom: table.rows.map(([, bottom]) => bottom) }
}

/** Entries looked at beyond those recorded: one of them may tie with the last. */
const SPARE = 5
/** Values closer than this may come in any order, by the record's README. */
const TIE = 1e-4

/** The first entries, as many as are recorded: in our order, but the recorded one among those that tie. */
function inRecordedOrder<T>(
  entries: readonly T[],
  recorded: readonly number[],
  id: (entry: T) => number,
  value: (entry: T) => number,
): T[] {
  return recorded.map((theirs, i) => {
    const [own, other] = [entries[i]!, entries.find((entry) => id(entry) === theirs)]
    return other !== undefined && Math.abs(value(other) - value(own)) <= TIE ? other : own
  })
}

async function batch(runs: SaeRuns, number: number): Promise<Tokens> {
  return runs.tokens(`features/batches/${number}`)
}

/** Recorded batches as token data; rows are counted through. */
async function batches(runs: SaeRuns, numbers: readonly number[]): Promise<TokenData> {
  const all = await Promise.all(numbers.map((number) => batch(runs, number)))
  return {
    about: { batches: numbers },
    async *batches() {
      let firstRow = 0
      for (const tokens of all) {
        yield await Promise.resolve({ tokens, firstRow, next: {} })
        firstRow += tokens.batch
      }
    },
  }
}

function allBatches(runs: SaeRuns): number[] {
  return Array.from({ length: expectedOf(runs)!.examples_settings.batches }, (_, i) => i)
}

async function mostActivating(runs: SaeRuns, id: string, latents: readonly number[]): Promise<unknown> {
  const { k, buffer } = expectedOf(runs)!.examples_settings
  const numbers = allBatches(runs)
  const rows = (await batch(runs, 0)).batch
  const found: MaxActivating = await maxActivating(await viewOf(runs, id), await batches(runs, numbers), {
    latents,
    k,
    buffer,
  })
  const plain = ({ activation, row, position, ids, tokens }: MaxActivatingExample) => ({
    act: activation,
    batch: Math.floor(row / rows),
    row: row % rows,
    position,
    tokens: ids,
    str_tokens: tokens,
  })
  return Object.fromEntries(latents.map((latent) => [latent, found.of(latent).map(plain)]))
}

/** The largest pre-activations of one batch, attributed to source tokens. */
async function attentionExamples(
  runs: SaeRuns,
  id: string,
  latent: number,
  number: number,
): Promise<readonly MaxActivatingExample[]> {
  const { k, buffer } = expectedOf(runs)!.examples_settings
  const options = { latents: [latent], k, buffer, dfa: true, point: 'hook_sae_acts_pre' } as const
  return (await maxActivating(await viewOf(runs, id), await batches(runs, [number]), options)).of(latent)
}

const filledUp = (scores: readonly number[], length: number): number[] => [
  ...scores,
  ...Array.from({ length: length - scores.length }, () => 0),
]

/**
 * The notebook's table: the k largest of each batch, ranked by the attribution at the source token after its window was
 * moved inwards.
 */
async function attributed(runs: SaeRuns, id: string, latent: number): Promise<unknown> {
  const { k, buffer } = expectedOf(runs)!.examples_settings
  const model = await runs.model()
  const found = []
  for (const number of allBatches(runs)) {
    const { rows, positions } = await batch(runs, number)
    for (const { activation, row, position, dfa, ids } of await attentionExamples(runs, id, latent, number)) {
      const { windows, indices } = indexWithBuffer(rows, [[row, dfa!.source]], buffer)
      const moved = indices[0]![1]
      const scores = filledUp(dfa!.scores, positions)
      found.push({
        pre_activation: activation,
        batch: number,
        row,
        destination: position,
        source: dfa!.source,
        source_moved: moved,
        dfa: scores[dfa!.source]!,
        dfa_at_moved: scores[moved]!,
        dest_tokens: ids,
        source_tokens: windows[0]!,
        row_text: [
          scores[moved]!.toFixed(3),
          marked(model, windows[0]!, buffer, 'dark_orange'),
          marked(model, ids, buffer, 'green'),
        ],
      })
    }
  }
  return found.sort((a, b) => b.dfa_at_moved - a.dfa_at_moved).slice(0, k)
}

/** Text with one token in the markup of Python's rich, as the notebook prints it. */
function marked(model: HookedModel, ids: readonly number[], place: number, colour: string): string {
  const tokens = ids.map((id) => model.tokenizer!.tokenString(id))
  const text = tokens.map((token, i) => (i === place ? `[b u ${colour}]${token}[/]` : token)).join('')
  return pythonRepr(text).replaceAll('\ufffd', '').replaceAll('\n', '↵')
}

/** The SAE and the tokens that latents of the last tokens are looked up with. */
const LAST = { sae: 'jumprelu_resid_post', tokens: 4 }

/** Mean pre-activations over the last tokens [prompt, latent]. */
async function lastTokens(runs: SaeRuns): Promise<tf.Tensor> {
  const view = await viewOf(runs, LAST.sae)
  const name = `${(await runs.sae(LAST.sae)).hookName}.hook_sae_acts_pre`
  using cache = view.runWithCache(await batch(runs, 0), { names: name, logits: false })
  const acts = cache.get<tf.Tensor3D>(name)
  return tf.tidy(() => acts.slice([0, acts.shape[1] - LAST.tokens]).mean(1))
}

async function lastLatents(runs: SaeRuns): Promise<number[][]> {
  const recorded = rowsOf(await runs.record.read('features/last_tokens/indices'))
  const mean = await lastTokens(runs)
  const rows = (await mean.array()) as number[][]
  mean.dispose()
  return rows.map((row, b) => {
    const entries = row.map((value, latent) => ({ value, latent })).sort((one, other) => other.value - one.value)
    return inRecordedOrder(
      entries,
      recorded[b]!,
      (one) => one.latent,
      (one) => one.value,
    ).map((one) => one.latent)
  })
}

/** Python's Counter.most_common: equal counts in the order first seen. */
function mostCommon(values: readonly number[], count: number): [number, number][] {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].sort(([, a], [, b]) => b - a).slice(0, count)
}
