/**
 * The logit lens: what the model would predict if it stopped after each layer (nostalgebraist 2020). Each state of the
 * residual stream goes through the model's own final norm and unembedding, soft-cap included.
 * B prompts · P positions · D d_model · V vocabulary
 */
import * as tf from '@tensorflow/tfjs'
import { promptAxis } from '../../lib/core/labels.js'
import type { Answers } from '../../lib/core/metrics.js'
import { promptPositions } from '../../lib/core/positions.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import { argMax } from '../../lib/generation/sampling.js'
import type { HookedModel } from '../../lib/model.js'
import { pickPositions } from '../../lib/ops/pick.js'
import { Result } from '../../lib/report/result/result.js'
import { tokenOptionsOf, type Prompts, tokenOptionNames, Tokens, type TokenOptions } from '../../lib/tokens/tokens.js'
import { layerOf } from '../../lib/transformer/hook-names.js'
import { readPrediction, type Prediction } from './prediction.js'
import { LogitLens } from './logit-lens-result.js'

/** What `logitLens` follows, and where. */
export interface LogitLensOptions extends TokenOptions {
  /**
   * The token that is followed: one for all prompts, or one for each. @default the model's own top token of each prompt
   */
  readonly answer?: Answers
  /** @default -1, the last real token */
  readonly position?: number
  /** The stream between attention and MLP as well. @default false */
  readonly inclMid?: boolean
}

const optionNames: OptionNames<LogitLensOptions> = { ...tokenOptionNames, answer: true, position: true, inclMid: true }

/**
 * Log probability (nats) and rank of a token, and entropy of the prediction (nats), at each state of the residual
 * stream: axes [state, prompt]. The last state is the model's own prediction.
 *
 * Source: nostalgebraist, "interpreting GPT: the logit lens" (2020).
 * @example
 * const lens = await logitLens(model, prompt, { answer: ' Carl' })
 * lens.logProb.print()
 * lens.plot()
 * @throws ArgumentError, TokenError before any run
 */
export async function logitLens(
  view: HookedModel,
  prompts: Prompts,
  options: LogitLensOptions = {},
): Promise<LogitLens> {
  checkOptions('logitLens', options, optionNames)
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  const positions = promptPositions(tokens, options.position ?? -1)
  const given = options.answer === undefined ? undefined : view.answerIds('logitLens', options.answer, tokens)
  const states = await stateLogits(view, tokens, { positions, inclMid: options.inclMid ?? false })
  const tops = states.map(({ logits }) => logits.map(argMax))
  const answers = given ?? tops.at(-1) ?? []
  const read = states.flatMap(({ logits }) => logits.map((row, b) => readPrediction(row, answers[b] ?? -1)))
  const axes = [{ name: 'state', labels: states.map(({ label }) => label) }, promptAxis(view, tokens)]
  const provenance = await view.provenance({ prependBos: options.prependBos ?? true })
  const trajectory = (title: string, unit: string, of: (prediction: Prediction) => number) =>
    new Result({ kind: 'logit lens', title, unit, axes, provenance, values: Float32Array.from(read, of) })
  return new LogitLens({
    logProb: trajectory('log probability of the answer', 'nats', ({ logProb }) => logProb),
    rank: trajectory('rank of the answer', '', ({ rank }) => rank),
    entropy: trajectory('entropy of the prediction', 'nats', ({ entropy }) => entropy),
    top: tops,
  })
}

interface StateLogits {
  /** `0_pre`, `0_mid`, …, `final_post`. */
  readonly label: string
  /** Of each prompt [V]. */
  readonly logits: Float32Array[]
}

/** Logits of each state at each prompt's position; one state at a time is on the device. */
async function stateLogits(
  view: HookedModel,
  tokens: Tokens,
  { positions, inclMid }: { readonly positions: readonly number[]; readonly inclMid: boolean },
): Promise<StateLogits[]> {
  const { nLayers, dVocab } = view.config
  const points = inclMid ? /hook_resid_(pre|mid)$/ : /hook_resid_pre$/
  const last = `blocks.${nLayers - 1}.hook_resid_post`
  using cache = view.runWithCache(tokens, { names: (name) => points.test(name) || name === last, logits: false })
  // one token a prompt: the final norm and the unembedding look at no other position
  const one = new Tokens(tokens.rows.map((row, b) => [row[positions[b] ?? 0] ?? 0]))
  const states: StateLogits[] = []
  for (const name of cache.names) {
    const output = tf.tidy(() => {
      const resid = pickPositions(cache.get<tf.Tensor3D>(name), positions).expandDims<tf.Tensor3D>(1) // [B,1,D]
      return view.run(one, { from: { layer: nLayers, resid } })
    })
    const values = await numbersOf(output)
    const logits = tokens.rows.map((_, b) => values.slice(b * dVocab, (b + 1) * dVocab))
    const label = name === last ? 'final_post' : `${layerOf(name)}_${name.endsWith('mid') ? 'mid' : 'pre'}`
    states.push({ label, logits })
  }
  return states
}

/** The numbers of a tensor, which is freed. */
async function numbersOf(x: tf.Tensor): Promise<Float32Array> {
  try {
    return await x.data<'float32'>()
  } finally {
    x.dispose()
  }
}
