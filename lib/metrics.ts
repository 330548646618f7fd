/**
 * Metrics: what an intervention is judged by, one number a prompt. Declared ones check their tokens before the model
 * runs and carry a name and a unit; any function from logits to a tensor will do as well.
 */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError, ShapeError } from './errors.js'
import { pickColumns, pickPositions } from './ops/pick.js'
import { resolvePosition } from './positions.js'
import type { Tokens } from './tokens/tokens.js'

/** What a metric may need to know before the run. */
export interface MetricContext {
  readonly tokens: Tokens
  readonly dVocab: number
  /** The one token that a string stands for. */
  toSingleToken(text: string): number
}

/** From the run's output, logits [B,P,V], to one number a prompt [B] or a scalar. */
export type MetricFunction = (logits: tf.Tensor3D) => tf.Tensor

/** A metric that knows its name and unit and is checked against the prompts before the run. */
export interface Metric {
  readonly name: string
  readonly unit: string
  bind(context: MetricContext): MetricFunction
}

/** One token for all prompts or one for each, as text (` Mary`, a single token) or id. */
export type Answers = string | number | readonly (string | number)[]

export interface MetricOptions {
  /** Which position's logits, from the start or, negative, from the last real token. @default -1 */
  readonly position?: number
}

/** logit[answer] − logit[wrong], in logits, one a prompt. */
export function logitDiff(answer: Answers, wrong: Answers, options: MetricOptions = {}): Metric {
  return {
    name: 'logit difference',
    unit: 'logits',
    bind(context) {
      const right = answerIds('logitDiff', answer, context)
      const other = answerIds('logitDiff', wrong, context)
      const at = metricPositions(context.tokens, options.position ?? -1)
      return (logits) => {
        const rows = pickPositions(logits, at)
        return pickColumns(rows, right).sub(pickColumns(rows, other))
      }
    },
  }
}

/** log p(answer), in nats, one a prompt. */
export function logProb(answer: Answers, options: MetricOptions = {}): Metric {
  return {
    name: 'log probability',
    unit: 'nats',
    bind(context) {
      const ids = answerIds('logProb', answer, context)
      const at = metricPositions(context.tokens, options.position ?? -1)
      return (logits) => pickColumns(tf.logSoftmax(pickPositions(logits, at)), ids)
    },
  }
}

/** Binds a declared metric, or takes a function as it is. */
export function bindMetric(metric: Metric | MetricFunction, context: MetricContext): MetricFunction {
  if (typeof metric === 'function') return metric
  if (typeof metric?.bind === 'function') return metric.bind(context)
  throw new ArgumentError(
    `metric: got ${JSON.stringify(metric)}. Give logitDiff(…), logProb(…) or a function from logits to a tensor.`,
  )
}

/** @throws ShapeError when what a metric returned is no scalar and not one number for each prompt. */
export function checkMetric(verb: string, numbers: unknown, tokens: Tokens): asserts numbers is tf.Tensor {
  const isTensor = numbers instanceof tf.Tensor
  if (isTensor && (numbers.rank === 0 || (numbers.rank === 1 && numbers.shape[0] === tokens.batch))) return
  const got = isTensor ? `a tensor of shape [${numbers.shape}]` : typeof numbers
  throw new ShapeError(
    `${verb}: the metric returned ${got}. It must return a scalar or one number for each of the ${tokens.batch} prompts.`,
  )
}

/** Name and unit of a metric, for labels. */
export function describeMetric(metric: Metric | MetricFunction): { name: string; unit: string } {
  return typeof metric === 'function'
    ? { name: metric.name || 'metric', unit: '' }
    : { name: metric.name, unit: metric.unit }
}

/** Ids of the answers, one a prompt. @throws ArgumentError, TokenError */
export function answerIds(verb: string, answers: Answers, { tokens, dVocab, toSingleToken }: MetricContext): number[] {
  const list = Array.isArray(answers)
    ? (answers as readonly (string | number)[])
    : tokens.rows.map(() => answers as string | number)
  if (list.length !== tokens.batch) {
    throw new ArgumentError(
      `${verb}: there are ${list.length} answers for ${tokens.batch} prompts. Give one for all or one for each.`,
    )
  }
  return list.map((answer) => {
    const id = typeof answer === 'string' ? toSingleToken(answer) : answer
    if (Number.isInteger(id) && id >= 0 && id < dVocab) return id
    throw new ArgumentError(`${verb}: ${String(answer)} is not a token id. Ids run from 0 to ${dVocab - 1}.`)
  })
}

/** Position for each prompt; negative ones count from its last real token, so that padding does not matter. */
export function metricPositions(tokens: Tokens, position: number, verb = 'metric'): number[] {
  return tokens.rows.map((row, b) => {
    const mask = tokens.mask?.[b]
    if (!mask) return resolvePosition(verb, position, row.length)
    const first = mask.indexOf(1)
    const length = mask.lastIndexOf(1) + 1 - first
    return first + resolvePosition(verb, position, length)
  })
}
