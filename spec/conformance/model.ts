/** Model records: a checkpoint, and what Hugging Face and TransformerLens compute on it. */
import path from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { CheckList, notYet, type Plan, type Routes } from './check.js'
import { intervene } from './interventions.js'
import { circuitRoutes } from './model-circuits.js'
import { addModelFacts } from './model-facts.js'
import { addGenerationFacts, generationRoutes } from './model-generation.js'
import { ModelRuns, takeNumber } from './model-runs.js'
import { stackRoutes } from './model-stacks.js'
import { plainMetric, sweepRoutes } from './model-sweeps.js'
import { modelFor, optionPoints } from './options.js'
import { RecordFolder, type TensorEntry } from './record.js'
import { addTokenizerFacts } from './tokenizer.js'

/**
 * The checks of a model record. One with `same_values_as` holds its checkpoint to the record of the folder beside it.
 */
export async function modelPlan(own: RecordFolder): Promise<Plan> {
  const other = own.expected['same_values_as']
  const record = other === undefined ? own : await RecordFolder.open(path.join(path.dirname(own.path), String(other)))
  const runs = new ModelRuns(own.path, record)
  const list = new CheckList(record, own.name)
  const routes = routesOf(runs)
  for (const name of await record.tensorNames()) {
    const entry = record.entry(name)
    if (!isInput(name, entry)) list.tensor(name, { atol: entry.atol ?? 0 }, routes)
  }
  for (const [name, { value, atol }] of Object.entries(runs.expected.scalars ?? {})) {
    list.number(name, value, { atol }, () => scalar(runs, name))
  }
  addModelFacts(list, runs)
  addGenerationFacts(list, runs)
  // a checkpoint without a tokenizer of its own is held to the numbers alone
  if (other === undefined) addTokenizerFacts(list, runs)
  return { checks: list.checks, dispose: () => runs.dispose() }
}

/** Ids and masks have no tolerance; those that are generated are results and exact. */
function isInput(name: string, entry: TensorEntry): boolean {
  return entry.dtype === 'int32' && entry.atol === undefined && !/^gen\/ids/.test(name)
}

function routesOf(runs: ModelRuns): Routes {
  const probe = () => runs.tokens('probe_tokens')
  return [
    [/^(?:hf|tl_raw)\/logits$/, async () => (await runs.raw()).run(await runs.tokens('tokens'))],
    [/^(?:hf|tl_raw)\/leftpad_logits$/, () => leftPaddedLogits(runs)],
    [/^tl\/logits$/, async () => (await runs.processed()).run(await runs.tokens('tokens'))],
    [/^tl\/loss_per_token$/, async () => (await runs.processed()).lossPerToken(await runs.tokens('tokens'))],
    [/^cache\/(.*)$/, async (hook) => (await runs.cache()).get(hook!).clone()],
    [/^cache_raw\/(.*)$/, async (hook) => (await runs.rawCache()).get(hook!).clone()],
    [/^stop_at_layer\/(.*)$/, async (layer) => (await runs.processed()).stopAt(Number(layer)).run(await probe())],
    [/^weights\/(.*)$/, async (name) => (await runs.processed()).copyWeight(name!)],
    [/^option\/(\w+)\/(.*)$/, (option, hook) => underOption(runs, option!, hook!)],
    [/^grad\/(.*)$/, async (hook) => (await runs.gradients('grad/')).gradients.get(hook!).clone()],
    [/^grad_split\/(.*)$/, async (hook) => (await runs.gradients('grad_split/')).gradients.get(hook!).clone()],
    [/^intervention\/(.*)$/, (name) => intervene(runs, name!, isOfLastPosition(runs, `intervention/${name}`))],
    [/^sample\/input_logits$/, () => lastLogits(runs)],
    ...circuitRoutes(runs),
    ...generationRoutes(runs),
    ...stackRoutes(runs),
    ...sweepRoutes(runs),
  ]
}

async function scalar(runs: ModelRuns, name: string): Promise<number> {
  switch (name) {
    case 'tl/loss':
      return (await runs.processed()).loss(await runs.tokens('tokens'))
    case 'tl/loss_unprocessed':
      return (await runs.raw()).loss(await runs.tokens('tokens'))
    case 'tl/leftpad_loss':
      return (await runs.processed()).loss(await runs.leftPadded())
    case 'grad/metric':
      return takeNumber((await runs.gradients('grad/')).value.clone())
    case 'sweep/clean_metric':
      return plainMetric(runs, 'probe_tokens')
    case 'sweep/corrupt_metric':
      return plainMetric(runs, 'corrupt_tokens')
    default:
      return notYet(`the scalar '${name}'`)
  }
}

/** Logits of the left-padded prompts, 0 at padding. */
async function leftPaddedLogits(runs: ModelRuns): Promise<tf.Tensor> {
  const [model, tokens] = [await runs.raw(), await runs.leftPadded()]
  return tf.tidy(() => model.run(tokens).mul(tokens.maskTensor()!.expandDims(2)))
}

async function lastLogits(runs: ModelRuns): Promise<tf.Tensor> {
  const { logits } = await runs.cache()
  return tf.tidy(() => logits.slice([0, logits.shape[1] - 1, 0], [-1, 1, -1]).squeeze([1]))
}

/** Smaller records keep the last position of an intervention's logits. */
function isOfLastPosition(runs: ModelRuns, name: string): boolean {
  return runs.record.entry(name).shape?.[1] === 1
}

/** An activation while the points that an option switches on are asked for too. */
async function underOption(runs: ModelRuns, option: string, hook: string): Promise<tf.Tensor> {
  const model = await modelFor(option, runs)
  const names = [hook, ...optionPoints(option, model.hookNames)]
  using cache = model.runWithCache(await runs.tokens('probe_tokens'), { names })
  return cache.get(hook).clone()
}
