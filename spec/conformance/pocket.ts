/**
 * Records of an embedded model with its SAEs: prompts, attribution, patching and ablation, by the logit difference.
 * B prompts, P positions, L layers, H heads, S latents.
 */
import * as tf from '@tensorflow/tfjs'
import { logitDiff } from '../../lib/core/metrics.js'
import { CheckList, type Check, type Plan, type Routes } from './check.js'
import { range } from '../../lib/stats/range.js'
import { editAt, shaped, sliceAt, zeroAt } from './edit.js'
import { takeNumber } from './model-runs.js'
import { PocketRuns } from './pocket-runs.js'
import type { RecordFolder } from './record.js'

/** For all numbers, as the record's page asks for; float32 runs agree to about 2e-5. */
const tolerance = { atol: 2e-4 }
const isIds = /^(tokens|corrupt_tokens|answer|wrong)$/

export async function pocketPlan(record: RecordFolder): Promise<Plan> {
  const runs = new PocketRuns(record)
  const { dla_labels: labels, logit_diff_mean: mean, saes = {} } = runs.expected
  const names = await record.tensorNames()
  const own = new CheckList(record)
  const routes = modelRoutes(runs)
  const ids = Object.keys(saes)
  const ofSae = (name: string) => ids.find((id) => name.startsWith(`sae/${id}/`))
  for (const name of names.filter((n) => ofSae(n) === undefined)) {
    own.tensor(name, isIds.test(name) ? { atol: 0 } : tolerance, routes)
  }
  own.fact('dla_labels', labels, async () => {
    const { stack, labels } = (await runs.cache('tokens')).fullResidDecomposition({
      positions: -1,
      expandNeurons: false,
    })
    stack.dispose()
    return labels
  })
  if (mean !== undefined) own.number('logit_diff_mean', mean, tolerance, () => meanDifference(runs))
  const bySae = ids.flatMap((id): readonly Check[] => {
    const list = new CheckList(record, `${record.name}/${id}`)
    list.fact('hook', saes[id]!.hook, async () => (await runs.sae(id)).hookName)
    for (const name of names.filter((n) => ofSae(n) === id)) list.tensor(name, tolerance, saeRoutes(runs, id))
    return list.checks
  })
  return { checks: [...own.checks, ...bySae], dispose: () => runs.dispose() }
}

function modelRoutes(runs: PocketRuns): Routes {
  return [
    [/^tokens$/, () => promptIds(runs, 'clean')],
    [/^corrupt_tokens$/, () => promptIds(runs, 'corrupt')],
    [/^(answer|wrong)$/, (which) => singleIds(runs, which as 'answer' | 'wrong')],
    [/^logits_last$/, async () => lastOf((await runs.cache('tokens')).logits)],
    [/^logit_diff$/, async () => runs.logitDifference(await runs.model())],
    [/^logit_diff_corrupt$/, async () => runs.logitDifference(await runs.model(), 'corrupt_tokens')],
    [/^cache\/(.*)$/, async (hook) => (await runs.cache('tokens')).get(hook!).clone()],
    [/^dla$/, () => directAttribution(runs)],
    [/^patch_resid_pre$/, () => patchResidPre(runs)],
    [/^ablate_head$/, () => ablateHeads(runs)],
  ]
}

function saeRoutes(runs: PocketRuns, id: string): Routes {
  return [
    [/\/acts_last$/, () => actsLast(runs, id)],
    [/\/logit_diff$/, async () => runs.logitDifference(await runs.withSae(id, false))],
    [/\/attribution_last$/, () => attributionLast(runs, id)],
    [/\/ablation_last$/, () => ablationLast(runs, id)],
  ]
}

async function promptIds(runs: PocketRuns, which: 'clean' | 'corrupt'): Promise<tf.Tensor> {
  const texts = runs.expected.prompts.map((prompt) => prompt[which])
  return (await runs.model()).toTokens(texts).tensor()
}

async function singleIds(runs: PocketRuns, which: 'answer' | 'wrong'): Promise<tf.Tensor> {
  const model = await runs.model()
  const ids = runs.expected.prompts.map((prompt) => model.toSingleToken(prompt[which]))
  return tf.tensor1d(ids, 'int32')
}

