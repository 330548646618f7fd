/** What the checks of an SAE record's `study/` look at: prompts, SAEs, and numbers that several of them need. */
import { latentMaxima, latentsAt, tokenCounts, rareTokens, type LatentMaxima } from '../../analyses/index.js'
import type { HookedModel } from '../../lib/model.js'
import type { Result } from '../../lib/report/result/result.js'
import type { Tokens } from '../../lib/tokens/tokens.js'
import type { SaeRuns } from './sae-runs.js'

type Rows = readonly (readonly number[])[]
interface Ranks {
  readonly columns: readonly string[]
  readonly rows: Rows
  readonly mean_difference: readonly number[]
  readonly ci95: readonly number[]
}

/** What is read of the record's `study`. */
export interface StudyExpected {
  readonly prompts: readonly string[]
  readonly test_prompts: readonly string[]
  readonly answer_token: readonly [text: string, id: number]
  readonly other_token: readonly [text: string, id: number]
  readonly encoders: Readonly<Record<Which, readonly [id: string, hook: string]>>
  readonly dla_labels: readonly string[]
  readonly direction_dfa_labels: readonly string[]
  readonly directions: readonly number[]
  readonly reconstruction_second: Readonly<Record<string, number>>
  readonly reconstruction_first: Readonly<Record<string, number>>
  readonly top_directions: {
    readonly rows: Rows
    readonly index: readonly number[]
    readonly share_of_max: number
    readonly min_share: number
  }
  readonly ablate_directions: Readonly<Record<'mean' | 'std', number>>
  readonly answer_ranks_directions: Ranks
  readonly answer_ranks_mean: Ranks
  readonly answer_ranks_mean_other_token: Ranks
  readonly losses: {
    readonly kinds: readonly string[]
    readonly mean: readonly number[]
    readonly ci95: readonly number[]
    readonly loss_recovered: number
  }
  readonly logprob_boosts: {
    readonly direction: number
    readonly floor: number
    readonly prompts: number
    readonly boosted: readonly (readonly [token: string, value: number])[]
    readonly deboosted: readonly (readonly [token: string, value: number])[]
  }
  readonly logit_boosts: { readonly direction: number; readonly top: string; readonly bottom: string }
  readonly ablate_everywhere: {
    readonly prompts: readonly number[]
    readonly original_and_ablated: Rows
    readonly mean: number
    readonly std: number
  }
  readonly ablate_each_position: {
    readonly threshold: number
    readonly rows: Rows
    readonly mean: number
    readonly std: number
  }
  readonly direction_dla_top: {
    readonly values: readonly number[]
    readonly directions: readonly number[]
    readonly 'more_than_0.05_active': number
  }
}

/** The study's SAEs: its own, in a late MLP, and one in the first. */
export type Which = 'second' | 'first'

/** The notebook's position of interest: the prediction of the last token. */
export const AT = -2
/** A feature is active above this. */
export const ACTIVE = 0.1
const RARE = 4

export class StudyRuns {
  readonly expected: StudyExpected
  readonly runs: SaeRuns
  readonly #made = new Map<string, Promise<unknown>>()

  constructor(runs: SaeRuns) {
    this.runs = runs
    this.expected = runs.record.expected['study'] as StudyExpected
  }

  model(): Promise<HookedModel> {
    return this.runs.model()
  }
  /** The model with an SAE and its error term. */
  async view(which: Which): Promise<HookedModel> {
    const [id] = this.expected.encoders[which]
    return (await this.model()).withSaes(await this.runs.sae(id), { errorTerm: true })
  }
  hook(which: Which): string {
    return this.expected.encoders[which][1]
  }
  answer(): number {
    return this.expected.answer_token[1]
  }
  /** The test prompts, filled up on the right. */
  async tests(): Promise<Tokens> {
    return (await this.model()).toTokens(this.expected.test_prompts)
  }

  /** Activations at the position [test, feature]. */
  acts(which: Which): Promise<Result> {
    return this.once(`acts ${which}`, async () => {
      return latentsAt(await this.view(which), await this.tests(), { position: AT })
    })
  }
  /** Of all prompts, the last token of each left out. */
  maxima(): Promise<LatentMaxima> {
    return this.once('maxima', async () => {
      return latentMaxima(await this.view('second'), this.expected.prompts, { dropLast: 1 })
    })
  }
  /** Test prompts on which a feature of the study's SAE is active. */
  async activating(latent: number): Promise<string[]> {
    const acts = await this.acts('second')
    return this.expected.test_prompts.filter((_, b) => acts.at(b, latent) > ACTIVE)
  }
  async rare(): Promise<number[]> {
    return rareTokens(await this.counts(), RARE)
  }
  async counts(): Promise<Result> {
    return tokenCounts(await this.model(), this.expected.prompts)
  }

  /** What `make` gives the first time. */
  once<T>(key: string, make: () => Promise<T>): Promise<T> {
    let made = this.#made.get(key) as Promise<T> | undefined
    if (!made) this.#made.set(key, (made = make()))
    return made
  }
}
