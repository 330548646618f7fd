/**
 * Token set enrichment: whether a set of tokens gathers at one end of what a latent does to the logits. S latents · V
 * vocabulary
 */
import { ArgumentError } from '../../lib/errors/errors.js'
import type { HookName } from '../../lib/core/hooks.js'
import type { HookedModel } from '../../lib/model.js'
import type { JsonObject } from '../../lib/report/result/json.js'
import { Result } from '../../lib/report/result/result.js'
import { permutationP, randomScores } from '../../lib/stats/running-sum.js'
import { SetScoresBeside, type TakeScores } from '../../lib/stats/set-scores-beside.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { describe, latentAxis, reporter } from '../latent-statistics/latent-statistics.js'
import { eachProjection } from '../latent-statistics/rows.js'
import { checkedSets, type TokenSets } from './token-sets.js'

export interface EnrichmentOptions {
  /** @default all latents of the SAE */
  readonly latents?: readonly number[]
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
  /** Project on W_U's columns divided by their norms. @default false */
  readonly cosine?: boolean
  /** Random sets of each size that p-values are counted from; 0 for none. @default 0 */
  readonly permutations?: number
  /** Of the random sets. @default 0 */
  readonly seed?: number
  /** Called with the latents done and all of them. @default a bar on stderr */
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * Enrichment of token sets in latents: axes [set, latent, measure]. The tokens are ranked by W_dec · W_U, the largest
 * first and the lower id first of equals; along the ranking a sum goes up by 1/m at each of the set's m tokens and down
 * by 1/(V − m) at each other. Measures:
 * - `score`: the largest distance of the sum from 0, in [0, 1], without sign: TSEA's;
 * - `signed`: the same with the sign of the sum there: above 0 the latent raises the set's tokens, below 0 it lowers them;
 * - `p` (with `permutations`): how often a random set of this size scores as high, (1 + hits) / (1 + permutations).
 *   Not corrected for the number of sets and latents.
 *
 * Exact: the sum is taken in whole numbers. One sort a latent serves all sets, in memory of some V numbers beside the
 * chunk of logits at hand; in Node many latents are sorted on two threads. A set of all tokens scores 1.
 * @throws ArgumentError for an empty set or NaN in a projection; TokenError, HookError; MismatchError for an SAE whose
 *   latents have no direct way to the logits
 */
export async function enrichment(view: HookedModel, sets: TokenSets, options: EnrichmentOptions = {}): Promise<Result> {
  const { permutations = 0, seed = 0, cosine } = options
  const { dVocab } = view.config
  const attached = saeAt('enrichment', view, options.hook)
  const latents = chosenLatents('enrichment', attached.sae, options.latents)
  const named = checkedSets('enrichment', sets, dVocab)
  checkPermutations(permutations, seed)
  const report = reporter('enrichment', latents.length, options.onProgress)
  const signed = named.map(() => new Float64Array(latents.length))
  const take: TakeScores = (scores, place) => {
    if (!scores) throw notRanked(latents[place]!)
    scores.forEach((value, set) => (signed[set]![place] = value))
  }
  using scores = new SetScoresBeside(dVocab, named.map(([, ids]) => ids), latents.length, take) // prettier-ignore
  await eachProjection(view, attached, latents, { cosine, onProgress: report }, (row, place) => scores.add(row, place))
  scores.finish()
  const random = permutations > 0 ? nulls(named.map(([, ids]) => ids.length), dVocab, permutations, seed) : undefined // prettier-ignore
  const measures = random ? ['score', 'signed', 'p'] : ['score', 'signed']
  const saes = [describe(attached, 0, latents)]
  return new Result({
    kind: 'enrichment',
    title: 'enrichment of token sets',
    unit: '',
    values: Float32Array.from(
      signed.flatMap((row, set) =>
        Array.from(row).flatMap((value) => {
          const magnitude = Math.abs(value)
          return random ? [magnitude, value, permutationP(magnitude, random[set]!)] : [magnitude, value]
        }),
      ),
    ),
    axes: [
      { name: 'set', labels: named.map(([name]) => name) },
      latentAxis(saes),
      { name: 'measure', labels: measures },
    ],
    provenance: await view.provenance(random ? { seed } : {}),
    extra: {
      saes: saes as unknown as JsonObject[],
      sizes: named.map(([, ids]) => ids.length),
      vocabulary: dVocab,
      ...(random ? { permutations } : {}),
    },
  })
}

function notRanked(latent: number): ArgumentError {
  return new ArgumentError(`enrichment: what latent ${latent} does to the logits holds NaN. Check its W_dec.`)
}

/** Scores of random sets, one list for each size. */
function nulls(sizes: readonly number[], dVocab: number, count: number, seed: number): Float64Array[] {
  const bySize = new Map<number, Float64Array>()
  return sizes.map((size) => {
    const known = bySize.get(size) ?? randomScores(dVocab, size, count, seed)
    bySize.set(size, known)
    return known
  })
}

function checkPermutations(count: number, seed: number): void {
  if (!Number.isInteger(count) || count < 0) {
    throw new ArgumentError(`enrichment: permutations is ${count}. It must be a whole number from 0.`)
  }
  if (Number.isSafeInteger(seed) && seed >= 0) return
  throw new ArgumentError(`enrichment: seed is ${seed}. It must be a whole number from 0 to 2^53 - 1.`)
}
