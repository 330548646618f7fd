/** Comparing a loaded model with logits that its folder carries, as recorded by the library it comes from. */
import * as tf from '@tensorflow/tfjs'
import { FileError } from '../errors/errors.js'
import { Tokens } from '../tokens/tokens.js'
import { isJsonObject } from '../files/json-file.js'
import { SafetensorsFile, type HostTensor } from '../weights/formats/safetensors.js'
import { readJson, type Source } from '../weights/source.js'
import type { HookedView } from './hooked-view.js'

/** Prompts [B,P], the logits [B,P,V] recorded for them, and how far float32 may be off. */
export interface Recorded {
  readonly tokens: HostTensor
  readonly logits: HostTensor
  readonly atol: number
}

/** How far the model's log probabilities lie from the recorded ones, in nats. */
export interface SelfCheck {
  readonly ok: boolean
  readonly maxAbs: number
  readonly tolerance: number
  /** Tokens compared. */
  readonly tokens: number
}

/**
 * The record beside a model, if there is one: `expected.json` with the entry `hf/logits` and its `atol`, and
 * `expected.safetensors` with `tokens` and `hf/logits`.
 * @throws FileError when there is one and it cannot be read
 */
export async function readRecorded(source: Source): Promise<Recorded | undefined> {
  if (!(await source.has('expected.json')) || !(await source.has('expected.safetensors'))) return undefined
  const json = await readJson(source, 'expected.json')
  const listed = isJsonObject(json) && isJsonObject(json['tensors']) ? json['tensors']['hf/logits'] : undefined
  const atol = isJsonObject(listed) ? listed['atol'] : undefined
  if (typeof atol !== 'number') return undefined
  const file = await SafetensorsFile.open(await source.open('expected.safetensors'))
  try {
    return { tokens: await file.read('tokens'), logits: await file.read('hf/logits'), atol }
  } finally {
    await file.close()
  }
}

/**
 * Log probabilities are compared, which weight processing leaves as they are (it moves logits by a constant a position).
 * @throws FileError where nothing is recorded for the model
 */
export async function selfCheck(
  view: Pick<HookedView, 'name' | 'run'>,
  recorded: Recorded | undefined,
): Promise<SelfCheck> {
  if (!recorded) {
    throw new FileError(
      `selfCheck: the folder of ${view.name} carries no recorded logits. It needs expected.json and expected.safetensors with 'tokens' and 'hf/logits'.`,
    )
  }
  const { shape, values } = recorded.tokens
  const [rows, columns] = shape as [number, number]
  const tokens = new Tokens(
    Array.from({ length: rows }, (_, r) => [...values.subarray(r * columns, (r + 1) * columns)]),
  )
  const off = tf.tidy(() => {
    const theirs = tf.tensor3d(recorded.logits.values, recorded.logits.shape as [number, number, number])
    return tf.logSoftmax(view.run(tokens)).sub(tf.logSoftmax(theirs)).abs().max()
  })
  const maxAbs = (await off.data())[0]!
  off.dispose()
  // a log probability is a logit less the log of a sum of such: both may be off
  const tolerance = 2 * recorded.atol
  return { ok: maxAbs <= tolerance, maxAbs, tolerance, tokens: rows * columns }
}
