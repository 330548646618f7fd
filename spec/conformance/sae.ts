/** Records of SAEs: files in every layout, and what SAELens computes with them, alone and inside a model. */
import * as tf from '@tensorflow/tfjs'
import type { Sae } from '../../saes/index.js'
import { CheckList, notYet, type Plan, type Routes } from './check.js'
import { roundingOf } from './compare.js'
import { shaped } from './edit.js'
import { takeNumber } from './model-runs.js'
import type { RecordFolder } from './record.js'
import { addFeatureFacts, featureRoutes, isFeatureInput } from './sae-features.js'
import { addLogitLensFacts, logitLensRoutes } from './sae-logit-lens.js'
import { addFileFacts, addMaliciousFact } from './sae-malicious.js'
import { SaeRuns, type SaeEntry } from './sae-runs.js'
import { studyRoutes } from './sae-study.js'
import { addStudyFacts } from './study-facts.js'
import { addTransformerFacts, transformerRoutes } from './sae-transformer.js'

/** Analyses of later steps, each with tensors and numbers of its own. */
const later: Readonly<Record<string, string>> = {
  vis: 'dashboards',
  vis_02: 'dashboards of the older layout',
}

export async function saePlan(record: RecordFolder): Promise<Plan> {
  const runs = new SaeRuns(record)
  const names = await record.tensorNames()
  const saes = runs.expected.saes ?? {}
  const idOf = (name: string) => Object.keys(saes).find((id) => name.startsWith(`sae/${id}/`))
  const own = new CheckList(record)
  const routes = routesOf(runs)
  for (const name of names.filter((n) => idOf(n) === undefined && n !== 'model/tokens' && !isFeatureInput(n))) {
    own.tensor(name, toleranceOf(runs, name), routes)
  }
  runs.expected.model.tokenizer_samples?.forEach(({ text, tokens }, i) => {
    own.fact(`model/tokenizer_samples/${i}`, tokens, async () => {
      return (await runs.model()).toTokens(text, { prependBos: false }).rows[0]
    })
  })
  addTransformerFacts(own, runs)
  addFeatureFacts(own, runs)
  addStudyFacts(own, runs)
  addLogitLensFacts(own, runs)
  addMaliciousFact(own, record)
  for (const [section, what] of Object.entries(later)) {
    if (record.expected[section] !== undefined) own.unsupported(`expected.json/${section}`, what)
  }
  const bySae = Object.entries(saes).flatMap(([id, entry]) => {
    const list = new CheckList(record, `${record.name}/${id}`)
    addSaeFacts(list, runs, id, entry)
    addFileFacts(list, runs, id, entry)
    const computed = names.filter((name) => idOf(name) === id && !name.endsWith('/cotangent'))
    for (const name of computed) list.tensor(name, toleranceOf(runs, name), saeRoutes(runs, id))
    return list.checks
  })
  return { checks: [...own.checks, ...bySae], dispose: () => runs.dispose() }
}

/** Ids and flags are exact. */
function toleranceOf(runs: SaeRuns, name: string): { atol: number; rtol?: number } {
  const { dtype = 'float32' } = runs.record.entry(name)
  return dtype === 'float32' ? runs.tolerance(name) : { atol: 0 }
}

