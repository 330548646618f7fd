/**
 * Token set enrichment: whether a set of tokens gathers at one end of what a latent does to the logits. S latents · V
 * vocabulary
 */
import type { HookName } from '../../lib/core/hooks.js'
import { progressOptionNames, type ProgressOptions } from '../../lib/core/job-options.js'
import { jobProgress } from '../../lib/core/job-progress.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { permutationP, randomScores } from '../../lib/stats/running-sum.js'
import { SetScoresWorker, type TakeScores } from '../../lib/stats/set-scores-worker.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { latentAxis, saeLatents } from '../sae-latents.js'
import { Enrichment } from './enrichment-result.js'
import { eachProjection } from './latent-projections.js'
import { checkedSets, type TokenSets } from './token-sets.js'

/** What `enrichment` looks at, and how. */
export interface EnrichmentOptions extends ProgressOptions {
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
}

const optionNames: OptionNames<EnrichmentOptions> = {
  ...progressOptionNames,
  latents: true,
  hook: true,
  cosine: true,
  permutations: true,
  seed: true,
}

/** Latents ranked between two reports and looks at the signal. */
const STEP = 100

/**
 * Enrichment of token sets in latents: axes [set, latent, measure]. The tokens are ranked by W_dec · W_U, the largest
 * first and the lower id first of equals; along the ranking a sum goes up by 1/m at each of the set's m tokens and down
 * by 1/(V − m) at each other. Measures:
 * - `score`: the largest distance of the sum from 0, in [0, 1], without sign: TSEA's;
 * - `signed`: the same with the sign of the sum there: above 0 the latent raises the set's tokens, below 0 it lowers
 *   them;
 * - `p` (with `permutations`): how often a random set of this size scores as high, (1 + hits) / (1 + permutations).
 *   Not corrected for the number of sets and latents.
 *
 * Exact: the sum is taken in whole numbers. One sort a latent serves all sets, in memory of some V numbers and the
 * chunk of logits at hand; in Node many latents are sorted on two threads. A set of all tokens scores 1.
 *
 * Source: `get_enrichment_df` of SAELens 3 (sae_lens/analysis/tsea.py), after gene set enrichment analysis
 * (Subramanian et al. 2005).
 * @example
 * const found = await enrichment(model.withSaes(sae), regexSets(model), { permutations: 1000 })
 * topEnriched(found).print()
 * @throws ArgumentError for an empty set or NaN in a projection; TokenError, HookError; MismatchError for an SAE whose
 *   latents have no direct way to the logits
 */
export async function enrichment(
  view: HookedModel,
  sets: TokenSets,
  options: EnrichmentOptions = {},
): Promise<Enrichment> {
  checkOptions('enrichment', options, optionNames)
  const { permutations = 0, seed = 0, hook } = options
  const vocabulary = view.config.dVocab
  const attached = saeAt('enrichment', view, hook)
  const latents = chosenLatents('enrichment', attached.sae, options.latents)
  const named = checkedSets('enrichment', sets, vocabulary)
  checkPermutations(permutations, seed)
  const ids = named.map(([, tokens]) => tokens)
  const sizes = ids.map(({ length }) => length)
  const signed = await signedScores(view, ids, { ...options, latents })
  const pValue = permutations > 0 ? pValues(sizes, vocabulary, { permutations, seed }) : undefined
  const measured = signed.map((row, set) =>
    Array.from(row, (value) => [Math.abs(value), value, ...(pValue ? [pValue(set, Math.abs(value))] : [])]),
  )
  const saes = [saeLatents(attached, latents)]
  return new Enrichment({
    kind: 'enrichment',
    title: 'enrichment of token sets',
    unit: '',
    values: Float32Array.from(measured.flat(2)),
    axes: [
      { name: 'set', labels: named.map(([name]) => name) },
      latentAxis(saes),
      { name: 'measure', labels: pValue ? ['score', 'signed', 'p'] : ['score', 'signed'] },
    ],
    provenance: await view.provenance(pValue ? { seed } : {}),
    extra: { saes, sizes, vocabulary, ...(pValue ? { permutations } : {}) },
  })
}

/** The farthest value of each set's sum along each latent, [set][latent]. */
async function signedScores(
  view: HookedModel,
  sets: readonly (readonly number[])[],
  options: EnrichmentOptions & { readonly latents: readonly number[] },
): Promise<Float64Array[]> {
  const { latents, cosine, signal, hook } = options
  const signed = sets.map(() => new Float64Array(latents.length))
  const take: TakeScores = (scores, place) => {
    if (!scores) throw notRanked(latents[place])
    for (const [set, row] of signed.entries()) row[place] = scores[set] ?? NaN
  }
  using report = jobProgress('enrichment', options, latents.length)
  using worker = new SetScoresWorker({ elements: view.config.dVocab, sets, rows: latents.length }, take)
  const attached = saeAt('enrichment', view, hook)
  for await (const { projection, place } of eachProjection(view, attached, { latents, cosine })) {
    await worker.add(projection, place)
    if ((place + 1) % STEP !== 0 && place + 1 < latents.length) continue
    report(place + 1)
    signal?.throwIfAborted()
  }
  worker.finish()
  return signed
}

function notRanked(latent: number | undefined): ArgumentError {
  return new ArgumentError(`enrichment: what latent ${latent} does to the logits holds NaN. Check its W_dec.`)
}

/** The p-value of a score of a set, from random sets of its size: one list of these serves all sets of a size. */
function pValues(
  sizes: readonly number[],
  vocabulary: number,
  { permutations, seed }: { readonly permutations: number; readonly seed: number },
): (set: number, score: number) => number {
  const bySize = new Map<number, Float64Array>()
  for (const size of sizes) {
    if (bySize.has(size)) continue
    bySize.set(size, randomScores(vocabulary, size, { count: permutations, seed }))
  }
  const lists = sizes.map((size) => bySize.get(size) ?? new Float64Array())
  return (set, score) => permutationP(score, lists[set] ?? new Float64Array())
}

function checkPermutations(count: number, seed: number): void {
  if (!Number.isInteger(count) || count < 0) {
    throw new ArgumentError(`enrichment: permutations is ${count}. It must be a whole number from 0.`)
  }
  if (Number.isSafeInteger(seed) && seed >= 0) return
  throw new ArgumentError(`enrichment: seed is ${seed}. It must be a whole number from 0 to 2^53 - 1.`)
}
