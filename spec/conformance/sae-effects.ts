/** What latents do in a model, as an SAE record has it: ablation, error node, attribution, path patching. */
import * as tf from '@tensorflow/tfjs'
import type { ActivationCache } from '../../lib/residual/activation-cache.js'
import { pearson } from '../../lib/stats/correlation.js'
import { layerOf } from '../../lib/transformer/hook-names.js'
import type { Routes } from './check.js'
import type { HookSet } from './each.js'
import { editAt, pickAt, sliceAt, zeroAt } from './edit.js'
import type { Label, TransformerRuns } from './transformer-runs.js'

/** With one SAE and its error term, as attribution is recorded. */
const kept: Label = 'one_error_term'

export function effectRoutes(runs: TransformerRuns): Routes {
  const position = () => runs.expected.position
  const live = () => runs.expected.ablation!.live_features
  const anywhere = () => runs.expected.error_node!.live_anywhere
  return [
    [/^transformer\/ablation\/logits$/, () => ablatedLogits(runs)],
    [/^transformer\/ablation\/effects$/, () => ablationEffects(runs, 'one', live(), position())],
    [/^transformer\/ablation\/acts$/, async () => atLive(await acts(runs), position(), live())],
    [/^transformer\/error_node\/effects$/, () => errorNodeEffects(runs)],
    [/^transformer\/error_node\/effects_all_positions$/, () => ablationEffects(runs, kept, anywhere())],
    [/^transformer\/attribution\/grad\/(.*)$/, async (hook) => (await gradients(runs)).get(hook!).clone()],
    [/^transformer\/attribution\/attribution$/, () => attribution(runs, 'hook_sae_acts_post')],
    [/^transformer\/attribution\/error_grad$/, () => errorGradient(runs)],
    [/^transformer\/attribution\/error_attribution$/, () => attribution(runs, 'hook_sae_error')],
    [/^transformer\/attribution\/at_position$/, () => attributionAt(runs)],
    [/^transformer\/attribution\/ablation_at_position$/, () => ablationEffects(runs, kept, live(), position())],
    [/^transformer\/attribution\/summed_over_positions$/, () => summedAttribution(runs)],
    [/^transformer\/path_patching\/v_input_first_head_layer$/, () => splitValueInput(runs)],
    [/^transformer\/path_patching\/effects$/, () => pathEffects(runs)],
  ]
}

async function point(runs: TransformerRuns, name: string): Promise<string> {
  return `${(await runs.sae()).hookName}.${name}`
}

/** Latents [B,P,S] of the single SAE; they belong to a cache. */
async function acts(runs: TransformerRuns): Promise<tf.Tensor> {
  return (await runs.cache('one')).get(await point(runs, 'hook_sae_acts_post'))
}

async function gradients(runs: TransformerRuns): Promise<ActivationCache> {
  return (await runs.gradients(kept)).gradients
}

/** x [B,P,S] at one position and some latents. */
function atLive(x: tf.Tensor, position: number, latents: readonly number[]): tf.Tensor {
  return tf.tidy(() => pickAt(sliceAt(x, 1, position), 1, latents))
}

/** The latents that fire in any prompt, at one position or anywhere. */
export async function liveLatents(runs: TransformerRuns, position?: number): Promise<number[]> {
  const all = await acts(runs)
  const most = tf.tidy(() => (position === undefined ? all.max([0, 1]) : sliceAt(all, 1, position).max(0)))
  const values = await most.data()
  most.dispose()
  return [...values].flatMap((value, latent) => (value > 0 ? [latent] : []))
}

/** x with a latent 0 at one position, or at all. */
function without(x: tf.Tensor, latent: number, position?: number): tf.Tensor {
  return position === undefined ? zeroAt(x, 2, latent) : editAt(x, 1, position, (row) => zeroAt(row, 2, latent))
}

/** [sets,B] minus what the view gives without hooks, as [B,sets]. */
async function changes(runs: TransformerRuns, label: Label, sets: readonly HookSet[]): Promise<tf.Tensor> {
  const [clean, under] = [await runs.logitDifference(label), await runs.underEach(label, sets)]
  const change = tf.tidy(() => under.sub(clean).transpose())
  tf.dispose([clean, under])
  return change
}

/** Change of the logit difference when each latent is 0, [B,latents]. */
async function ablationEffects(
  runs: TransformerRuns,
  label: Label,
  latents: readonly number[],
  position?: number,
): Promise<tf.Tensor> {
  return changes(runs, label, await latentSets(runs, latents, position))
}

async function latentSets(runs: TransformerRuns, latents: readonly number[], position?: number): Promise<HookSet[]> {
  const name = await point(runs, 'hook_sae_acts_post')
  return latents.map((latent) => ({ [name]: (x: tf.Tensor) => without(x, latent, position) }))
}

