/** Losses of one prediction under many interventions: a sweep, so that only what these change is computed. B prompts */
import type { JobOptions } from '../lib/core/job-options.js'
import { promptAxis } from '../lib/core/labels.js'
import { logProb } from '../lib/core/metrics.js'
import type { AttachedSae } from '../lib/core/view.js'
import type { HookedModel } from '../lib/model.js'
import { Result } from '../lib/report/result/result.js'
import type { Edit, Intervention } from '../lib/sweep/index.js'
import type { TokenOptions, Tokens } from '../lib/tokens/tokens.js'
import { lossPositions } from './losses.js'
import { sweepEffects } from './sweep-effects.js'

/** An edit where the prediction is made. */
export type EditThere = Omit<Edit, 'position' | 'column'>

/** Interventions at a position. */
export interface LossSweep<Interventions> {
  /** What messages call it. */
  readonly name: string
  /** The position whose prediction is judged, and where the edits are made. */
  readonly position: number
  /** Lists of edits, each made in one run. */
  readonly interventions: Interventions
  readonly options?: TokenOptions & JobOptions
}

/** Losses in nats. */
export interface SweptLosses {
  /** [B] */
  readonly original: Float32Array
  /** [intervention][B] */
  readonly under: readonly Float32Array[]
}

/**
 * −log p(token p + 1 | tokens up to p) of each prompt, as it is and under each list of edits, all of them at p.
 * @throws ArgumentError for a position after which there is no token
 */
export async function lossSweep(
  view: HookedModel,
  tokens: Tokens,
  { name, position, interventions, options = {} }: LossSweep<readonly (readonly EditThere[])[]>,
): Promise<SweptLosses> {
  const positions = lossPositions(name, tokens, position) ?? []
  const next = tokens.rows.map((row, b) => row[(positions[b] ?? NaN) + 1] ?? NaN)
  const edits = interventions.map((list): Intervention => list.map((edit) => ({ ...edit, position })))
  const metric = logProb(next, { position })
  const changes = await sweepEffects(view, tokens, { name, edits, metric, options })
  const original = changes.baseline.values.map((value) => -value)
  const under = edits.map((_, i) => {
    const change = changes.values.subarray(i * tokens.batch, (i + 1) * tokens.batch)
    return original.map((value, b) => value - (change[b] ?? NaN))
  })
  return { original, under }
}

/** What comes with losses at a position. */
export type LossExtra = {
  /** The position whose prediction is judged: of all prompts, or of each; or the mean over all. */
  readonly position: number | 'all' | readonly number[]
}

/** The same under named interventions as a result, like that of `compareLosses`: `original` is the first condition. */
export async function lossesAt(
  view: HookedModel,
  tokens: Tokens,
  plan: LossSweep<Readonly<Record<string, readonly EditThere[]>>>,
): Promise<Result<LossExtra>> {
  const { position, options = {} } = plan
  const { original, under } = await lossSweep(view, tokens, {
    ...plan,
    interventions: Object.values(plan.interventions),
  })
  const columns = [original, ...under]
  return new Result({
    kind: 'losses',
    title: 'next-token loss',
    unit: 'nats',
    values: Float32Array.from(tokens.rows.flatMap((_, b) => columns.map((losses) => losses[b] ?? NaN))),
    axes: [promptAxis(view, tokens), { name: 'condition', labels: ['original', ...Object.keys(plan.interventions)] }],
    provenance: await view.provenance({ prependBos: options.prependBos ?? true }),
    extra: { position },
  })
}

/** What takes away what latents write; with `encoded`, the SAE's error as well. */
export function latentsOut(
  { readsAt, writesAt }: AttachedSae,
  latents: readonly number[],
  encoded = false,
): EditThere[] {
  const out: EditThere = { hook: `${readsAt}.hook_sae_acts_post`, unit: [...latents], to: 'zero' }
  return encoded ? [out, errorOut(writesAt)] : [out]
}

/** What leaves an SAE's error out. @param writesAt the hook point where the SAE writes */
export function errorOut(writesAt: string): EditThere {
  return { hook: `${writesAt}.hook_sae_error`, to: 'zero' }
}
