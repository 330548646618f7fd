/** Generation to its end, optionally with activations and logits. B prompts · P positions · V vocabulary */
import * as tf from '@tensorflow/tfjs'
import { axisOfPositions } from '../core/axes.js'
import { ActivationCache } from '../residual/activation-cache.js'
import { Tokens } from '../tokens/tokens.js'
import { keptNames } from './options.js'
import { grownMask, streamTokens, type GenerationTask } from './steps.js'

/** What generation ends with. Owns its tensors, if it was asked to keep any: then dispose it. */
export class Generation {
  /** [B][P + new]: prompts (padded on the left) and what follows. */
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

  /** Frees the cache and the logits. */
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

/** Runs a generation to its end. @throws LensError before the first step */
export async function generate(task: GenerationTask): Promise<Generation> {
  const { view, prompts, options } = task
  const names = keptNames(view, options)
  const kept = new Map(names.map((name): [string, tf.Tensor[]] => [name, []]))
  const logits: tf.Tensor2D[] = []
  const keep = (last: tf.Tensor2D, recorder: { readonly kept: ReadonlyMap<string, tf.Tensor> }) => {
    if (options.logits) logits.push(tf.keep(last.clone()))
    for (const [name, x] of recorder.kept) kept.get(name)?.push(tf.keep(x.clone()))
  }
  const ends = prompts.rows.map((prompt) => ({ prompt, newIds: [] as number[], text: '' }))
  try {
    for await (const { ids, text } of streamTokens(task, { names, keep })) {
      for (const [b, end] of ends.entries()) {
        end.newIds.push(ids[b]!)
        end.text += text[b]!
      }
    }
    const rows = ends.map(({ prompt, newIds }) => [...prompt, ...newIds])
    return new Generation({
      rows,
      newIds: ends.map(({ newIds }) => newIds),
      texts: ends.map(({ text }) => text),
      cache: names.length > 0 ? joined(task, kept, rows) : undefined,
      logits: options.logits ? (tf.stack(logits, 1) as tf.Tensor3D) : undefined,
    })
  } finally {
    tf.dispose([...kept.values()].flat())
    tf.dispose(logits)
  }
}

/** The activations of all steps, side by side along positions. */
function joined(
  { view, prompts }: GenerationTask,
  kept: ReadonlyMap<string, tf.Tensor[]>,
  rows: readonly (readonly number[])[],
): ActivationCache {
  const tensors = new Map<string, tf.Tensor>()
  for (const point of view.hookPoints) {
    const parts = kept.get(point.name)
    if (parts) tensors.set(point.name, tf.concat(parts, axisOfPositions(point)))
  }
  const run = rows.map((row) => row.slice(0, -1))
  const mask = grownMask(prompts, run[0]?.length ?? 0)
  return new ActivationCache(view, { tensors, tokens: new Tokens(run, mask, 'left') })
}
