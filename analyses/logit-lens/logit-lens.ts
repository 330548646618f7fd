/**
 * The logit lens: what the model would predict if it stopped after each layer (nostalgebraist 2020). Each state of the
 * residual stream goes through the model's own final norm and unembedding, soft-cap included.
 */
import * as tf from '@tensorflow/tfjs'
import type { Answers } from '../../lib/core/metrics.js'
import { promptPositions } from '../../lib/core/positions.js'
import type { HookedModel } from '../../lib/model.js'
import { type Prompts, Tokens, type TokenOptions } from '../../lib/tokens/tokens.js'
import { pickPositions } from '../../lib/ops/pick.js'
import { Result, type Axis } from '../../lib/report/result/result.js'
import { argMax } from '../../lib/generation/sampling.js'
import { layerOf } from '../../lib/transformer/hook-names.js'
import { promptAxis } from '../../lib/core/labels.js'
import { LogitLens } from './logit-lens-result.js'

export interface LogitLensOptions extends TokenOptions {
  /** The token that is followed: one for all prompts, or one for each. @default the model's own top token of each prompt */
  readonly answer?: Answers
  /** @default -1, the last real token */
  readonly position?: number
  /** The stream between attention and MLP as well. @default false */
  readonly inclMid?: boolean
}

/** The last state is the model's own prediction. @throws ArgumentError, TokenError before any run */
export async function logitLens(
  view: HookedModel,
  prompts: Prompts,
  options: LogitLensOptions = {},
): Promise<LogitLens> {
  const tokens = view.toTokens(prompts, options)
  const positions = promptPositions(tokens, options.position ?? -1)
  const given = options.answer === undefined ? undefined : view.answerIds('logitLens', options.answer, tokens)
  const { labels, logits } = await stateLogits(view, tokens, positions, options.inclMid ?? false)
  const answers = given ?? logits.at(-1)!.map(argMax)
  const read = logits.map((rows) => rows.map((row, b) => readPrediction(row, answers[b]!)))
  const axes: Axis[] = [{ name: 'state', labels }, promptAxis(view, tokens)]
  const provenance = await view.provenance({ prependBos: options.prependBos ?? true })
  const trajectory = (title: string, unit: string, of: (p: Prediction) => number) =>
    new Result({ kind: 'logit lens', title, unit, axes, provenance, values: Float32Array.from(read.flat(), of) })
  return new LogitLens({
    logProb: trajectory('log probability of the answer', 'nats', (p) => p.logProb),
    rank: trajectory('rank of the answer', '', (p) => p.rank),
    entropy: trajectory('entropy of the prediction', 'nats', (p) => p.entropy),
    top: logits.map((rows) => rows.map(argMax)),
  })
}

/** Logits of each state at each prompt's position, [state][B] rows of V numbers; one state at a time is on the device. */
async function stateLogits(
  view: HookedModel,
  tokens: Tokens,
  positions: readonly number[],
  inclMid: boolean,
): Promise<{ labels: string[]; logits: Float32Array[][] }> {
  const { nLayers, dVocab } = view.config
  const points = inclMid ? /hook_resid_(pre|mid)$/ : /hook_resid_pre$/
  const last = `blocks.${nLayers - 1}.hook_resid_post`
  using cache = view.runWithCache(tokens, { names: (name) => points.test(name) || name === last, logits: false })
  const logits: Float32Array[][] = []
  // one token a prompt: the final norm and the unembedding look at no other position
  const one = new Tokens(tokens.rows.map((row, b) => [row[positions[b]!]!]))
  for (const name of cache.names) {
    const output = tf.tidy(() => {
      const resid = pickPositions(cache.get<tf.Tensor3D>(name), positions).expandDims<tf.Tensor3D>(1) // [B,1,D]
      return view.run(one, { from: { layer: nLayers, resid } })
    })
    const values = (await output.data()) as Float32Array
    output.dispose()
    logits.push(tokens.rows.map((_, b) => values.slice(b * dVocab, (b + 1) * dVocab)))
  }
  const labels = cache.names.map((name) =>
    name === last ? 'final_post' : `${layerOf(name)}_${name.endsWith('mid') ? 'mid' : 'pre'}`,
  )
  return { labels, logits }
}

interface Prediction {
  readonly logProb: number
  readonly rank: number
  readonly entropy: number
}

function readPrediction(logits: Float32Array, answer: number): Prediction {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity)
  let sum = 0
  let weighted = 0 // Σ e^(x − max) (x − max)
  let rank = 0
  for (const logit of logits) {
    const e = Math.exp(logit - most)
    sum += e
    weighted += e * (logit - most)
    if (logit > logits[answer]!) rank++
  }
  const logSum = Math.log(sum)
  return { logProb: logits[answer]! - most - logSum, rank, entropy: logSum - weighted / sum }
}
