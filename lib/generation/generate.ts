/** Generation: token after token, with a view's hooks and SAEs active, streamed or whole, optionally with activations. */
import * as tf from '@tensorflow/tfjs'
import type { Past } from '../transformer/architecture.js'
import { axisOfPositions } from '../core/axes.js'
import type { HookedView } from '../core/hooked-view.js'
import { Recorder } from '../core/recorder.js'
import { ArgumentError, TokenError } from '../errors/errors.js'
import { type Observer } from '../core/hooks.js'
import { chosenNames, type NameFilter } from '../core/hook-filters.js'
import { KeyValueCache } from '../transformer/kv-cache.js'
import { ActivationCache } from '../residual/activation-cache.js'
import type { DecomposedModel } from '../residual/decompose.js'
import { argMax, checkSampling, drawToken, samplingProbabilities, type SamplingOptions } from './sampling.js'
import { random } from '../stats/random.js'
import type { Tokenizer } from '../tokens/tokenizer.js'
import { Tokens, type TokenOptions } from '../tokens/tokens.js'

export interface GenerateOptions extends SamplingOptions, TokenOptions {
  /** @default 10 */
  readonly maxNewTokens?: number
  /** False takes the most likely token each time. @default true */
  readonly sample?: boolean
  /** Stop a row at the end-of-sequence token; shorter rows are filled up with it. @default true */
  readonly stopAtEos?: boolean
  /** @default the tokenizer's */
  readonly eosId?: number
  /** For sampling. @default 0 */
  readonly seed?: number
  /** Keep keys and values of earlier positions. False recomputes everything each step. @default true */
  readonly useCache?: boolean
  /** Keep these activations of every position that is run (`generate` only). */
  readonly names?: NameFilter
  /** Keep the logits each new token was taken from (`generate` only). @default false */
  readonly logits?: boolean
}

/** One step: a new token for each row. */
export interface GenerationStep {
  readonly ids: readonly number[]
  /** The new text of each row; held back while it ends inside a character. */
  readonly text: readonly string[]
  /** Rows that have reached their end. */
  readonly finished: readonly boolean[]
}

/** What generation needs of a view. */
type GenerationView = Pick<HookedView, 'name' | 'config' | 'tokenizer' | 'hookPoints'> & DecomposedModel

/** Logits [B,p,V] of tokens that follow the past. */
export type Step = (
  tokens: tf.Tensor2D,
  mask: Tokens['mask'],
  past: Past | undefined,
  observers: readonly Observer[],
) => tf.Tensor3D

/** What generation ends with. Owns its tensors, if it was asked to keep any. */
export class Generation {
  /** [B][P + new]: prompts (left-padded) and what follows. */
  readonly rows: readonly (readonly number[])[]
  /** What was generated for each prompt, [B][new]. */
  readonly newIds: readonly (readonly number[])[]
  /** Its text, without a final end-of-sequence token. Empty without a tokenizer. */
  readonly texts: readonly string[]
  /** The activations asked for with `names`; all positions but the last, whose token was never run. */
  readonly cache: ActivationCache | undefined
  /** [B,new,V], with `logits: true`. */
  readonly logits: tf.Tensor3D | undefined

  constructor(init: Pick<Generation, 'rows' | 'newIds' | 'texts' | 'cache' | 'logits'>) {
    this.rows = init.rows
    this.newIds = init.newIds
    this.texts = init.texts
    this.cache = init.cache
    this.logits = init.logits
  }

  dispose(): void {
    this.cache?.dispose()
    this.logits?.dispose()
  }
  [Symbol.dispose](): void {
    this.dispose()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const lines = this.newIds.map(
      (ids, b) => `  ${this.texts[b] === undefined ? ids.join(' ') : JSON.stringify(this.texts[b])}`,
    )
    return [`Generation of ${this.newIds[0]?.length ?? 0} tokens for ${this.rows.length} prompts`, ...lines].join('\n')
  }
}