function routesOf(runs: SaeRuns): Routes {
  return [
    [/^model\/logits$/, async () => (await runs.cache()).logits.clone()],
    ...transformerRoutes(runs),
    ...featureRoutes(runs),
    ...studyRoutes(runs),
    ...logitLensRoutes(runs),
    [/^(\w+)\//, (group) => notYet(later[group!] ?? `'${group}'`)],
  ]
}

function saeRoutes(runs: SaeRuns, id: string): Routes {
  const pass = () => runs.pass(id, false)
  const input = () => runs.read(`sae/${id}/input`)
  const fromModel = async (key: string) => (await runs.cache()).get(String(settingsOf(runs, id)[key])).clone()
  const at = (pattern: string) => new RegExp(`^sae/${id.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}/${pattern}$`)
  return [
    [at('input'), () => fromModel('hook_name')],
    [at('target'), () => fromModel('hook_name_out')],
    [at('hook_sae_input'), async () => recordedInput(runs, id, (await pass()).get('hook_sae_input'))],
    [at('(hook_sae_\\w+)'), async (hook) => (await pass()).get(hook!).clone()],
    [at('output'), async () => (await pass()).logits.clone()],
    [at('encode'), async () => encoded(await runs.sae(id), await input())],
    [at('decode'), async () => decoded(await runs.sae(id), await input())],
    [at('error_term/(hook_sae_\\w+)'), async (hook) => (await runs.pass(id, true)).get(hook!).clone()],
    [at('grad_input'), async () => (await runs.gradients(id)).input.clone()],
    [at('grad_acts_post'), async () => (await runs.gradients(id)).acts.clone()],
    [at('log_sparsity'), async () => logSparsity(await runs.sae(id))],
    [at('folded_W_dec_norm/encode'), async () => encoded(await runs.folded(id), await input())],
    [at('folded_W_dec_norm/(\\w+)'), async (weight) => (await runs.folded(id)).weight(weight!).clone()],
    [at('(\\w+)/input'), async (shape) => ofShape(await atSae(runs, id), runs, `sae/${id}/${shape}/input`)],
    [at('(\\w+)/encode'), async (shape) => encoded(await runs.sae(id), await runs.read(`sae/${id}/${shape}/input`))],
  ]
}

/**
 * hook_sae_input, which SAELens 3 shows behind the subtraction of b_dec in JumpReLU SAEs; the other versions before.
 */
async function recordedInput(runs: SaeRuns, id: string, input: tf.Tensor): Promise<tf.Tensor> {
  const { expected_by: version = '' } = runs.expected.saes![id]!
  const sae = await runs.sae(id)
  const centred =
    version.startsWith('sae_lens 3.') && sae.config.architecture === 'jumprelu' && sae.config.applyBDecToInput
  return centred ? input.sub(sae.b_dec) : input.clone()
}

/** What the model gives at the SAE's hook point. */
async function atSae(runs: SaeRuns, id: string): Promise<tf.Tensor> {
  return (await runs.cache()).get((await runs.sae(id)).hookName).clone()
}

/** The numbers in the shape they are recorded in. */
function ofShape(x: tf.Tensor, runs: SaeRuns, name: string): tf.Tensor {
  return shaped(x, [...runs.record.entry(name).shape!])
}

function settingsOf(runs: SaeRuns, id: string): Readonly<Record<string, unknown>> {
  return runs.expected.saes![id]!.settings
}

/** Latents of an input, which is freed. */
function encoded(sae: Sae, input: tf.Tensor): tf.Tensor {
  const acts = sae.encode(input)
  input.dispose()
  return acts
}

/** Encoded and decoded again. */
function decoded(sae: Sae, input: tf.Tensor): tf.Tensor {
  const output = tf.tidy(() => sae.decode(sae.encode(input), input))
  input.dispose()
  return output
}

function logSparsity({ logSparsity: values, label }: Sae): tf.Tensor {
  if (!values) throw new Error(`the SAE '${label}' was loaded without its sparsity`)
  return tf.tensor1d(values)
}

function addSaeFacts(list: CheckList, runs: SaeRuns, id: string, entry: SaeEntry): void {
  const settings = Object.entries(entry.settings).filter(([key]) => key in settingNames)
  list.fact('settings', Object.fromEntries(settings), async () => {
    const sae = await runs.sae(id)
    return Object.fromEntries(settings.map(([key]) => [key, settingNames[key]!(sae)]))
  })
  const { hooks, hooks_with_error_term: withError, mean_l0: meanL0 } = entry
  if (hooks) list.fact('hooks', hooks, async () => (await runs.pass(id, false)).names)
  if (withError) list.fact('hooks_with_error_term', withError, async () => (await runs.pass(id, true)).names)
  if (meanL0 !== undefined) {
    list.number('mean_l0', meanL0, roundingOf(meanL0, 4), async () => {
      const acts = await encoded(await runs.sae(id), await runs.read(`sae/${id}/input`))
      const mean = tf.tidy(() => acts.greater(0).sum(-1).toFloat().mean())
      acts.dispose()
      return takeNumber(mean)
    })
  }
}

/** Settings as SAELens names them. */
const settingNames: Readonly<Record<string, (sae: Sae) => unknown>> = {
  architecture: ({ config }) => config.architecture,
  d_in: ({ config }) => config.dIn,
  d_sae: ({ config }) => config.dSae,
  hook_name: ({ config }) => config.hookName,
  apply_b_dec_to_input: ({ config }) => config.applyBDecToInput,
  normalize_activations: ({ config }) => config.normalization,
  reshape_activations: ({ config }) => (config.flattenHeads ? 'hook_z' : 'none'),
  finetuning_scaling_factor: ({ config }) => config.hasScalingFactor,
  activation_fn_str: ({ config }) => config.activation ?? (config.architecture === 'topk' ? 'topk' : 'relu'),
  k: ({ config }) => config.k,
  d_out: ({ config }) => config.dOut,
  hook_name_out: ({ config }) => config.hookNameOut,
}
