/** The `study/` part of an SAE record: what its features do in a model, as the notebook measures it. */
import * as tf from '@tensorflow/tfjs'
import {
  componentNeurons,
  latentAblation,
  directionDfa,
  latentDla,
  directLogitAttribution,
  latentsAt,
  logitBoosts,
  logprobBoosts,
  compareLosses,
  meanActivation,
  positionsAt,
  reconstructionLoss,
  type ReconstructionLoss,
  withoutError,
  withoutLatents,
  withReplaced,
} from '../../analyses/index.js'
import type { Site } from '../../lib/core/sites.js'
import { layerOf } from '../../lib/transformer/hook-names.js'
import type { HookedModel } from '../../lib/model.js'
import type { Result } from '../../lib/report/result/result.js'
import type { Routes } from './check.js'
import type { SaeRuns } from './sae-runs.js'
import { ACTIVE, AT, StudyRuns, type Which } from './study-runs.js'

export function studyRoutes(saeRuns: SaeRuns): Routes {
  const runs = new StudyRuns(saeRuns)
  return [
    [/^study\/token_counts$/, async () => tf.tensor1d((await runs.counts()).values, 'int32')],
    [/^study\/rare_tokens$/, async () => tf.tensor1d(await runs.rare(), 'int32')],
    [/^study\/max_activations$/, async () => tensorOf(await runs.maxima())],
    [
      /^study\/max_positions$/,
      async () => tf.tensor([...(await runs.maxima()).positions], (await runs.maxima()).shape),
    ],
    [/^study\/dla$/, () => dla(runs)],
    [/^study\/remainder_dla$/, () => remainderDla(runs)],
    [/^study\/active_on_tests$/, async () => over(await runs.acts('second'), ACTIVE)],
    [/^study\/active_on_tests_first$/, async () => over(await runs.acts('first'), ACTIVE)],
    [/^study\/test_acts$/, async () => tensorOf(await runs.acts('second'))],
    [/^study\/reconstruction_(\w+)$/, async (which) => tensorOf(await reconstruction(runs, which as Which))],
    [/^study\/mean_component_neurons$/, () => meanNeurons(runs)],
    [
      /^study\/direction_dfa\/(\w+)\/(\d+)$/,
      async (mode, latent) =>
        tensorOf((await dfaOf(runs, Number(latent), mode as 'zero')).mean('prompt').select('latent', 0)),
    ],
    [/^study\/direction_acts_first_mlp_off$/, () => actsWithoutFirst(runs)],
    [/^study\/ablate_directions\/loss_increase$/, async () => tf.tensor1d(await directionsIncrease(runs))],
    [/^study\/mean_activation$/, async () => tf.tensor1d(await meanOf(runs, 10))],
    [/^study\/losses$/, async () => tensorOf(await losses(runs))],
    [/^study\/logprob_boosts$/, async () => tensorOf(await boosts(runs))],
    [/^study\/logit_boosts_raw$/, async () => tensorOf((await rawBoosts(runs)).select('latent', 0))],
    [
      /^study\/direction_dla$/,
      async () => tensorOf(await latentDla(await runs.view('second'), { answer: runs.answer() })),
    ],
    [/^study\/direction_dla_weighted$/, async () => tensorOf(await weightedDla(runs))],
  ]
}

const tensorOf = ({ values, shape }: Result): tf.Tensor => tf.tensor(values, shape)

const over = ({ values, shape }: Result, least: number): tf.Tensor =>
  tf.tensor(
    Int32Array.from(values, (value) => Number(value > least)),
    shape,
  )

/** Components of the answer's logit where it is predicted [test, component], b_U left out. */
async function dla(runs: StudyRuns): Promise<tf.Tensor> {
  const result = await answerDla(runs)
  return tf.tidy(() =>
    tensorOf(result)
      .slice(0, result.shape[0]! - 1)
      .transpose(),
  )
}

/** The last token of each test prompt is its answer: [component, test], b_U last. */
export async function answerDla(runs: StudyRuns): Promise<Result> {
  return directLogitAttribution(await runs.model(), runs.expected.test_prompts, { answer: runs.answer(), position: AT })
}