/** What one step leaves behind for `generate`. */
type Collect = (logits: tf.Tensor2D, recorder: Recorder) => void

/** The steps of a generation. Everything is checked before the first; leaving the loop early frees what is held. */
export function streamTokens(
  view: GenerationView,
  step: Step,
  prompts: Tokens,
  options: GenerateOptions,
  collect?: Collect,
  names: readonly string[] = [],
): AsyncGenerator<GenerationStep, void, undefined> {
  checkOptions(view, prompts, options)
  return steps(view, step, prompts, options, collect, names)
}

async function* steps(
  view: GenerationView,
  step: Step,
  prompts: Tokens,
  options: GenerateOptions,
  collect: Collect | undefined,
  names: readonly string[],
): AsyncGenerator<GenerationStep, void, undefined> {
  const { maxNewTokens = 10, stopAtEos = true, useCache = true } = options
  const eos = options.eosId ?? view.tokenizer?.eosId
  const choose = chooser(options)
  const past = useCache ? new KeyValueCache() : undefined
  const rows = prompts.rows.map((row) => [...row])
  const speakers = rows.map(() => new Speaker(view.tokenizer))
  const finished = rows.map(() => false)
  try {
    for (let n = 0; n < maxNewTokens && !finished.every(Boolean); n++) {
      const logits = lastLogits(view, step, rows, prompts, past, names, collect)
      const values = (await logits.data()) as Float32Array
      logits.dispose()
      const vocab = values.length / rows.length
      const ids = rows.map((row, b) => (finished[b] ? eos! : choose(values.subarray(b * vocab, (b + 1) * vocab), row)))
      const text = ids.map((id, b) => (finished[b] || (stopAtEos && id === eos) ? '' : speakers[b]!.say(id)))
      ids.forEach((id, b) => {
        rows[b]!.push(id)
        if (stopAtEos && id === eos) finished[b] = true
      })
      yield { ids, text, finished: [...finished] }
    }
  } finally {
    past?.dispose()
  }
}

/** One forward pass over what is new, and the logits [B,V] at its last position. */
function lastLogits(
  view: GenerationView,
  step: Step,
  rows: readonly (readonly number[])[],
  prompts: Tokens,
  past: KeyValueCache | undefined,
  names: readonly string[],
  collect: Collect | undefined,
): tf.Tensor2D {
  const done = past?.length ?? 0
  const fresh = rows.map((row) => row.slice(done))
  const mask = grownMask(prompts, rows[0]!.length)
  const recorder = new Recorder(names, view.hookPoints)
  try {
    const last = tf.tidy(() => {
      const tokens = tf.tensor2d(fresh as number[][], undefined, 'int32')
      const logits = step(tokens, mask, past, names.length > 0 ? [recorder] : [])
      return logits.slice([0, logits.shape[1] - 1, 0], [-1, 1, -1]).squeeze<tf.Tensor2D>([1])
    })
    past?.advance(fresh[0]!.length)
    collect?.(last, recorder)
    return last
  } finally {
    recorder.dispose()
  }
}

/** The prompts' mask at a later length: what was generated is real. */
function grownMask({ mask }: Tokens, length: number): Tokens['mask'] {
  return mask?.map((row) => [...row, ...new Array<number>(length - row.length).fill(1)])
}

/** Runs a generation to its end. */
export async function generate(
  view: GenerationView,
  step: Step,
  prompts: Tokens,
  options: GenerateOptions,
): Promise<Generation> {
  const names = options.names === undefined ? [] : keptNames(view, options)
  const kept = new Map<string, tf.Tensor[]>(names.map((name) => [name, []]))
  const logits: tf.Tensor2D[] = []
  const newIds = prompts.rows.map((): number[] => [])
  const texts = prompts.rows.map(() => '')
  const collect: Collect = (last, recorder) => {
    if (options.logits) logits.push(tf.keep(last.clone()))
    for (const [name, x] of recorder.kept) kept.get(name)!.push(tf.keep(x.clone()))
  }
  const finish = () => {
    const stacked = options.logits ? (tf.stack(logits, 1) as tf.Tensor3D) : undefined
    const rows = prompts.rows.map((row, b) => [...row, ...newIds[b]!])
    const cache = names.length > 0 ? joined(view, kept, rows, prompts) : undefined
    return new Generation({ rows, newIds, texts, cache, logits: stacked })
  }
  try {
    for await (const { ids, text } of streamTokens(view, step, prompts, options, collect, names)) {
      ids.forEach((id, b) => newIds[b]!.push(id))
      text.forEach((piece, b) => (texts[b] += piece))
    }
    return finish()
  } finally {
    tf.dispose([...kept.values()].flat())
    tf.dispose(logits)
  }
}

