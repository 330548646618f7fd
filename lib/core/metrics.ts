/**
 * Metrics: what an intervention is judged by, one number a prompt. Declared ones check their tokens before the model
 * runs and carry a name and a unit; any function from logits to a tensor will do as well.
 */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError, ShapeError } from '../errors/errors.js'
import { pickColumns, pickPositions, selectColumns } from '../ops/pick.js'
import { promptPositions } from './positions.js'
import type { Tokens } from '../tokens/tokens.js'
import { checkTokenIds } from '../tokens/token-ids.js'

/** What a metric may need to know before the run. */
export interface MetricContext {
  readonly tokens: Tokens
  readonly dVocab: number
  /** The model's, for messages. */
  readonly name: string
  /** The one token that a string stands for. */
  toSingleToken(text: string): number
}

/** From the run's output, logits [B,P,V], to one number a prompt [B] or a scalar. */
export type MetricFunction = (logits: tf.Tensor3D) => tf.Tensor

/**
 * What a metric reads of a run, and the number it makes of it: so a sweep unembeds nothing else. x [R,n,C] are the
 * logits of R rows at the metric's n positions, of its C tokens, or an activation there with its features [C].
 */
export interface Reading {
  /** The hook point whose activation is read. @default the logits */
  readonly hook?: string
  /** Positions read in each prompt, [B][n]: one, or several in a row that are the same for all prompts. */
  readonly positions: readonly (readonly number[])[]
  /** Tokens whose logits are read. @default all */
  readonly columns?: readonly number[]
  /** Whether `of` wants to see the same of the run without an intervention. @default false */
  readonly needsClean?: boolean
  /** One number a row [R]; row r is of prompt `prompts[r]`. Differentiable in x. */
  of(x: tf.Tensor3D, prompts: readonly number[], clean?: tf.Tensor3D): tf.Tensor1D
}

/** A metric that knows its name and unit and is checked against the prompts before the run. */
export interface Metric {
  readonly name: string
  readonly unit: string
  bind(context: MetricContext): MetricFunction
  /** What it reads, where it says so; a sweep gives one that does not whole logits. */
  reading?(context: MetricContext): Reading
}

export type AnyMetric = Metric | MetricFunction

/** One token for all prompts or one for each, as text (` Mary`, a single token) or id. */
export type Answers = string | number | readonly (string | number)[]

export interface MetricOptions {
  /** Which position's logits, from the start or, negative, from the last real token. @default -1 */
  readonly position?: number
}

/** logit[answer] − logit[wrong], in logits, one a prompt. */
export function logitDiff(answer: Answers, wrong: Answers, options: MetricOptions = {}): Metric {
  return declared('logit difference', 'logits', (context) => {
    const right = answerIds('logitDiff', answer, context)
    const other = answerIds('logitDiff', wrong, context)
    const columns = [...new Set([...right, ...other])]
    const place = (ids: readonly number[], prompts: readonly number[]) => prompts.map((b) => columns.indexOf(ids[b]!))
    return {
      positions: onePosition(context, options),
      columns,
      of: (x, prompts) => {
        const rows = firstOf(x)
        return pickColumns(rows, place(right, prompts)).sub(pickColumns(rows, place(other, prompts)))
      },
    }
  })
}

/** log p(answer), in nats, one a prompt. */
export function logProb(answer: Answers, options: MetricOptions = {}): Metric {
  return declared('log probability', 'nats', (context) => {
    const ids = answerIds('logProb', answer, context)
    return {
      positions: onePosition(context, options),
      of: (x, prompts) => pickColumns(tf.logSoftmax(firstOf(x)), ofPrompts(ids, prompts)),
    }
  })
}

/** p(answer), one a prompt. */
export function probability(answer: Answers, options: MetricOptions = {}): Metric {
  return declared('probability', '', (context) => {
    const ids = answerIds('probability', answer, context)
    return {
      positions: onePosition(context, options),
      of: (x, prompts) => pickColumns(tf.softmax(firstOf(x)), ofPrompts(ids, prompts)),
    }
  })
}

/** How many tokens have a larger logit than the answer: 0 where it is the first. It has no gradient. */
export function rank(answer: Answers, options: MetricOptions = {}): Metric {
  return declared('rank', 'tokens', (context) => {
    const ids = answerIds('rank', answer, context)
    return {
      positions: onePosition(context, options),
      of: (x, prompts) => {
        const rows = firstOf(x)
        const own = pickColumns(rows, ofPrompts(ids, prompts)).expandDims(1)
        return rows.greater(own).toFloat().sum(1)
      },
    }
  })
}