async function meanDifference(runs: PocketRuns): Promise<number> {
  const differences = await runs.logitDifference(await runs.model())
  const mean = tf.mean(differences)
  differences.dispose()
  return takeNumber(mean)
}

/** The last position of [B,P,…]. */
function lastOf(x: tf.Tensor): tf.Tensor {
  return sliceAt(x, 1, x.shape[1]! - 1)
}

/** What each component adds to the logit difference [C,B]. */
async function directAttribution(runs: PocketRuns): Promise<tf.Tensor> {
  const [cache, { answer, wrong }] = [await runs.cache('tokens'), await runs.answers()]
  const { stack } = cache.fullResidDecomposition({ positions: -1, expandNeurons: false })
  try {
    return cache.logitAttrs(stack, answer, { incorrect: wrong, positions: -1 })
  } finally {
    stack.dispose()
  }
}

/** The clean run with the corrupt resid_pre at one layer and position [L,P,B]. */
async function patchResidPre(runs: PocketRuns): Promise<tf.Tensor> {
  const [model, corrupt] = [await runs.model(), await runs.cache('corrupt_tokens')]
  const { positions } = corrupt.tokens
  const hooks = range(model.config.nLayers).flatMap((l) => {
    const name = `blocks.${l}.hook_resid_pre`
    return range(positions).map((p) => ({
      [name]: (x: tf.Tensor) => editAt(x, 1, p, () => sliceAt(corrupt.get(name), 1, p).expandDims(1)),
    }))
  })
  return shaped(await runs.underEach(model, hooks), [model.config.nLayers, positions, -1])
}

/** z of one head 0 at all positions [L,H,B]. */
async function ablateHeads(runs: PocketRuns): Promise<tf.Tensor> {
  const model = await runs.model()
  const { nLayers, nHeads } = model.config
  const hooks = range(nLayers).flatMap((l) =>
    range(nHeads).map((h) => ({ [`blocks.${l}.attn.hook_z`]: (z: tf.Tensor) => zeroAt(z, 2, h) })),
  )
  return shaped(await runs.underEach(model, hooks), [nLayers, nHeads, -1])
}

async function actsPoint(runs: PocketRuns, id: string): Promise<string> {
  return `${(await runs.sae(id)).hookName}.hook_sae_acts_post`
}

/** Latents at the last position [B,S], the SAE spliced in without error term. */
async function actsLast(runs: PocketRuns, id: string): Promise<tf.Tensor> {
  const [view, name, tokens] = [await runs.withSae(id, false), await actsPoint(runs, id), await runs.tokens('tokens')]
  using cache = view.runWithCache(tokens, { names: name, logits: false })
  return lastOf(cache.get(name))
}

/** Gradient of each prompt's own logit difference · (0 − act) at the last position [B,S], error term kept. */
async function attributionLast(runs: PocketRuns, id: string): Promise<tf.Tensor> {
  const [view, name, tokens] = [await runs.withSae(id, true), await actsPoint(runs, id), await runs.tokens('tokens')]
  const { answer, wrong } = await runs.answers()
  using run = view.runWithGradients(tokens, { metric: logitDiff(answer, wrong), names: name })
  return tf.tidy(() => lastOf(run.gradients.get(name).mul(run.cache.get(name)).neg()))
}

/** Change of the logit difference when one latent is 0 at the last position [latents,B], error term kept. */
async function ablationLast(runs: PocketRuns, id: string): Promise<tf.Tensor> {
  const [view, name] = [await runs.withSae(id, true), await actsPoint(runs, id)]
  const { positions } = await runs.tokens('tokens')
  const hooks = runs.expected.saes![id]!.latents.map((latent) => ({
    [name]: (acts: tf.Tensor) => editAt(acts, 1, positions - 1, (row) => zeroAt(row, 2, latent)),
  }))
  const [clean, ablated] = [await runs.logitDifference(view), await runs.underEach(view, hooks)]
  const change = ablated.sub(clean)
  tf.dispose([clean, ablated])
  return change
}