/** The activations of all steps, side by side along positions. */
function joined(
  view: GenerationView,
  kept: ReadonlyMap<string, tf.Tensor[]>,
  rows: readonly (readonly number[])[],
  prompts: Tokens,
): ActivationCache {
  const tensors = new Map<string, tf.Tensor>()
  for (const point of view.hookPoints) {
    const parts = kept.get(point.name)
    if (parts) tensors.set(point.name, tf.concat(parts, axisOfPositions(point)))
  }
  const run = rows.map((row) => row.slice(0, -1))
  const mask = grownMask(prompts, run[0]!.length)
  return new ActivationCache(view, { tensors, tokens: new Tokens(run, mask, 'left') })
}

function keptNames(view: GenerationView, options: GenerateOptions): string[] {
  const names = chosenNames('generate', options.names, view)
  if (options.useCache === false)
    throw new ArgumentError('generate: names need useCache. Leave useCache out to keep activations.')
  const square = names.find((name) => /hook_(attn_scores|pattern)$/.test(name))
  if (square === undefined) return names
  throw new ArgumentError(
    `generate: '${square}' has another number of keys at each step. Run the generated tokens with runWithCache to see it.`,
  )
}

function chooser(options: GenerateOptions): (logits: Float32Array, row: readonly number[]) => number {
  const { sample = true, seed = 0 } = options
  if (!sample) return (logits) => argMax(logits)
  const draw = random(seed)
  return (logits, row) => drawToken(samplingProbabilities(logits, options, row), draw)
}

function checkOptions(view: GenerationView, prompts: Tokens, options: GenerateOptions): void {
  const { maxNewTokens = 10, stopAtEos = true, eosId } = options
  const { nCtx, dVocab } = view.config
  checkSampling(options, dVocab)
  if (!Number.isInteger(maxNewTokens) || maxNewTokens < 1) {
    throw new ArgumentError(`generate: maxNewTokens is ${maxNewTokens}. It must be a whole number from 1.`)
  }
  if (prompts.positions + maxNewTokens > nCtx) {
    throw new TokenError(
      `generate: ${prompts.positions} tokens of prompt and ${maxNewTokens} new ones do not fit into the context of ${view.name}, ${nCtx}. Shorten the prompt or generate less.`,
    )
  }
  if (prompts.mask && prompts.paddingSide === 'right') {
    throw new TokenError(
      'generate: the prompts are padded on the right, where the new tokens go. Pad them on the left.',
    )
  }
  if (stopAtEos && (eosId ?? view.tokenizer?.eosId) === undefined) {
    throw new ArgumentError(`generate: ${view.name} has no end-of-sequence token. Give eosId, or stopAtEos: false.`)
  }
}

/** Turns one row's tokens into text piece by piece, and holds back a character that is not complete. */
class Speaker {
  readonly #tokenizer: Tokenizer | undefined
  readonly #pending: number[] = []

  constructor(tokenizer: Tokenizer | undefined) {
    this.#tokenizer = tokenizer
  }

  say(id: number): string {
    if (!this.#tokenizer) return ''
    this.#pending.push(id)
    const text = this.#tokenizer.decode(this.#pending)
    if (text.endsWith('\uFFFD') && this.#pending.length < 4) return ''
    this.#pending.length = 0
    return text
  }
}
