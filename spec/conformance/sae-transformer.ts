/** The `transformer/` part of an SAE record: runs with SAEs attached, and what it states of their names and sizes. */
import * as tf from '@tensorflow/tfjs'
import type { CheckList, Routes } from './check.js'
import { takeNumber } from './model-runs.js'
import { asRecorded } from './options.js'
import { attributionCorrelation, effectRoutes, liveLatents, splitInputs } from './sae-effects.js'
import type { SaeRuns } from './sae-runs.js'
import { TransformerRuns, type Label } from './transformer-runs.js'

export function transformerRoutes(saeRuns: SaeRuns): Routes {
  const runs = new TransformerRuns(saeRuns)
  return [
    [/^transformer\/tokens$/, async () => (await runs.model()).toTokens(runs.expected.prompts).tensor()],
    [/^transformer\/answer_tokens$/, () => answerIds(runs)],
    [/^transformer\/stopped\/output$/, () => stoppedOutput(runs)],
    [
      /^transformer\/attribution_three\/grad\/(.*)$/,
      async (hook) => (await runs.gradients('three')).gradients.get(hook!).clone(),
    ],
    ...effectRoutes(runs),
    [/^transformer\/(\w+)\/logits$/, async (label) => (await runs.cache(label!)).logits.clone()],
    [/^transformer\/(\w+)\/logit_diff$/, (label) => runs.logitDifference(label!)],
    [/^transformer\/(\w+)\/cache\/(.*)$/, async (label, hook) => (await runs.cache(label!)).get(hook!).clone()],
    [
      /^transformer\/(\w+)\/loss$/,
      async (label) => tf.scalar(await (await runs.view(label!)).loss(await runs.tokens())),
    ],
    [
      /^transformer\/(\w+)\/loss_per_token$/,
      async (label) => (await runs.view(label!)).lossPerToken(await runs.tokens()),
    ],
  ]
}

/** Ids of the right and the wrong answers [B,2]. */
async function answerIds(runs: TransformerRuns): Promise<tf.Tensor> {
  const model = await runs.model()
  const ids = runs.expected.answers.map((pair) => pair.map((text) => model.toSingleToken(text)))
  return tf.tensor2d(ids, undefined, 'int32')
}

async function stoppedOutput(runs: TransformerRuns): Promise<tf.Tensor> {
  const { stop_at_layer: layer } = runs.expected.stopped!.settings
  return (await runs.view('one')).stopAt(layer).run(await runs.tokens())
}

interface RunFacts {
  readonly cache_names?: readonly string[]
  readonly max_difference_from_plain_logits?: number
}

/**
 * What the record's JSON states beside its tensors. Left out is `states`, the bookkeeping of SAEs that are attached to
 * a model and taken off again: here a view is made and forgotten.
 */
export function addTransformerFacts(list: CheckList, saeRuns: SaeRuns): void {
  const runs = new TransformerRuns(saeRuns)
  const { expected } = runs
  if (expected === undefined) return
  for (const [label, facts] of Object.entries(expected as unknown as Record<string, RunFacts>)) {
    if (facts.cache_names) addNames(list, runs, label, facts.cache_names)
    if (facts.max_difference_from_plain_logits !== undefined) addDifference(list, saeRuns, runs, label)
  }
  const { stopped, ablation, error_node: node, remove_batch_dim_shapes: shapes, path_patching: paths } = expected
  if (stopped) addStopped(list, runs, stopped.settings)
  if (shapes) list.fact('transformer/remove_batch_dim_shapes', shapes, () => shapesOfOne(runs, Object.keys(shapes)))
  if (ablation) {
    const live = () => liveLatents(runs, expected.position)
    list.fact('transformer/ablation/live_features', ablation.live_features, live)
  }
  if (node) list.fact('transformer/error_node/live_anywhere', node.live_anywhere, () => liveLatents(runs))
  if (expected.attribution) addAttribution(list, saeRuns, runs, expected.attribution)
  if (paths) {
    list.fact(
      'transformer/path_patching/cache_names_with_split_input',
      paths.cache_names_with_split_input,
      async () => {
        const names = [...(await runs.cache('one')).names, ...(await splitInputs(runs))]
        using cache = (await runs.view('one')).runWithCache(await runs.tokens(), { names })
        return asSaeLens(runs, 'one', cache.names)
      },
    )
  }
}

/** Names as SAELens has them: an SAE's hook point gives its place to the points inside the SAE; here it stays. */
async function asSaeLens(runs: TransformerRuns, label: Label, names: readonly string[]): Promise<string[]> {
  const sites = (await runs.saes(label)).map((sae) => sae.hookName)
  return asRecorded(names).filter((name) => !sites.includes(name))
}

function addNames(list: CheckList, runs: TransformerRuns, label: Label, recorded: readonly string[]): void {
  list.fact(`transformer/${label}/cache_names`, recorded, async () =>
    asSaeLens(runs, label, (await runs.cache(label)).names),
  )
}

/** With error terms the logits are those of the plain model. */
function addDifference(list: CheckList, saeRuns: SaeRuns, runs: TransformerRuns, label: Label): void {
  const { atol } = saeRuns.tolerance(`transformer/${label}/logits`)
  list.number(`transformer/${label}/max_difference_from_plain_logits`, 0, { atol }, async () => {
    const [plain, spliced] = [(await runs.cache('plain')).logits, (await runs.cache(label)).logits]
    return takeNumber(tf.tidy(() => spliced.sub(plain).abs().max()))
  })
}

function addStopped(
  list: CheckList,
  runs: TransformerRuns,
  settings: NonNullable<TransformerRuns['expected']['stopped']>['settings'],
): void {
  const { stop_at_layer: layer, names_filter: names, cache_names: recorded } = settings
  list.fact('transformer/stopped/cache_names', recorded, async () => {
    using cache = (await runs.view('one')).stopAt(layer).runWithCache(await runs.tokens(), { names })
    return cache.names
  })
}

/** Shapes of one prompt's activations without the axis of the batch. */
async function shapesOfOne(runs: TransformerRuns, names: readonly string[]): Promise<Record<string, number[]>> {
  const [first] = (await runs.tokens()).rows
  using cache = (await runs.view('one')).runWithCache([first!], { names, logits: false })
  return Object.fromEntries([...cache.entries()].map(([name, t]) => [name, t.shape.slice(1)]))
}

function addAttribution(
  list: CheckList,
  saeRuns: SaeRuns,
  runs: TransformerRuns,
  recorded: NonNullable<TransformerRuns['expected']['attribution']>,
): void {
  const label = 'one_error_term'
  const tolerance = saeRuns.tolerance('transformer/attribution')
  list.number('transformer/attribution/value', recorded.value, tolerance, async () => {
    const [plain, spliced] = [await runs.logitDifference('plain'), await runs.logitDifference(label)]
    const value = tf.tidy(() => spliced.sub(plain).sum())
    tf.dispose([plain, spliced])
    return takeNumber(value)
  })
  list.fact('transformer/attribution/forward_names', recorded.forward_names, async () =>
    asSaeLens(runs, label, (await runs.gradients(label)).cache.names),
  )
  const { correlation_with_ablation: correlation } = recorded
  const name = 'transformer/attribution/correlation_with_ablation'
  list.number(name, correlation, tolerance, () => attributionCorrelation(runs))
}
