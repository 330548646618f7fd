/** Losses of one prediction under many interventions: a sweep, so that only what these change is computed. B prompts */
import { logProb } from '../lib/core/metrics.js'
import type { AttachedSae } from '../lib/core/view.js'
import type { Sae } from '../saes/index.js'
import type { HookedModel } from '../lib/model.js'
import type { Edit, SweepOptions } from '../lib/sweep/index.js'
import { Result } from '../lib/report/result/result.js'
import type { TokenOptions, Tokens } from '../lib/tokens/tokens.js'
import { promptAxis } from '../lib/core/labels.js'
import { lossPositions } from './losses.js'

export interface LossSweep {
  /** [B], nats. */
  readonly original: Float32Array
  /** [intervention][B], nats. */
  readonly under: readonly Float32Array[]
}

/** An edit where the prediction is made. */
export type EditThere = Omit<Edit, 'position' | 'column'>

/**
 * −log p(token p + 1 | tokens up to p) of each prompt, as it is and under each list of edits, all of them at p.
 * @throws ArgumentError for a position behind which no token stands
 */
export async function lossSweep(
  verb: string,
  view: HookedModel,
  tokens: Tokens,
  position: number,
  interventions: readonly (readonly EditThere[])[],
  onProgress: NonNullable<SweepOptions['onProgress']> = false,
): Promise<LossSweep> {
  const positions = lossPositions(verb, tokens, position)!
  const next = tokens.rows.map((row, b) => row[positions[b]! + 1]!)
  const edits = interventions.map((list) => list.map((edit) => ({ ...edit, position }) as Edit))
  const changes = await view.sweep(tokens, {
    ...{ interventions: edits, metric: logProb(next, { position }), kind: verb, onProgress },
  })
  const original = changes.baseline.values.map((value) => -value)
  const under = edits.map((_, i) => original.map((value, b) => value - changes.values[i * tokens.batch + b]!))
  return { original, under }
}

/** The same under named interventions as a result, like that of `compareLosses`: axes [prompt, condition], `original` first. */
export async function lossesAt(
  verb: string,
  view: HookedModel,
  tokens: Tokens,
  options: TokenOptions & { readonly position: number },
  interventions: Readonly<Record<string, readonly EditThere[]>>,
): Promise<Result> {
  const { original, under } = await lossSweep(verb, view, tokens, options.position, Object.values(interventions))
  return new Result({
    kind: 'losses',
    title: 'next-token loss',
    unit: 'nats',
    values: Float32Array.from([...original].flatMap((value, b) => [value, ...under.map((losses) => losses[b]!)])),
    axes: [promptAxis(view, tokens), { name: 'condition', labels: ['original', ...Object.keys(interventions)] }],
    provenance: await view.provenance({ prependBos: options.prependBos ?? true }),
    extra: { position: options.position },
  })
}

/** What takes latents' directions out; with `encoded`, the SAE's error as well. */
export function withoutDirections(
  { readsAt, writesAt }: AttachedSae<Sae>,
  latents: readonly number[],
  encoded = false,
): EditThere[] {
  const out: EditThere = { hook: `${readsAt}.hook_sae_acts_post`, unit: [...latents], to: 'zero' }
  return encoded ? [out, errorOut(writesAt)] : [out]
}

/** What leaves an SAE's error out. */
export function errorOut(outputSite: string): EditThere {
  return { hook: `${outputSite}.hook_sae_error`, to: 'zero' }
}
