/** The `sweep/` tensors of a model record: one plain run for each entry. L layers, P positions, H heads. */
import * as tf from '@tensorflow/tfjs'
import type { Routes } from './check.js'
import { underEach, type HookSet } from './each.js'
import { range } from '../../lib/stats/range.js'
import { editAt, shaped, sliceAt, zeroAt } from './edit.js'
import { takeNumber, type ModelRuns } from './model-runs.js'

export function sweepRoutes(runs: ModelRuns): Routes {
  return [
    [/^sweep\/patch_resid_pre$/, () => patchResidPre(runs)],
    [/^sweep\/patch_head_z$/, () => patchHeadZ(runs)],
    [/^sweep\/zero_z_effect$/, () => zeroZ(runs)],
    [/^sweep\/zero_z_attribution$/, () => zeroZAttribution(runs)],
  ]
}

/** The metric of a plain run. */
export async function plainMetric(runs: ModelRuns, tokens: 'probe_tokens' | 'corrupt_tokens'): Promise<number> {
  return takeNumber(await metricUnderEach(runs, tokens, [{}]))
}

/** The metric under each set of hooks, [sets]. */
async function metricUnderEach(
  runs: ModelRuns,
  name: 'probe_tokens' | 'corrupt_tokens',
  sets: readonly HookSet[],
): Promise<tf.Tensor> {
  const [model, tokens] = [await runs.processed(), await runs.tokens(name)]
  const { answer_token, wrong_token } = runs.expected.metric
  const answers = { answer: tokens.rows.map(() => answer_token), wrong: tokens.rows.map(() => wrong_token) }
  return tf.tidy(() => underEach(model, tokens, answers, sets).mean(1))
}

/** The corrupt run with the clean resid_pre at one layer and position [L,P]. */
async function patchResidPre(runs: ModelRuns): Promise<tf.Tensor> {
  const clean = await runs.cache()
  const { positions } = clean.tokens
  const layers = (await runs.processed()).config.nLayers
  const sets = range(layers).flatMap((l) => {
    const name = `blocks.${l}.hook_resid_pre`
    const patched = (x: tf.Tensor, p: number) => editAt(x, 1, p, () => sliceAt(clean.get(name), 1, p).expandDims(1))
    return range(positions).map((p) => ({ [name]: (x: tf.Tensor) => patched(x, p) }))
  })
  return shaped(await metricUnderEach(runs, 'corrupt_tokens', sets), [layers, positions])
}

/** The corrupt run with the clean z of one head, at all positions [L,H]. */
async function patchHeadZ(runs: ModelRuns): Promise<tf.Tensor> {
  const clean = await runs.cache()
  const { nLayers, nHeads } = (await runs.processed()).config
  const sets = range(nLayers).flatMap((l) => {
    const name = `blocks.${l}.attn.hook_z`
    const patched = (z: tf.Tensor, h: number) => editAt(z, 2, h, () => sliceAt(clean.get(name), 2, h).expandDims(2))
    return range(nHeads).map((h) => ({ [name]: (z: tf.Tensor) => patched(z, h) }))
  })
  return shaped(await metricUnderEach(runs, 'corrupt_tokens', sets), [nLayers, nHeads])
}

/** Change of the metric when z of one head is 0 at one position [L,P,H]. */
async function zeroZ(runs: ModelRuns): Promise<tf.Tensor> {
  const { nLayers, nHeads } = (await runs.processed()).config
  const { positions } = await runs.tokens('probe_tokens')
  const cut = (z: tf.Tensor, p: number, h: number) => editAt(z, 1, p, (row) => zeroAt(row, 2, h))
  const sets = range(nLayers).flatMap((l) =>
    range(positions).flatMap((p) =>
      range(nHeads).map((h) => ({ [`blocks.${l}.attn.hook_z`]: (z: tf.Tensor) => cut(z, p, h) })),
    ),
  )
  const clean = await plainMetric(runs, 'probe_tokens')
  const metrics = await metricUnderEach(runs, 'probe_tokens', sets)
  const effects = metrics.sub(clean)
  metrics.dispose()
  return shaped(effects, [nLayers, positions, nHeads])
}

/** Gradient · (0 − z), summed over prompts and d_head: the estimate of the same [L,P,H]. */
async function zeroZAttribution(runs: ModelRuns): Promise<tf.Tensor> {
  const [clean, { gradients }] = [await runs.cache(), await runs.gradients('grad/')]
  const layers = (await runs.processed()).config.nLayers
  return tf.tidy(() =>
    tf.stack(range(layers).map((l) => gradients.get('z', l).mul(clean.get('z', l)).neg().sum([0, 3]))),
  )
}
