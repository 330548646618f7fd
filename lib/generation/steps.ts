/** Generation step by step: token after token, with a view's hooks and SAEs active. B prompts · V vocabulary */
import * as tf from '@tensorflow/tfjs'
import type { HookedView } from '../core/hooked-view.js'
import type { Observer } from '../core/hooks.js'
import { Recorder } from '../core/recorder.js'
import type { DecomposedModel } from '../residual/decompose.js'
import { random } from '../stats/random.js'
import type { Tokens } from '../tokens/tokens.js'
import type { ForwardInput } from '../transformer/architecture.js'
import { KeyValueCache } from '../transformer/kv-cache.js'
import { checkGeneration, type GenerateOptions } from './options.js'
import { argMax, drawToken, samplingProbabilities } from './sampling.js'
import { TextStreamer } from './text-streamer.js'

/** One step: a new token for each row. */
export interface GenerationStep {
  readonly ids: readonly number[]
  /** The new text of each row; held back while it ends inside a character. */
  readonly text: readonly string[]
  /** Rows that have reached their end. */
  readonly finished: readonly boolean[]
}

/** What is generated from what. */
export interface GenerationTask {
  readonly view: Pick<HookedView, 'name' | 'config' | 'tokenizer' | 'hookPoints'> & DecomposedModel
  /** Padded on the left, where at all. */
  readonly prompts: Tokens
  readonly options: GenerateOptions
  /** Logits [B,p,V] of tokens that follow a past. */
  run(input: Pick<ForwardInput, 'tokens' | 'mask' | 'past'>, observers: readonly Observer[]): tf.Tensor3D
}

/** What is kept of each step. */
export interface StepKeeper {
  /** Hook points to record. */
  readonly names: readonly string[]
  /** Is given the logits [B,V] and the record of a step; it clones what it keeps. */
  keep(logits: tf.Tensor2D, recorder: Recorder): void
}

/** Everything is checked before the first step; leaving the loop early frees what is held. @throws LensError at once */
export function streamTokens(
  task: GenerationTask,
  keeper?: StepKeeper,
): AsyncGenerator<GenerationStep, void, undefined> {
  checkGeneration(task.view, task.prompts, task.options)
  return steps(task, keeper)
}

async function* steps(task: GenerationTask, keeper?: StepKeeper): AsyncGenerator<GenerationStep, void, undefined> {
  const { view, prompts, options } = task
  const { maxNewTokens = 10, stopAtEos = true, useCache = true } = options
  const eos = options.eosId ?? view.tokenizer?.eosId
  const choose = chooser(options)
  const past = useCache ? new KeyValueCache() : undefined
  const rows = prompts.rows.map((ids) => ({
    ids: [...ids],
    isFinished: false,
    streamer: new TextStreamer(view.tokenizer),
  }))
  try {
    for (let n = 0; n < maxNewTokens && !rows.every(({ isFinished }) => isFinished); n++) {
      const logits = nextLogits(
        task,
        rows.map(({ ids }) => ids),
        { past, keeper },
      )
      const values = (await logits.data()) as Float32Array
      logits.dispose()
      const vocab = values.length / rows.length
      const added = rows.map((row, b) => {
        const id = row.isFinished ? eos! : choose(values.subarray(b * vocab, (b + 1) * vocab), row.ids)
        const isEnd = stopAtEos && id === eos
        const text = row.isFinished || isEnd ? '' : row.streamer.push(id)
        row.ids.push(id)
        row.isFinished ||= isEnd
        return { id, text }
      })
      const finished = rows.map(({ isFinished }) => isFinished)
      yield { ids: added.map(({ id }) => id), text: added.map(({ text }) => text), finished }
    }
  } finally {
    past?.dispose()
  }
}

/** One forward pass over what is new, and the logits [B,V] at its last position. */
function nextLogits(
  { view, prompts, run }: GenerationTask,
  rows: readonly (readonly number[])[],
  { past, keeper }: { past: KeyValueCache | undefined; keeper: StepKeeper | undefined },
): tf.Tensor2D {
  const done = past?.length ?? 0
  const [first = []] = rows
  const mask = grownMask(prompts, first.length)
  const recorder = new Recorder(keeper?.names ?? [], view.hookPoints)
  try {
    const last = tf.tidy(() => {
      const tokens = tf.tensor2d(
        rows.map((row) => row.slice(done)),
        undefined,
        'int32',
      )
      const logits = run({ tokens, mask, past }, recorder.names.size > 0 ? [recorder] : [])
      return logits.slice([0, logits.shape[1] - 1, 0], [-1, 1, -1]).squeeze<tf.Tensor2D>([1])
    })
    past?.advance(first.length - done)
    keeper?.keep(last, recorder)
    return last
  } finally {
    recorder.dispose()
  }
}

/** The prompts' mask at a later length: what was generated is real. */
export function grownMask({ mask }: Tokens, length: number): Tokens['mask'] {
  return mask?.map((row) => [...row, ...new Array<number>(length - row.length).fill(1)])
}

function chooser(options: GenerateOptions): (logits: Float32Array, row: readonly number[]) => number {
  const { sample = true, seed = 0 } = options
  if (!sample) return (logits) => argMax(logits)
  const draw = random(seed)
  return (logits, row) => drawToken(samplingProbabilities(logits, options, row), draw)
}
