/** What a result is made of. */
import type { JsonObject } from './json.js'
import type { Provenance } from './provenance.js'

export interface Axis {
  readonly name: string
  /** One label a place; labels may repeat, as tokens do. */
  readonly labels: readonly string[]
}

export interface ResultInit<Extra extends JsonObject = JsonObject> {
  /** The analysis it comes from, such as 'direct-logit-attribution'. */
  readonly kind: string
  readonly title: string
  /** Unit of the values, such as 'logits'. */
  readonly unit: string
  /** Row-major: the last axis runs fastest. */
  readonly values: Float32Array
  readonly axes: readonly Axis[]
  readonly provenance: Provenance
  /** What a reader has to know to read the numbers right. */
  readonly notes?: readonly string[]
  /** More data of the analysis; it describes the whole, so that `mean`, `sum` and `select` leave it behind. */
  readonly extra?: Extra
}