/** The MLP, its reconstruction, and what the SAE leaves out [test, 3]. */
async function remainderDla(runs: StudyRuns): Promise<tf.Tensor> {
  const options = { answer: runs.answer(), position: AT, latents: 0 }
  const result = await directLogitAttribution(await runs.view('second'), await runs.tests(), options)
  const part = (name: string, b: number) => result.at(`${runs.hook('second')} ${name}`, b)
  const rows = runs.expected.test_prompts.map((_, b) => {
    const [code, error] = [part('other latents', b) + part('b_dec', b), part('error', b)]
    return [code + error, code, error]
  })
  return tf.tensor2d(rows)
}

export async function reconstruction(runs: StudyRuns, which: Which): Promise<ReconstructionLoss> {
  return reconstructionLoss(await runs.view(which), await runs.tests(), { position: AT })
}

async function meanNeurons(runs: StudyRuns): Promise<tf.Tensor> {
  const model = await runs.model()
  const values = await componentNeurons(model, layerOf(runs.hook('second'))!, runs.expected.prompts.slice(0, 12))
  return tf.tensor(values, [values.length / model.config.dMlp, model.config.dMlp])
}

export async function dfaOf(runs: StudyRuns, latent: number, inactive: 'zero' | 'mean'): Promise<Result> {
  const source = runs.expected.prompts.slice(0, 12)
  const options = { latents: [latent], position: AT, inactive, source }
  return directionDfa(await runs.view('second'), await runs.activating(latent), options)
}

async function actsWithoutFirst(runs: StudyRuns): Promise<tf.Tensor> {
  const tests = await runs.tests()
  const view = withReplaced(
    await runs.view('second'),
    { hook: runs.hook('first') },
    { positions: positionsAt(tests, AT) },
  )
  return tensorOf(await latentsAt(view, tests, { latents: runs.expected.directions, position: AT }))
}

/** What all the directions together are worth on each test prompt. */
export async function directionsIncrease(runs: StudyRuns): Promise<Float32Array> {
  const target = latentsOf(runs, runs.expected.directions)
  return increase(await latentAblation(await runs.view('second'), await runs.tests(), { target, position: AT }))
}

/** Ablated less original [prompt]. */
export function increase(losses: Result): Float32Array {
  const [original, ablated] = [losses.select('condition', 'original'), losses.select('condition', 'ablated')]
  return ablated.values.map((value, b) => value - original.values[b]!)
}

/** The mean of the study's neurons over the first prompts. */
export async function meanOf(runs: StudyRuns, prompts: number): Promise<Float32Array> {
  const some = runs.expected.prompts.slice(0, prompts)
  return (await meanActivation(await runs.model(), some, { hook: runs.hook('second') })).values
}

/** The view without some directions at the position. */
export async function withoutDirections(
  runs: StudyRuns,
  prompts: readonly string[],
  latents: readonly number[],
): Promise<HookedModel> {
  const view = await runs.view('second')
  const positions = positionsAt(view.toTokens(prompts), AT)
  return withoutLatents(view, latentsOf(runs, latents), { positions })
}

/** Latents of the second SAE. */
export const latentsOf = (runs: StudyRuns, latents: readonly number[]): Site => ({
  hook: `${runs.hook('second')}.hook_sae_acts_post`,
  unit: latents,
})

/** Losses under each intervention [test, kind]. */
export async function losses(runs: StudyRuns): Promise<Result> {
  const [view, tests, hook] = [await runs.view('second'), await runs.tests(), runs.hook('second')]
  const positions = positionsAt(tests, AT)
  const site = { hook }
  const views = {
    original: view,
    mean: withReplaced(view, site, { positions, by: await meanOf(runs, 20) }),
    zero: withReplaced(view, site, { positions }),
    directions: await withoutDirections(runs, runs.expected.test_prompts, runs.expected.directions),
    reconstruction: withoutError(view, { positions, hook }),
  }
  return compareLosses(views, tests, { position: AT })
}

export async function boosts(runs: StudyRuns): Promise<Result> {
  const { direction, floor } = runs.expected.logprob_boosts
  const prompts = await runs.activating(direction)
  const edited = await withoutDirections(runs, prompts, [direction])
  return logprobBoosts(await runs.model(), edited, prompts, { position: AT, floor, exclude: await runs.rare() })
}

export async function rawBoosts(runs: StudyRuns, exclude?: readonly number[]): Promise<Result> {
  return logitBoosts(await runs.view('second'), { latents: [runs.expected.logit_boosts.direction], exclude })
}

export async function weightedDla(runs: StudyRuns): Promise<Result> {
  const weights = (await runs.acts('second')).mean('prompt').values
  return latentDla(await runs.view('second'), { answer: runs.answer(), weights })
}
