/**
 * The numbers, tables and lists of an SAE record's `study` that stand in its JSON. Left out are the margins: they
 * say how far the record itself is from a threshold.
 */
import {
  answerRanks,
  latentAblation,
  lossRecovered,
  maxActivating,
  meanInterval,
  positionsAt,
  latentsByLoss,
  withReplaced,
} from '../../analyses/index.js'
import type { HookedModel } from '../../lib/model.js'
import type { Result } from '../../lib/report/result/result.js'
import { mean, standardDeviation } from '../../lib/stats/moments.js'
import type { CheckList } from './check.js'
import type { Tolerance } from './compare.js'
import type { SaeRuns } from './sae-runs.js'
import * as study from './sae-study.js'
import { AT, StudyRuns } from './study-runs.js'

type Fact = (name: string, recorded: unknown, answer: () => Promise<unknown>) => void

export function addStudyFacts(list: CheckList, saeRuns: SaeRuns): void {
  const runs = new StudyRuns(saeRuns)
  const { expected } = runs
  if (expected === undefined) return
  const tolerance: Tolerance = saeRuns.tolerance('study/')
  const tree: Fact = (name, recorded, answer) => list.tree(`expected.json/study/${name}`, recorded, tolerance, answer)
  const exact: Fact = (name, recorded, answer) => list.fact(`expected.json/study/${name}`, recorded, answer)

  exact('dla_labels', expected.dla_labels, async () => (await study.answerDla(runs)).axes[0]!.labels.slice(0, -1))
  exact('direction_dfa_labels', expected.direction_dfa_labels, async () => {
    return (await study.dfaOf(runs, expected.directions[0]!, 'zero')).axes[0]!.labels
  })
  for (const which of ['second', 'first'] as const) {
    tree(`reconstruction_${which}`, expected[`reconstruction_${which}`], async () => {
      const losses = await study.reconstruction(runs, which)
      const [original, ablated, encoded] = losses.mean('prompt').values
      return { original, ablated, encoded, loss_recovered: losses.lossRecovered }
    })
  }
  addDirections(runs, tree, exact)
  addRanks(runs, tree)
  tree('losses', withoutText(expected.losses), () => lossSummary(runs))
  addBoosts(runs, tree, exact)
  addPositions(runs, tree)
  tree('direction_dla_top', expected.direction_dla_top, async () => {
    const top = (await study.weightedDla(runs)).top(expected.direction_dla_top.values.length, { by: 'largest' })
    const means = (await runs.acts('second')).mean('prompt').values
    return {
      values: top.map(({ value }) => value),
      directions: top.map(({ index }) => index[0]),
      'more_than_0.05_active': means.filter((value) => value > 0.05).length,
    }
  })
}

/** What is recorded without its explanation. */
function withoutText(recorded: object): object {
  return Object.fromEntries(Object.entries(recorded).filter(([key]) => key !== 'about'))
}

/** The table of directions that matter on the tests, and the three that most does. */
function addDirections(runs: StudyRuns, tree: Fact, exact: Fact): void {
  const { top_directions: recorded, directions, ablate_directions: together } = runs.expected
  const found = () =>
    runs.once('top directions', async () => {
      const maxima = largestOf(await runs.maxima())
      const { share_of_max: shareOfMax, min_share: minShare } = recorded
      return latentsByLoss(await runs.view('second'), await runs.tests(), {
        maxima,
        position: AT,
        shareOfMax,
        minShare,
      })
    })
  tree('top_directions/rows', recorded.rows, async () => {
    const table = await found()
    return table.latents.map((latent, i) => [latent, ...table.select('latent', i).values])
  })
  exact('top_directions/index', recorded.index, async () => {
    const means = (await found()).select('quantity', 'mean activation').values
    const order = [...means].sort((a, b) => b - a)
    return Array.from(means, (mean) => order.indexOf(mean))
  })
  exact('directions', directions, async () => (await found()).latents.slice(0, directions.length))
  tree('ablate_directions', together, async () => spread(await study.directionsIncrease(runs)))
}

/** The largest of each latent in any prompt. */
function largestOf(maxima: Result): Float32Array {
  const [prompts, latents] = maxima.shape as [number, number]
  return new Float32Array(latents).map((_, f) =>
    Math.max(...Array.from({ length: prompts }, (_, b) => maxima.values[b * latents + f]!)),
  )
}

const spread = (values: ArrayLike<number>) => ({ mean: mean(values), std: standardDeviation(values) })

function addRanks(runs: StudyRuns, tree: Fact): void {
  const { answer_token: answer, other_token: other, test_prompts: tests, directions } = runs.expected
  const byMean = async () => {
    const model = await runs.model()
    const positions = positionsAt(model.toTokens(tests), AT)
    return withReplaced(model, { hook: runs.hook('second') }, { positions, by: await study.meanOf(runs, 10) })
  }
  const cases = [
    ['directions', () => study.withoutDirections(runs, tests, directions), answer[1]],
    ['mean', byMean, answer[1]],
    ['mean_other_token', byMean, other[1]],
  ] as const
  for (const [label, edited, token] of cases) {
    const { rows, mean_difference, ci95 } = runs.expected[`answer_ranks_${label}`]
    tree(`answer_ranks_${label}`, { rows, mean_difference, ci95 }, async () => ranksOf(runs, await edited(), token))
  }
}

