/** A run that keeps activations. */
import type * as tf from '@tensorflow/tfjs'
import type { Activations, ActivationsInit } from './activations.js'
import { wantedLogits } from './readout.js'
import { Recorder } from './recorder.js'
import type { CacheOptions } from './run-options.js'
import { runTokens, type ViewedModel } from './run-view.js'
import { reachedNames, viewPoints } from './view.js'
import type { Tokens } from '../tokens/tokens.js'

/** Makes a cache of a run's tensors, which it owns from then on. */
export type MakeCache<C extends Activations> = (init: Omit<ActivationsInit, 'nLayers'>) => C

/** Runs prompts and keeps what passes the hook points asked for. @throws HookError, ArgumentError before the run */
export function cachedRun<C extends Activations>(
  subject: ViewedModel,
  tokens: Tokens,
  { names: filter, positions, logits: wanted, cacheOf }: CacheOptions & { readonly cacheOf: MakeCache<C> },
): C {
  const { model, view } = subject
  const names = reachedNames('runWithCache', filter, model, view)
  using logits = wantedLogits(model, view, names, wanted)
  const recorder = new Recorder(names, viewPoints(model, view), positions)
  let output: tf.Tensor3D | undefined
  try {
    output = logits.of(runTokens(subject, tokens, [recorder], logits))
    return cacheOf({ tensors: recorder.kept, tokens, output })
  } catch (error) {
    recorder.dispose()
    output?.dispose()
    throw error
  }
}
