/** What a model record states in its JSON: names, shapes, labels, and which values are the same. */
import * as tf from '@tensorflow/tfjs'
import { actName } from '../../lib/transformer/hook-names.js'
import type { CheckList } from './check.js'
import { roundingOf } from './compare.js'
import { takeNumber, type ModelRuns } from './model-runs.js'
import { stackLabels } from './model-stacks.js'
import { asRecorded, modelFor, optionPoints } from './options.js'

interface Facts {
  readonly hook_names?: readonly string[]
  readonly hook_shapes?: Shapes
  readonly options?: Readonly<Record<string, OptionFacts>>
  readonly get_act_name?: readonly { readonly args: [string, number?, string?]; readonly name: string }[]
  readonly stop_at_layer_equals?: Readonly<Record<string, readonly string[]>>
  readonly run_with_cache_pos_slice?: PositionSliceFacts
  readonly ln1_backward_hook?: { readonly norm_of_sum: number }
  readonly weights_block?: number
  readonly tl_config?: Readonly<Record<string, unknown>>
}

type Shapes = Readonly<Record<string, readonly number[]>>

interface PositionSliceFacts {
  readonly pos_slice: number
  readonly shapes: Record<string, number[]>
  readonly sliced_along_heads_not_positions?: readonly string[]
}

type OptionFacts =
  | { readonly unsupported: string }
  | { readonly hook_names: readonly string[]; readonly new_or_reshaped: Readonly<Record<string, readonly number[]>> }

export function addModelFacts(list: CheckList, runs: ModelRuns): void {
  const facts = runs.record.expected as unknown as Facts
  const { hook_names: names, hook_shapes: shapes, get_act_name: actNames = [] } = facts
  if (names) list.fact('hook_names', names, async () => asRecorded((await runs.cache()).names))
  if (shapes) list.fact('hook_shapes', shapes, async () => shapesOf(asRecorded((await runs.cache()).names), runs))
  for (const [name, labels] of Object.entries(runs.expected.labels ?? {})) {
    list.fact(`labels/${name}`, labels, () => stackLabels(runs, name))
  }
  for (const { args, name } of actNames) list.fact(`get_act_name/${args.join(' ')}`, name, () => actName(...args))
  for (const [layer, same] of Object.entries(facts.stop_at_layer_equals ?? {})) {
    for (const hook of same) addStop(list, runs, Number(layer), hook)
  }
  for (const [option, said] of Object.entries(facts.options ?? {})) addOption(list, runs, option, said)
  if (facts.run_with_cache_pos_slice) addPositionSlice(list, runs, shapes ?? {}, facts.run_with_cache_pos_slice)
  if (facts.ln1_backward_hook) addNormGradient(list, runs, facts)
  if (facts.tl_config) addConfig(list, runs, facts.tl_config)
}

async function shapesOf(names: readonly string[], runs: ModelRuns): Promise<Record<string, number[]>> {
  const cache = await runs.cache()
  return Object.fromEntries(names.map((name) => [name, cache.get(name).shape]))
}

/** What a stopped model returns is an activation of the full run. */
function addStop(list: CheckList, runs: ModelRuns, layer: number, hook: string): void {
  const atol = runs.record.entry(`cache/${hook}`).atol ?? 0
  list.number(`stop_at_layer_equals/${layer}`, 0, { atol }, async () => {
    const [model, cache, tokens] = [await runs.processed(), await runs.cache(), await runs.tokens('probe_tokens')]
    return takeNumber(tf.tidy(() => model.stopAt(layer).run(tokens).sub(cache.get(hook)).abs().max()))
  })
}