async function ablatedLogits(runs: TransformerRuns): Promise<tf.Tensor> {
  const { position, ablation } = runs.expected
  const [hooks] = await latentSets(runs, [ablation!.logits_feature], position)
  return (await runs.view('one')).withHooks(hooks!).run(await runs.tokens())
}

/** Latents at the position, then the error at the position, then the error everywhere [B,latents+2]. */
async function errorNodeEffects(runs: TransformerRuns): Promise<tf.Tensor> {
  const { position, ablation } = runs.expected
  const error = await point(runs, 'hook_sae_error')
  return changes(runs, kept, [
    ...(await latentSets(runs, ablation!.live_features, position)),
    { [error]: (x) => zeroAt(x, 1, position) },
    { [error]: (x) => tf.zerosLike(x) },
  ])
}

async function errorGradient(runs: TransformerRuns): Promise<tf.Tensor> {
  return (await gradients(runs)).get(await point(runs, 'hook_sae_error')).clone()
}

/** Gradient · (0 − value) at one of the SAE's points. */
async function attribution(runs: TransformerRuns, pointName: string): Promise<tf.Tensor> {
  const name = await point(runs, pointName)
  const run = await runs.gradients(kept)
  return tf.tidy(() => run.gradients.get(name).mul(run.cache.get(name)).neg())
}

async function attributionAt(runs: TransformerRuns): Promise<tf.Tensor> {
  const { position, ablation } = runs.expected
  const all = await attribution(runs, 'hook_sae_acts_post')
  const some = atLive(all, position, ablation!.live_features)
  all.dispose()
  return some
}

async function summedAttribution(runs: TransformerRuns): Promise<tf.Tensor> {
  const all = await attribution(runs, 'hook_sae_acts_post')
  const summed = tf.tidy(() => pickAt(all.sum(1), 1, runs.expected.error_node!.live_anywhere))
  all.dispose()
  return summed
}

/** Pearson's r of attribution and ablation over prompts and live latents. */
export async function attributionCorrelation(runs: TransformerRuns): Promise<number> {
  const { position, ablation } = runs.expected
  const tensors = [await attributionAt(runs), await ablationEffects(runs, kept, ablation!.live_features, position)]
  const [x, y] = [await tensors[0]!.data(), await tensors[1]!.data()]
  tf.dispose(tensors)
  return pearson(x, y)
}

/** Names on request that split each head's inputs. */
export async function splitInputs(runs: TransformerRuns): Promise<string[]> {
  return (await runs.model()).hookNames.filter((name) => /\.hook_[qkv]_input$/.test(name))
}

async function splitValueInput(runs: TransformerRuns): Promise<tf.Tensor> {
  const [layer] = runs.expected.path_patching!.heads[0]!
  const name = `blocks.${layer}.hook_v_input`
  using cache = (await runs.view('one')).runWithCache(await runs.tokens(), { names: name, logits: false })
  return cache.get(name).clone()
}

/** Each latent's direct path into the value inputs of later heads cut at the position [B,latents]. */
async function pathEffects(runs: TransformerRuns): Promise<tf.Tensor> {
  const { position, ablation, path_patching: paths } = runs.expected
  const written = await Promise.all(ablation!.live_features.map((latent) => writtenBy(runs, latent)))
  const sets = written.map((direction): HookSet => {
    const cut = (x: tf.Tensor, head: number) =>
      editAt(x, 1, position, (row) => editAt(row, 2, head, (part) => part.sub(direction)))
    const layers = [...new Set(paths!.heads.map(([layer]) => layer))]
    return Object.fromEntries(
      layers.map((layer) => {
        const heads = paths!.heads.flatMap(([l, head]) => (l === layer ? [head] : []))
        return [`blocks.${layer}.hook_v_input`, (x: tf.Tensor) => heads.reduce(cut, x)]
      }),
    )
  })
  const effects = await changes(runs, 'one', sets)
  tf.dispose(written)
  return effects
}

/** What a latent of an SAE of hook_z writes to the residual stream at the position: act · W_dec · W_O [B,1,1,D]. */
async function writtenBy(runs: TransformerRuns, latent: number): Promise<tf.Tensor> {
  const [all, sae, model] = [await acts(runs), await runs.sae(), await runs.model()]
  return tf.tidy(() => {
    const { dModel } = model.config
    const act = atLive(all, runs.expected.position, [latent]) // [B,1]
    const W_O = model.copyWeight(`blocks.${layerOf(sae.hookName)}.attn.W_O`).reshape<tf.Tensor2D>([-1, dModel])
    const direction = tf.matMul(sae.W_dec.slice([latent, 0], [1, -1]), W_O) // [1,D]
    return act.mul(direction).reshape([-1, 1, 1, dModel])
  })
}
