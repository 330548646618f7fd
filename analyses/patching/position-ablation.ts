/**
 * A latent taken out at one active position at a time: what each costs, and how active the latent is there.
 * B prompts · P positions · N places
 */
import * as tf from '@tensorflow/tfjs'
import { z } from 'zod'
import { progressOptionNames, type ProgressOptions } from '../../lib/core/job-options.js'
import { jobProgress } from '../../lib/core/job-progress.js'
import { tokenLabel } from '../../lib/core/labels.js'
import type { Site } from '../../lib/core/sites.js'
import type { AttachedSae } from '../../lib/core/view.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { tokenLosses } from '../../lib/ops/loss.js'
import { pickColumns } from '../../lib/ops/pick.js'
import { readResult } from '../../lib/report/result/result-json.js'
import { Result } from '../../lib/report/result/result.js'
import {
  tokenOptionsOf,
  type Prompts,
  tokenOptionNames,
  type TokenOptions,
  type Tokens,
} from '../../lib/tokens/tokens.js'
import { layerOf } from '../../lib/transformer/hook-names.js'
import { checkErrorTerm } from '../attached-saes.js'
import { latentSource, type LatentSource } from '../latent-source.js'
import { latentsOfSite } from '../sites.js'
import { withoutLatents } from './view-edits.js'

/** Which latent to take out, and where. */
export interface PositionAblationOptions extends TokenOptions, ProgressOptions {
  /** One latent of an SAE of the view: `latents(sae, 3)`. */
  readonly target: Site
  /** Positions count where the latent is above this. @default 0 */
  readonly threshold?: number
  /** How many places are looked at, at most, in the order of prompts and positions. @default all */
  readonly limit?: number
}

const optionNames: OptionNames<PositionAblationOptions> = {
  target: true,
  threshold: true,
  limit: true,
  ...progressOptionNames,
  ...tokenOptionNames,
}

/** A token of a prompt: positions count from its first real token. */
export type PromptPlace = { readonly prompt: number; readonly position: number }

type Extra = {
  readonly latent: number
  readonly threshold: number
  readonly places: readonly PromptPlace[]
}

/** What `positionAblation` returns: axes [place, quantity], quantities `activation` and `loss increase` (nats). */
export class PositionAblation extends Result<Extra> {
  static override readonly format: string = 'tfjs-lens-position-ablation'
  static readonly extraSchema: z.ZodType<Extra> = z.object({
    latent: z.int(),
    threshold: z.number(),
    places: z.array(z.object({ prompt: z.int(), position: z.int() })),
  })

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static override fromJSON(value: unknown): PositionAblation {
    return new PositionAblation(readResult(value, PositionAblation))
  }

  /** The latent that is taken out. */
  get latent(): number {
    return this.extra.latent
  }

  /** Where each place of the axis is. */
  get places(): readonly PromptPlace[] {
    return this.extra.places
  }
}

/** A place where the latent is active. */
interface ActivePlace extends PromptPlace {
  readonly activation: number
}

/** Places of one run: a prompt is run once for each of its places. */
const RUN = 32

/**
 * For each place where the latent is active and a next token is predicted: its activation, and the loss of that
 * prediction (nats) without what the latent writes there, less that with it. Axes [place, quantity], quantities
 * `activation` and `loss increase`; a place is labelled `prompt:position token`. The view has the SAE attached with its
 * error term. Progress counts places.
 *
 * @example
 * const view = model.withSaes(sae, { errorTerm: true })
 * ;(await positionAblation(view, prompts, { target: latents(sae, 3) })).print()
 * @throws ArgumentError when the latent is active nowhere or the SAE is attached without its error term; HookError
 */
