/** The `ac/` tensors of a model record: the residual stream in parts, as the record's own words ask for them. */
import * as tf from '@tensorflow/tfjs'
import type { Parts } from '../../lib/residual/decompose.js'
import { residualDirections } from '../../lib/transformer/unembed.js'
import { logitDiff } from '../../lib/core/metrics.js'
import type { ActivationCache } from '../../lib/residual/activation-cache.js'
import { notYet, type Routes } from './check.js'
import type { ModelRuns } from './model-runs.js'

const last = { positions: -1 } as const

export function stackRoutes(runs: ModelRuns): Routes {
  const full = () => partsOf(runs, 'ac/full_decomposition')
  const attributions = async (parts: Parts, tokens: number | number[], incorrect?: number[]) => {
    const cache = await runs.cache()
    try {
      return cache.logitAttrs(parts.stack, tokens, { ...last, ...(incorrect && { incorrect }) })
    } finally {
      parts.stack.dispose()
    }
  }
  const answers = () => runs.ids('ac/answers')
  const wrongs = () => runs.ids('ac/wrongs')
  const expanded = async () => (await runs.cache()).fullResidDecomposition({ ...asThere, ...last, expandNeurons: true })
  return [
    [/^ac\/accumulated_resid_ln_one_scale$/, async () => normed(runs, await partsOf(runs, 'ac/accumulated_resid'))],
    [/^ac\/full_decomposition_post_norm$/, async () => (await sumsUp(runs)).stack],
    [/^ac\/full_decomposition_ln$/, async () => normed(runs, await full())],
    [/^ac\/logit_attrs$/, async () => attributions(await full(), await answers(), await wrongs())],
    [/^ac\/logit_attrs_one_token$/, async () => attributions(await full(), runs.expected.metric.answer_token)],
    [/^ac\/logit_attrs_neurons$/, async () => attributions(await expanded(), await answers(), await wrongs())],
    [/^ac\/tokens_to_residual_directions$/, async () => residualDirections(await runs.processed(), await answers())],
    [/^ac\/logit_diff$/, async () => logitDifference(runs, await answers(), await wrongs())],
    [/^ac\/logit_diff_bias$/, async () => biasDifference(runs, await answers(), await wrongs())],
    [/^(ac\/.*)$/, async (name) => (await partsOf(runs, name!)).stack],
  ]
}

/** The row labels of an `ac/` stack. */
export async function stackLabels(runs: ModelRuns, name: string): Promise<readonly string[]> {
  const isSum = name.endsWith('_post_norm')
  const { stack, labels } = await (isSum ? sumsUp(runs) : partsOf(runs, name.replace(/_one_scale$/, '')))
  stack.dispose()
  return labels
}

/** TransformerLens takes heads and neurons in front of a norm behind them. */
const asThere = { beforePostNorm: true } as const

/** What the library gives by itself: parts that add up. */
async function sumsUp(runs: ModelRuns): Promise<Parts> {
  return (await runs.cache()).fullResidDecomposition({ ...last, expandNeurons: false })
}

const methods: Readonly<Record<string, (cache: ActivationCache, options: object) => Parts>> = {
  accumulated_resid: (cache, options) => cache.accumulatedResid(options),
  decompose_resid: (cache, options) => cache.decomposeResid(options),
  stack_head_results: (cache, options) => cache.stackHeadResults(options),
  get_full_resid_decomposition: (cache, options) => cache.fullResidDecomposition(options),
}

/** TransformerLens's keywords and ours. */
const keywords: Readonly<Record<string, string>> = {
  layer: 'layer',
  incl_mid: 'inclMid',
  mlp_input: 'mlpInput',
  pos_slice: 'positions',
  mode: 'mode',
  apply_ln: 'applyLn',
  incl_remainder: 'inclRemainder',
  expand_neurons: 'expandNeurons',
}

/** Makes the call that the tensor's meaning spells out, such as `decompose_resid(layer=1, pos_slice=(2, 5))`. */
async function partsOf(runs: ModelRuns, name: string): Promise<Parts> {
  const meaning = runs.record.entry(name).meaning ?? ''
  const [, method = '', rest = ''] = /^(\w+)\((.*)\)/.exec(meaning) ?? []
  const call = methods[method] ?? notYet(`'${name}' (${meaning})`)
  const options = [...rest.matchAll(/(\w+)=(\([^)]*\)|'[^']*'|[^,\s]+)/g)].map(([, keyword, value]) => {
    const ours = keywords[keyword!] ?? notYet(`the keyword '${keyword}' of ${method}`)
    return [ours, pythonValue(value!)] as const
  })
  return call(await runs.cache(), { ...asThere, ...Object.fromEntries(options) })
}

/** True, False, a number, a text in quotes or a tuple of these. */
function pythonValue(text: string): unknown {
  const json = text.replace('True', 'true').replace('False', 'false').replaceAll("'", '"')
  return JSON.parse(json.replace(/^\((.*)\)$/, '[$1]'))
}

async function normed(runs: ModelRuns, { stack }: Parts): Promise<tf.Tensor> {
  try {
    return (await runs.cache()).applyLnToStack(stack, last)
  } finally {
    stack.dispose()
  }
}

async function logitDifference(runs: ModelRuns, right: number[], wrong: number[]): Promise<tf.Tensor> {
  const cache = await runs.cache()
  const metric = (await runs.processed()).bindMetric(logitDiff(right, wrong), cache.tokens)
  return tf.tidy(() => metric(cache.logits))
}

async function biasDifference(runs: ModelRuns, right: number[], wrong: number[]): Promise<tf.Tensor> {
  const model = await runs.processed()
  return tf.tidy(() => {
    const bias = model.copyWeight('unembed.b_U')
    const at = (ids: number[]) => tf.gather(bias, tf.tensor1d(ids, 'int32'))
    return at(right).sub(at(wrong))
  })
}