/** Mean next-token loss over a prompt's real tokens, in nats, one a prompt. */
export function loss(): Metric {
  return declared('loss', 'nats', ({ tokens }) => {
    if (tokens.positions < 2) throw new ArgumentError('loss: every prompt is 1 token long. Give longer prompts.')
    const positions = tokens.rows.map((row) => row.slice(1).map((_, p) => p))
    const weights = tokens.rows.map((row, b) => {
      const real = row.slice(1).map((_, p) => (tokens.mask ? tokens.mask[b]![p]! * tokens.mask[b]![p + 1]! : 1))
      const count = real.reduce((sum, one) => sum + one, 0)
      if (count === 0) throw new ArgumentError(`loss: prompt ${b} is 1 token long. Give each at least 2 tokens.`)
      return real.map((one) => one / count)
    })
    return {
      positions,
      of: (x, prompts) => {
        const [rows, length, vocab] = x.shape
        const flat = x.reshape<tf.Tensor2D>([rows * length, vocab])
        const next = prompts.flatMap((b) => tokens.rows[b]!.slice(1))
        const losses = tf.logSumExp(flat, 1).sub(pickColumns(flat, next)).reshape([rows, length])
        return losses.mul(tf.tensor2d(ofPrompts(weights, prompts))).sum(1)
      },
    }
  })
}

/** KL(clean ‖ intervened) of the next-token distributions, in nats, one a prompt: 0 where nothing is changed. */
export function klToClean(options: MetricOptions = {}): Metric {
  return declared('KL to clean', 'nats', (context) => ({
    positions: onePosition(context, options),
    needsClean: true,
    of: (x, _, clean) => {
      const before = tf.logSoftmax(firstOf(clean!))
      return before.exp().mul(before.sub(tf.logSoftmax(firstOf(x)))).sum(1) // prettier-ignore
    },
  }))
}

export interface CosineOptions extends MetricOptions {
  /** A direction as long as the activation (its head axis flattened). @default the activation without an intervention */
  readonly to?: ArrayLike<number>
}

/** Cosine of the activation at a hook point of shape [B,P,…] and a direction, or itself without an intervention. */
export function cosine(hook: string, options: CosineOptions = {}): Metric {
  return declared(`cosine at ${hook}`, '', (context) => ({
    hook,
    positions: onePosition(context, options),
    needsClean: options.to === undefined,
    of: (x, _, clean) => {
      const rows = firstOf(x)
      const direction = options.to
        ? tf.tensor2d(Float32Array.from(options.to), [1, options.to.length])
        : firstOf(clean!)
      const product = rows.mul(direction).sum(1)
      return product.div(rows.norm(2, 1).mul(direction.norm(2, 1)))
    },
  }))
}

const firstOf = (x: tf.Tensor3D): tf.Tensor2D => x.reshape([x.shape[0], x.shape[1] * x.shape[2]]) // n is 1
const ofPrompts = <T>(values: readonly T[], prompts: readonly number[]): T[] => prompts.map((b) => values[b]!)

function onePosition({ tokens }: MetricContext, { position = -1 }: MetricOptions): number[][] {
  return promptPositions(tokens, position).map((p) => [p])
}

/** A metric by what it reads: `bind` takes that out of whole logits. */
function declared(name: string, unit: string, reading: (context: MetricContext) => Reading): Metric {
  return {
    name,
    unit,
    reading,
    bind(context) {
      const read = reading(context)
      if (read.hook !== undefined || read.needsClean) {
        throw new ArgumentError(`metric: ${name} is more than a function of logits. Use it in a sweep.`)
      }
      const prompts = context.tokens.rows.map((_, b) => b)
      return (logits) => read.of(selectLogits(logits, read), prompts)
    },
  }
}

/** What is read of whole logits: [B,P,V] → [B,n,C]. Differentiable. */
export function selectLogits(logits: tf.Tensor3D, { positions, columns }: Reading): tf.Tensor3D {
  const [batch, , vocab] = logits.shape
  const count = positions[0]!.length
  const rows =
    count === 1
      ? pickPositions(
          logits,
          positions.map(([p]) => p!),
        )
      : logits.slice([0, positions[0]![0]!, 0], [batch, count, vocab]).reshape<tf.Tensor2D>([-1, vocab])
  const some = columns ? selectColumns(rows, columns) : rows
  return some.reshape([batch, count, -1])
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
export function answerIds(
  verb: string,
  answers: Answers,
  { tokens, dVocab, name, toSingleToken }: MetricContext,
): number[] {
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
    checkTokenIds(verb, id, { dVocab, name })
    return id
  })
}