export async function positionAblation(
  view: HookedModel,
  prompts: Prompts,
  options: PositionAblationOptions,
): Promise<PositionAblation> {
  const name = 'positionAblation'
  checkOptions(name, options, optionNames)
  const { target, threshold = 0, limit = Infinity } = options
  const { attached, latents } = latentsOfSite(name, view, target)
  const [latent = -1, ...others] = latents
  if (others.length > 0) {
    throw new ArgumentError(`${name}: target has ${latents.length} latents. Give one: latents(sae, ${latent}).`)
  }
  checkErrorTerm(name, attached)
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  const provenance = await view.provenance({ prependBos: options.prependBos ?? true })
  const source = latentSource(view, attached, { latents, hooks: provenance.hooks })
  const places = (await activePlaces(source, tokens, threshold)).slice(0, limit)
  if (places.length === 0) {
    throw new ArgumentError(
      `${name}: latent ${latent} is above ${threshold} nowhere in the ${tokens.batch} prompts. Give prompts it fires ` +
        'on, or a lower threshold.',
    )
  }
  const increases = await eachIncrease(view, { attached, target, tokens, places }, options)
  return new PositionAblation({
    kind: 'position ablation',
    title: `loss increase without latent ${latent} at one position`,
    unit: '',
    values: Float32Array.from(places.flatMap(({ activation }, i) => [activation, increases[i] ?? NaN])),
    axes: [
      { name: 'place', labels: places.map((place) => placeLabel(view, tokens, place)) },
      { name: 'quantity', labels: ['activation', 'loss increase'] },
    ],
    provenance,
    extra: { latent, threshold, places: places.map(({ prompt, position }) => ({ prompt, position })) },
  })
}

function placeLabel(view: HookedModel, tokens: Tokens, { prompt, position }: PromptPlace): string {
  const id = tokens.rows[prompt]?.[position + start(tokens, prompt)] ?? NaN
  return `${prompt}:${position}${tokenLabel(view.tokenizer, id)}`
}

/** Where the latent is above the threshold, the last token of each prompt left out. */
async function activePlaces(source: LatentSource, tokens: Tokens, threshold: number): Promise<ActivePlace[]> {
  const found: ActivePlace[] = []
  await source.each(tokens, async (acts, firstRow) => {
    const values = await acts.data()
    values.forEach((activation, i) => {
      const [prompt, column] = [firstRow + Math.floor(i / tokens.positions), i % tokens.positions]
      const mask = tokens.mask?.[prompt]
      const isLast = column + 1 >= tokens.positions || mask?.[column + 1] === 0
      if (activation <= threshold || isLast || mask?.[column] === 0) return
      found.push({ prompt, position: column - start(tokens, prompt), activation })
    })
  })
  return found
}

/** A latent, and where it is taken out. */
interface PlacedLatent {
  readonly attached: AttachedSae
  readonly target: Site
  readonly tokens: Tokens
  readonly places: readonly PromptPlace[]
}

/** Loss increases [N], some places at a time. */
async function eachIncrease(view: HookedModel, placed: PlacedLatent, options: ProgressOptions): Promise<number[]> {
  const { places } = placed
  const increases: number[] = []
  using report = jobProgress('positionAblation: places', options, places.length)
  for (let first = 0; first < places.length; first += RUN) {
    options.signal?.throwIfAborted()
    increases.push(...(await lossIncreases(view, { ...placed, places: places.slice(first, first + RUN) })))
    report(increases.length)
  }
  return increases
}

/**
 * Losses at the places without the latent less those with it. The prompts are run once; without the latent, from the
 * SAE's block on, a row for each place.
 */
async function lossIncreases(view: HookedModel, placed: PlacedLatent): Promise<Float32Array> {
  const { attached, target, tokens, places } = placed
  const used = [...new Set(places.map(({ prompt }) => prompt))]
  const [prompts, repeated] = [tokens.pick(used), tokens.pick(places.map(({ prompt }) => prompt))]
  const positions = places.map(({ prompt, position }) => position + start(tokens, prompt))
  const at = places.map(({ prompt }) => used.indexOf(prompt))
  // after another SAE's output the residual stream has no name of its own, and before the first block there is none
  const layer = view.attached.length === 1 ? (layerOf(attached.readsAt) ?? 0) : 0
  const entry = layer > 0 ? `blocks.${layer - 1}.hook_resid_post` : undefined
  using cache = view.runWithCache(prompts, { names: entry ?? 'hook_embed' })
  const increases = tf.tidy(() => {
    const rows = tf.tensor1d(at, 'int32')
    const original = pickColumns(tokenLosses(cache.logits, prompts).gather(rows), positions)
    const from = entry && { layer, resid: cache.get<tf.Tensor3D>(entry).gather(rows) }
    const without = withoutLatents(view, target, { positions })
    const ablated = tokenLosses(without.run(repeated, from ? { from } : {}), repeated)
    return pickColumns(ablated, positions).sub(original)
  })
  try {
    return await increases.data<'float32'>()
  } finally {
    increases.dispose()
  }
}

/** The column of a prompt's first real token. */
const start = ({ mask }: Tokens, prompt: number): number => mask?.[prompt]?.indexOf(1) ?? 0
