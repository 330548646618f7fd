/** Running a view of a model: the one place where a forward pass starts. */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../errors/errors.js'
import type { Tokens } from '../tokens/tokens.js'
import type { ForwardInput } from '../transformer/architecture.js'
import { forward } from '../transformer/forward.js'
import { makeAt, type Observer } from './hooks.js'
import { checkLogitsFit, viewTaps, type LoadedModel, type View } from './view.js'

/** A model and what a view of it adds. */
export interface ViewedModel {
  readonly model: LoadedModel
  readonly view: View
}

/** Which part of the model is run: the whole, where nothing is said. */
export interface RunPart {
  readonly from?: ForwardInput['from'] | undefined
  readonly stopAt?: number | undefined
  readonly columns?: ForwardInput['columns']
}

/** Logits [B,P,V] or [B,P,C] of prompts, or the residual stream [B,P,D] where the run stops. The caller owns it. */
export function runTokens(
  subject: ViewedModel,
  tokens: Tokens,
  observers: readonly Observer[] = [],
  part: RunPart = {},
): tf.Tensor3D {
  const { from, columns, stopAt = subject.view.stopAt } = part
  if (!columns) checkLogitsFit(tokens, subject.model.config.dVocab)
  const { mask } = tokens
  return tf.tidy(() => runInput(subject, { tokens: tokens.tensor(), mask, stopAt, from, columns }, observers))
}

/** The same of a pass's own input, which may follow a past. Inside the caller's tidy. */
export function runInput(
  { model, view }: ViewedModel,
  input: ForwardInput,
  observers: readonly Observer[],
): tf.Tensor3D {
  using taps = viewTaps(view, observers)
  return forward(model, input, makeAt(taps))
}

/** @throws ArgumentError for a view that stops before its logits */
export function checkHasLogits(verb: string, { stopAt }: View): void {
  if (stopAt === undefined) return
  throw new ArgumentError(
    `${verb}: this view stops at layer ${stopAt} and has no logits. Use a view that does not stop.`,
  )
}
