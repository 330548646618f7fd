/** Activations to train on or to measure, batch by batch, from a harvest or straight from a model. N rows, D width. */
import type * as tf from '@tensorflow/tfjs'
import type { JsonObject } from '../report/result/json.js'
import type { DataPosition } from './token-data.js'

/** Some rows of activations, and where the next begin. */
export interface ActivationBatch {
  /** [N,D], one token a row. The consumer owns it and disposes it. */
  readonly rows: tf.Tensor2D
  /** Where the next batch begins. */
  readonly next: DataPosition
}

/** The same batches in the same order each time they are read, so that a job can stop at any of them and continue. */
export interface ActivationData {
  /** D: numbers of one token at the hook point, heads flattened. */
  readonly width: number
  /** Model, hook point, tokens and order of the rows, for provenance. */
  readonly about: JsonObject
  /** Batches from a place on, which an earlier batch's `next` gives; from the start without one. */
  batches(from?: DataPosition): AsyncIterable<ActivationBatch>
}