/** With an option on there are other names and shapes, and the logits stay. */
function addOption(list: CheckList, runs: ModelRuns, option: string, said: OptionFacts): void {
  if ('unsupported' in said) {
    list.fact(`options/${option}`, [], () => unexpectedPoints(runs, option))
    return
  }
  const withOption = async () => {
    const model = await modelFor(option, runs)
    const names = [...(await runs.cache()).names, ...optionPoints(option, model.hookNames)]
    return model.runWithCache(await runs.tokens('probe_tokens'), { names })
  }
  list.fact(`options/${option}/hook_names`, said.hook_names, async () => {
    using cache = await withOption()
    return asRecorded(cache.names)
  })
  list.fact(`options/${option}/new_or_reshaped`, said.new_or_reshaped, async () => {
    using cache = await withOption()
    const plain = await runs.cache()
    const isNew = (name: string, shape: number[]) => !plain.has(name) || plain.get(name).shape.join() !== shape.join()
    return Object.fromEntries([...cache.entries()].flatMap(([n, t]) => (isNew(n, t.shape) ? [[n, t.shape]] : [])))
  })
  list.number(`options/${option}/logits`, 0, { atol: runs.record.entry('tl/logits').atol ?? 0 }, async () => {
    using cache = await withOption()
    const { logits } = await runs.cache()
    return takeNumber(tf.tidy(() => cache.logits.sub(logits).abs().max()))
  })
}

/**
 * Points of an option that TransformerLens refuses. It refuses `use_attn_in` for every model whose config names its
 * key/value heads; where these are not shared the point is well defined, and is right if asking for it changes nothing.
 */
async function unexpectedPoints(runs: ModelRuns, option: string): Promise<string[]> {
  const model = await runs.processed()
  const names = optionPoints(option, model.hookNames)
  const { nHeads, nKeyValueHeads = nHeads } = model.config
  if (names.length === 0 || option !== 'use_attn_in' || nKeyValueHeads !== nHeads) return names
  using cache = model.runWithCache(await runs.tokens('probe_tokens'), { names })
  const { logits } = await runs.cache()
  const off = takeNumber(tf.tidy(() => cache.logits.sub(logits).abs().max()))
  return off <= (runs.record.entry('tl/logits').atol ?? 0) ? [] : names
}

function addPositionSlice(list: CheckList, runs: ModelRuns, shapesOfAll: Shapes, said: PositionSliceFacts): void {
  const { pos_slice: positions, shapes, sliced_along_heads_not_positions: wrong = [] } = said
  const names = Object.keys(shapes)
  // where TransformerLens slices heads by mistake, positions are to be sliced
  const mended = names.map((name) => [name, wrong.includes(name) ? onePosition(shapesOfAll[name]!) : shapes[name]])
  list.fact('run_with_cache_pos_slice/shapes', Object.fromEntries(mended), async () => {
    const model = await runs.processed()
    using cache = model.runWithCache(await runs.tokens('probe_tokens'), { names, positions })
    return Object.fromEntries([...cache.entries()].map(([name, t]) => [name, t.shape]))
  })
}

function onePosition([batch, , ...rest]: readonly number[]): number[] {
  return [batch!, 1, ...rest]
}

/** TransformerLens calls a backward hook at ln1 three times; here the point has the sum of these gradients. */
function addNormGradient(list: CheckList, runs: ModelRuns, { weights_block = 0, ln1_backward_hook }: Facts): void {
  const recorded = ln1_backward_hook!.norm_of_sum
  list.number('ln1_backward_hook/norm_of_sum', recorded, roundingOf(recorded, 3), async () => {
    const model = await runs.processed()
    const name = `blocks.${weights_block}.ln1.hook_normalized`
    using run = model.runWithGradients(await runs.tokens('probe_tokens'), { metric: await runs.metric(), names: name })
    return takeNumber(tf.tidy(() => run.gradients.get(name).norm()))
  })
}

function addConfig(list: CheckList, runs: ModelRuns, recorded: Readonly<Record<string, unknown>>): void {
  const ours = {
    n_layers: 'nLayers',
    d_model: 'dModel',
    n_heads: 'nHeads',
    d_head: 'dHead',
    d_mlp: 'dMlp',
    n_ctx: 'nCtx',
    d_vocab: 'dVocab',
    eps: 'eps',
  } as const
  // TransformerLens limits the context of rotary models by numbers of its own; the library takes the config's
  const isRotary = recorded['positional_embedding_type'] === 'rotary'
  const pairs = Object.entries(ours).filter(([theirs]) => theirs !== 'n_ctx' || !isRotary)
  list.fact('tl_config', Object.fromEntries(pairs.map(([theirs]) => [theirs, recorded[theirs]])), async () => {
    const { config } = await runs.processed()
    return Object.fromEntries(pairs.map(([theirs, name]) => [theirs, config[name]]))
  })
}