/** The notebook's table and its last line. */
async function ranksOf(runs: StudyRuns, edited: HookedModel, answer: number): Promise<unknown> {
  const result = await answerRanks(await runs.model(), runs.expected.test_prompts, { edited, answer, position: AT })
  const rows = runs.expected.test_prompts.map((_, b) => {
    const row = (condition: string) => [...result.select('prompt', b).select('condition', condition).values]
    const [before, after, difference] = [row('original'), row('edited'), row('difference')]
    return [b, ...before.flatMap((value, q) => [value, after[q]!]), ...difference]
  })
  const differences = Object.values(result.difference)
  return { rows, mean_difference: differences.map((d) => d.mean), ci95: differences.map((d) => d.ci95) }
}

async function lossSummary(runs: StudyRuns): Promise<unknown> {
  const losses = await study.losses(runs)
  const kinds = losses.axes[1]!.labels
  const each = kinds.map((kind) => meanInterval(losses.select('condition', kind).values, 0))
  const [original, , zero, , reconstruction] = each.map((one) => one.mean) as [number, number, number, number, number]
  return {
    kinds,
    mean: each.map((one) => one.mean),
    ci95: each.map((one) => one.ci95),
    loss_recovered: lossRecovered(original, zero, reconstruction),
  }
}

function addBoosts(runs: StudyRuns, tree: Fact, exact: Fact): void {
  const { direction, prompts, boosted, deboosted } = runs.expected.logprob_boosts
  tree('logprob_boosts', { prompts, boosted, deboosted }, async () => {
    const result = await study.boosts(runs)
    const ends = (by: 'largest' | 'smallest') =>
      result.top(15, { by }).flatMap(({ labels, value }) => (value === 0 ? [] : [[labels[0]!, value]]))
    return { prompts: (await runs.activating(direction)).length, boosted: ends('largest'), deboosted: ends('smallest') }
  })
  const { top, bottom } = runs.expected.logit_boosts
  exact('logit_boosts', { top, bottom }, async () => {
    const result = (await study.rawBoosts(runs, await runs.rare())).select('latent', 0)
    const text = (by: 'largest' | 'smallest') =>
      result
        .top(10, { by })
        .map(({ labels, value }) => `('${labels[0]!}': ${value.toFixed(2)})`)
        .join(', ')
    return { top: text('largest'), bottom: text('smallest') }
  })
}

/** A direction removed everywhere, and one active position at a time, on the prompts that activate it most. */
function addPositions(runs: StudyRuns, tree: Fact): void {
  const { ablate_everywhere: everywhere, ablate_each_position: each } = runs.expected
  tree('ablate_everywhere', pick(everywhere, ['prompts', 'original_and_ablated', 'mean', 'std']), async () => {
    const prompts = await mostActive(runs, everywhere.prompts.length)
    const losses = await ablated(runs, prompts, 'all')
    return { prompts, original_and_ablated: pairs(losses), ...spread(study.increase(losses)) }
  })
  tree('ablate_each_position', pick(each, ['threshold', 'rows', 'mean', 'std']), async () => {
    const { threshold, places } = await activePlaces(runs)
    const losses = await ablated(
      runs,
      places.map(([prompt]) => prompt),
      places.map(([, position]) => position),
    )
    const increases = study.increase(losses)
    return { threshold, rows: places.map((place, i) => [...place, increases[i]!]), ...spread(increases) }
  })
}

const direction = ({ expected }: StudyRuns) => expected.logprob_boosts.direction

async function ablated(runs: StudyRuns, prompts: readonly number[], position: 'all' | readonly number[]) {
  const texts = prompts.map((i) => runs.expected.prompts[i]!)
  return latentAblation(await runs.view('second'), texts, {
    target: study.latentsOf(runs, [direction(runs)]),
    position,
  })
}

function pairs(losses: Result): number[][] {
  return losses.axes[0]!.labels.map((_, b) => [...losses.select('prompt', b).values])
}

/** Prompts by the direction's largest activation in them. */
async function mostActive(runs: StudyRuns, count: number): Promise<number[]> {
  const maxima = await runs.maxima()
  const top = maxima.select('latent', direction(runs)).top(count, { by: 'largest' })
  return top.filter(({ value }) => value > 0).map(({ index }) => index[0]!)
}

/** Places where the direction is above a tenth of its largest activation, the last token of each prompt left out. */
async function activePlaces(runs: StudyRuns): Promise<{ threshold: number; places: [number, number][] }> {
  const maxima = await runs.maxima()
  const threshold = 0.1 * Math.max(...maxima.select('latent', direction(runs)).values)
  const prompts = await mostActive(runs, runs.expected.ablate_everywhere.prompts.length)
  const view = await runs.view('second')
  const tokens = view.toTokens(prompts.map((i) => runs.expected.prompts[i]!))
  const data = {
    about: {},
    async *batches() {
      yield await Promise.resolve({ tokens, firstRow: 0, next: {} })
    },
  }
  const options = { latents: [direction(runs)], k: tokens.batch * tokens.positions, buffer: 0 }
  const { examples } = await maxActivating(view, data, options)
  const last = tokens.rows.map((row, b) => tokens.mask?.[b]?.lastIndexOf(1) ?? row.length - 1)
  const active = examples[0]!.filter(({ activation, row, position }) => activation > threshold && position < last[row]!)
  const inOrder = [...active].sort((a, b) => a.row - b.row || a.position - b.position)
  return { threshold, places: inOrder.map(({ row, position }) => [prompts[row]!, position]) }
}

function pick<T extends object, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, from[key]])) as Pick<T, K>
}
