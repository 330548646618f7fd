/** Reading saved results: home of `loadResult`, the one place that knows every class that saves itself. */
import { Comparison } from '../lib/report/result/comparison.js'
import { loadSaved } from '../lib/report/result/load-saved.js'
import { checkKind, NotebookResults } from '../lib/report/notebook/notebook-results.js'
import { EffectResult } from '../lib/report/result/effect-result.js'
import { Result } from '../lib/report/result/result.js'
import type { SavedKind } from '../lib/report/result/saved.js'
import { Table } from '../lib/report/table/table.js'
import { Enrichment } from './enrichment/index.js'
import { LatentMaxima, TopLatents } from './latent-activations/index.js'
import { LatentDensity, LatentStatistics, RankedLatents } from './latent-statistics/index.js'
import { AnswerRanks, LogitLens, TopLogits } from './logit-lens/index.js'
import { LatentPeaks, MaxActivating } from './max-activating/index.js'
import { LatentsByLoss, PositionAblation } from './patching/index.js'
import { GenerationAccuracy } from './prompts/index.js'
import { ReconstructionLoss, SaeEvaluation } from './sae-evaluation/index.js'

/** Every class that reloads, by the `format` of its files. */
export const savedKinds = [
  Result,
  EffectResult,
  Comparison,
  Table,
  NotebookResults,
  AnswerRanks,
  Enrichment,
  GenerationAccuracy,
  LatentDensity,
  LatentMaxima,
  LatentPeaks,
  LatentStatistics,
  LatentsByLoss,
  LogitLens,
  MaxActivating,
  PositionAblation,
  RankedLatents,
  ReconstructionLoss,
  SaeEvaluation,
  TopLatents,
  TopLogits,
] as const

/** What `loadResult` may return. */
export type SavedResult = InstanceType<(typeof savedKinds)[number]>

/**
 * What a file holds that a result's `write` made, or `Notebook.write`, as the class it was: `.json` of every class,
 * `.parquet` of a `Result`.
 *
 * @example const before = await loadResult('before.json', Result)
 * @param kind the class it must be; one of your own with a `format` and `fromJSON` is read too
 * @throws FileError when the file is missing, damaged or no result; MismatchError when it is of another class
 */
export async function loadResult(path: string): Promise<SavedResult>
export async function loadResult<T>(path: string, kind: SavedKind<T>): Promise<T>
export async function loadResult<T>(path: string, kind?: SavedKind<T>): Promise<SavedResult | T> {
  const kinds: SavedKind<unknown>[] = kind ? [kind, ...savedKinds] : [...savedKinds]
  const loaded = await loadSaved(path, kinds)
  return kind ? checkKind(loaded, kind, `loadResult: ${path}`) : (loaded as SavedResult)
}
