/** From logits to the next token, as TransformerLens's sample_logits. On the host: multinomial differs between backends. */
import { ArgumentError } from '../errors/errors.js'
import type { Random } from '../stats/random.js'

export interface SamplingOptions {
  /** Divides the logits; 0 takes the most likely token. @default 1 */
  readonly temperature?: number
  /** Only the k most likely tokens. Not together with topP. */
  readonly topK?: number
  /** Only the most likely tokens that together reach probability p; the one that crosses p stays. */
  readonly topP?: number
  /** Takes this much from a token's logit for each time it occurred. @default 0 */
  readonly freqPenalty?: number
}

/** @throws ArgumentError naming the option that is out of range. */
export function checkSampling({ temperature = 1, topK, topP, freqPenalty = 0 }: SamplingOptions, dVocab: number): void {
  const wrong = (what: string, value: unknown, right: string) =>
    new ArgumentError(`generate: ${what} is ${String(value)}. It must be ${right}.`)
  if (!(temperature >= 0) || !Number.isFinite(temperature)) throw wrong('temperature', temperature, 'a number from 0')
  if (topK !== undefined && topP !== undefined) throw wrong('topP', topP, 'left out where topK is given')
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1 && topK <= dVocab)) {
    throw wrong('topK', topK, `a whole number from 1 to ${dVocab}`)
  }
  if (topP !== undefined && !(topP > 0 && topP <= 1)) throw wrong('topP', topP, 'above 0 and at most 1')
  if (!Number.isFinite(freqPenalty)) throw wrong('freqPenalty', freqPenalty, 'a number')
}

/**
 * The probabilities a token is drawn from: logits [V] → [V]. `seen` are the tokens so far, for the penalty.
 * Order as in TransformerLens: temperature, penalty, then top k or top p.
 */
export function samplingProbabilities(
  logits: ArrayLike<number>,
  options: SamplingOptions = {},
  seen: readonly number[] = [],
): Float64Array {
  const { temperature = 1, topK, topP, freqPenalty = 0 } = options
  if (temperature === 0) return oneHot(argMax(logits), logits.length)
  const scaled = Float64Array.from(logits, (logit) => logit / temperature)
  if (freqPenalty !== 0) for (const id of seen) scaled[id]! -= freqPenalty
  if (topK !== undefined) keepTopK(scaled, topK)
  else if (topP !== undefined && topP < 1) keepTopP(scaled, topP)
  return softmax(scaled)
}

/** Draws one index with these probabilities. */
export function drawToken(probabilities: Float64Array, random: Random): number {
  let left = random.next()
  let last = 0
  for (let id = 0; id < probabilities.length; id++) {
    if (probabilities[id] === 0) continue
    left -= probabilities[id]!
    last = id
    if (left < 0) return id
  }
  return last // rounding: the probabilities sum to a little less than 1
}

/** Every logit below the k-th largest becomes −Infinity; equals of the k-th stay. */
function keepTopK(logits: Float64Array, k: number): void {
  const least = Float64Array.from(logits).sort()[logits.length - k]!
  logits.forEach((logit, id) => (logits[id] = logit < least ? -Infinity : logit))
}

function keepTopP(logits: Float64Array, p: number): void {
  const probabilities = softmax(logits)
  const order = Uint32Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b)
  let sum = 0
  for (const id of order) {
    if (sum > p) logits[id] = -Infinity
    sum += probabilities[id]!
  }
}

function softmax(logits: Float64Array): Float64Array {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity)
  const exps = logits.map((logit) => Math.exp(logit - most))
  const sum = exps.reduce((a, b) => a + b, 0)
  return exps.map((e) => e / sum)
}

/** The first of the largest. */
export function argMax(values: ArrayLike<number>): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}

function oneHot(index: number, size: number): Float64Array {
  const probabilities = new Float64Array(size)
  probabilities[index] = 1
  return probabilities
}
