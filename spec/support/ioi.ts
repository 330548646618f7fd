/** The indirect-object prompts of the pocket record, and what is recorded of them. */
import { logitDiff, type Metric } from '../../lib/core/metrics.js'
import { reference, type Reference } from './reference.js'

interface PocketJson {
  readonly prompts: readonly { clean: string; corrupt: string; answer: string; wrong: string }[]
  readonly dla_labels: readonly string[]
  readonly saes: Readonly<Record<string, { hook: string; latents: number[] }>>
}

export interface Ioi {
  readonly clean: string[]
  readonly corrupt: string[]
  readonly answer: string[]
  readonly wrong: string[]
  /** logit[answer] − logit[wrong] at the last position. */
  readonly metric: Metric
  readonly record: Reference
  readonly dlaLabels: readonly string[]
  /** Release and id, joined by a slash → hook point and the latents of `ablation_last`. */
  readonly saes: PocketJson['saes']
}

/** The first `count` prompts (all 8 without it). */
export async function ioi(count?: number): Promise<Ioi> {
  const record = await reference('pocket')
  const { prompts, dla_labels: dlaLabels, saes } = record.json as unknown as PocketJson
  const column = (key: 'clean' | 'corrupt' | 'answer' | 'wrong') => prompts.slice(0, count).map((p) => p[key])
  const [answer, wrong] = [column('answer'), column('wrong')]
  return {
    clean: column('clean'),
    corrupt: column('corrupt'),
    answer,
    wrong,
    metric: logitDiff(answer, wrong),
    record,
    dlaLabels,
    saes,
  }
}

/** Progress for analyses in specs: none. */
export const quiet = { onProgress: () => undefined }
