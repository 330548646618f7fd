/** Results with parts of their own that are, in the main, one `Result`: they plot, rank and compare as that. */
import type { Figure } from '../figure/figure.js'
import type { Result } from './result.js'
import { SavedRecord } from './saved-record.js'

/** What an analysis returns that is more than one list of numbers. */
export abstract class ResultRecord extends SavedRecord {
  /** Its numbers, for `compare`, `top` and `plot`. */
  abstract toResult(): Result

  /** A figure of its numbers. */
  plot(): Figure {
    return this.toResult().plot()
  }
}
