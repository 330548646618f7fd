/** A latent taken out at one active position at a time: what each costs, beside how active it is there. */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../../lib/errors/errors.js'
import type { HookName } from '../../lib/core/hooks.js'
import { layerOf } from '../../lib/transformer/hook-names.js'
import type { AttachedSae } from '../../lib/core/view.js'
import type { Sae } from '../../saes/index.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts, TokenOptions, Tokens } from '../../lib/tokens/tokens.js'
import { tokenLosses } from '../../lib/ops/loss.js'
import { pickColumns } from '../../lib/ops/pick.js'
import { Result } from '../../lib/report/result/result.js'
import { chosenLatents, saeWithError } from '../attached-saes.js'
import { tokenLabel } from '../../lib/core/labels.js'
import { latentSource, type LatentSource } from '../latent-source.js'
import { withoutLatents } from './view-edits.js'

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
 * @throws ArgumentError when the latent is active nowhere or the SAE is attached without its error term; HookError
 */
export async function positionAblation(
  view: HookedModel,
  prompts: Prompts,
  options: PositionAblationOptions,
): Promise<Result> {
  const { latent, threshold = 0, limit = Infinity, hook } = options
  const attached = saeWithError('positionAblation', view, hook)
  const latents = chosenLatents('positionAblation', attached.sae, [latent])
  const tokens = view.toTokens(prompts, options)
  const provenance = await view.provenance({ prependBos: options.prependBos ?? true })
  const active = (
    await activePlaces(latentSource(view, attached, { latents, hooks: provenance.hooks }), tokens, threshold)
  ).slice(0, limit)
  if (active.length === 0) {
    throw new ArgumentError(`positionAblation: latent ${latent} is above ${threshold} nowhere in the ${tokens.batch} prompts. Give prompts it fires on, or a lower threshold.`) // prettier-ignore
  }
  const rows: number[] = []
  for (let first = 0; first < active.length; first += RUN) {
    const places = active.slice(first, first + RUN)
    const increases = await lossIncreases(view, attached, latent, tokens, places)
    places.forEach(({ activation }, i) => rows.push(activation, increases[i]!))
  }
  return new Result({
    kind: 'position ablation',
    title: `loss increase without latent ${latent} at one position`,
    unit: '',
    values: Float32Array.from(rows),
    axes: [
      { name: 'place', labels: active.map(({ row, position }) => `${row}:${position}${tokenLabel(view.tokenizer, tokens.rows[row]![position + start(tokens, row)]!)}`) }, // prettier-ignore
      { name: 'quantity', labels: ['activation', 'loss increase'] },
    ],
    provenance,
    extra: { latent, threshold, places: active.map(({ row, position }) => [row, position]) },
  })
}

/** Where the latent is above the threshold, the last token of each prompt left out; positions from the first real one. */
async function activePlaces(source: LatentSource, tokens: Tokens, threshold: number): Promise<Place[]> {
  const found: Place[] = []
  await source.each(tokens, async (acts, firstRow) => {
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

/**
 * Losses at the places without the latent less those with it. The prompts are run once; without the latent, from the
 * SAE's block on, a row for each place.
 */
async function lossIncreases(
  view: HookedModel,
  { readsAt }: AttachedSae<Sae>,
  latent: number,
  all: Tokens,
  places: readonly Place[],
): Promise<Float32Array> {
  const used = [...new Set(places.map(({ row }) => row))]
  const [prompts, repeated] = [all.pick(used), all.pick(places.map(({ row }) => row))]
  const columns = places.map(({ row, position }) => position + start(all, row))
  const at = places.map(({ row }) => used.indexOf(row))
  // behind another SAE's output the residual stream has no name of its own, and before the first block there is none
  const layer = view.attached.length === 1 ? (layerOf(readsAt) ?? 0) : 0
  const entry = layer > 0 ? `blocks.${layer - 1}.hook_resid_post` : undefined
  using cache = view.runWithCache(prompts, { names: entry ?? 'hook_embed' })
  const increases = tf.tidy(() => {
    const losses = tokenLosses(cache.logits, prompts)
    const original = pickColumns(losses.gather(tf.tensor1d(at, 'int32')), columns)
    const from = entry && { layer, resid: cache.get<tf.Tensor3D>(entry).gather(tf.tensor1d(at, 'int32')) }
    const without = withoutLatents(view, { readsAt }, [latent], columns)
    const ablated = tokenLosses(without.run(repeated, from ? { from } : {}), repeated)
    return pickColumns(ablated, columns).sub(original)
  })
  try {
    return (await increases.data()) as Float32Array
  } finally {
    increases.dispose()
  }
}

/** The column of a prompt's first real token. */
const start = ({ mask }: Tokens, row: number): number => mask?.[row]?.indexOf(1) ?? 0
