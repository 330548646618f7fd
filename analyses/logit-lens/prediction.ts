/** What logits say of one token. V vocabulary */

/** How an answer fares, and how sure the prediction is. */
export interface Prediction {
  /** log p(answer), in nats. */
  readonly logProb: number
  readonly logit: number
  /** How many tokens have a higher logit than the answer: 0 is the top. */
  readonly rank: number
  /** Of the prediction, in nats. */
  readonly entropy: number
}

/** @param logits [V] */
export function readPrediction(logits: Float32Array, answer: number): Prediction {
  const logit = logits[answer] ?? NaN
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity)
  let sum = 0
  let weighted = 0 // Σ e^(x − max) (x − max)
  let rank = 0
  for (const each of logits) {
    const e = Math.exp(each - most)
    sum += e
    weighted += e * (each - most)
    if (each > logit) rank++
  }
  const logSum = Math.log(sum)
  return { logProb: logit - most - logSum, logit, rank, entropy: logSum - weighted / sum }
}
