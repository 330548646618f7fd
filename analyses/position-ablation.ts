/** A latent taken out at one active position at a time: what each costs, beside how active it is there. */
import { ArgumentError } from '../lib/errors.js'
import type { HookName } from '../lib/hooks.js'
import type { HookedModel, Input } from '../lib/model.js'
import { Result } from '../lib/report/result.js'
import type { TokenOptions, Tokens } from '../lib/tokens/tokens.js'
import { directionAblation } from './direction-ablation.js'
import { chosenLatents, encoderAt } from './encoders.js'
import { latentsOf } from './max-activating-latents.js'

export interface PositionAblationOptions extends TokenOptions {
  readonly latent: number
  /** Positions count where the latent is above this. @default 0 */
  readonly threshold?: number
  /** Places at most, in order of prompts and positions. @default all */
  readonly limit?: number
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

interface Place {
  readonly row: number
  readonly position: number
  readonly activation: number
}

/** Places of one run: a prompt is run once for each of its places. */
const RUN = 32

/**
 * For each place where the latent is active and a next token is predicted: its activation, and the loss of that
 * prediction (nats) without what the latent writes there, less that with it. Axes [place, quantity], quantities
 * `activation` and `loss increase`; a place is labelled `prompt:position token`. The view has the SAE attached with its
 * error term.
 * @throws ArgumentError when the latent is active nowhere, or as `directionAblation`
 */
export async function positionAblation(
  view: HookedModel,
  prompts: Input,
  options: PositionAblationOptions,
): Promise<Result> {
  const { latent, threshold = 0, limit = Infinity, hook } = options
  const tokens = view.toTokens(prompts, options)
  const provenance = await view.provenance({ prependBos: options.prependBos ?? true })
  const active = (await activePlaces(view, tokens, options, provenance.hooks ?? [])).slice(0, limit)
  if (active.length === 0) {
    throw new ArgumentError(`positionAblation: latent ${latent} is above ${threshold} nowhere in the ${tokens.batch} prompts. Give prompts it fires on, or a lower threshold.`) // prettier-ignore
  }
  const rows: number[] = []
  for (let first = 0; first < active.length; first += RUN) {
    const places = active.slice(first, first + RUN)
    const repeated = tokens.pick(places.map(({ row }) => row))
    const position = places.map((place) => place.position)
    const losses = await directionAblation(view, repeated, { latents: [latent], position, hook })
    places.forEach(({ activation }, i) => rows.push(activation, losses.at(i, 'ablated') - losses.at(i, 'original')))
  }
  const token = (id: number) => view.tokenizer?.tokenString(id) ?? String(id)
  return new Result({
    kind: 'position ablation',
    title: `loss increase without latent ${latent} at one position`,
    unit: '',
    values: Float32Array.from(rows),
    axes: [
      { name: 'place', labels: active.map(({ row, position }) => `${row}:${position}${token(tokens.rows[row]![position + start(tokens, row)]!)}`) }, // prettier-ignore
      { name: 'quantity', labels: ['activation', 'loss increase'] },
    ],
    provenance,
    extra: { latent, threshold, places: active.map(({ row, position }) => [row, position]) },
  })
}

/** Where the latent is above the threshold, the last token of each prompt left out; positions from the first real one. */
async function activePlaces(
  view: HookedModel,
  tokens: Tokens,
  { latent, threshold = 0, hook }: PositionAblationOptions,
  hooks: readonly string[],
): Promise<Place[]> {
  const encoder = encoderAt('positionAblation', view, hook)
  const latents = chosenLatents('positionAblation', encoder.sae, [latent])
  const found: Place[] = []
  await latentsOf(view, encoder, latents, 'hook_sae_acts_post', hooks).each(tokens, async (acts, firstRow) => {
    const values = await acts.data()
    values.forEach((activation, i) => {
      const [row, column] = [firstRow + Math.floor(i / tokens.positions), i % tokens.positions]
      const isLast = column + 1 >= tokens.positions || tokens.mask?.[row]?.[column + 1] === 0
      if (activation <= threshold || isLast || tokens.mask?.[row]?.[column] === 0) return
      found.push({ row, position: column - start(tokens, row), activation })
    })
  })
  return found
}

/** The column of a prompt's first real token. */
const start = ({ mask }: Tokens, row: number): number => mask?.[row]?.indexOf(1) ?? 0
