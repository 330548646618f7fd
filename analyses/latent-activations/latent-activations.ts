/** Latents on prompts: at one position, and the largest of each prompt. B prompts · P positions · F latents */
import * as tf from '@tensorflow/tfjs'
import type { HookName } from '../../lib/core/hooks.js'
import { progressOptionNames, type ProgressOptions } from '../../lib/core/job-options.js'
import { jobProgress } from '../../lib/core/job-progress.js'
import { promptAxis } from '../../lib/core/labels.js'
import { promptPositions } from '../../lib/core/positions.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { pickPositions } from '../../lib/ops/pick.js'
import { Result, type ResultInit } from '../../lib/report/result/result.js'
import { range } from '../../lib/stats/range.js'
import {
  tokenOptionsOf,
  type Prompts,
  tokenOptionNames,
  type TokenOptions,
  type Tokens,
} from '../../lib/tokens/tokens.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { latentSource, type LatentPoint } from '../latent-source.js'
import { LatentMaxima } from './latent-maxima.js'

interface LatentOptions extends TokenOptions, ProgressOptions {
  /** @default all latents of the SAE */
  readonly latents?: readonly number[]
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

const latentOptionNames: OptionNames<LatentOptions> = {
  ...tokenOptionNames,
  ...progressOptionNames,
  latents: true,
  hook: true,
}

/** Which latents `latentsAt` looks at, and where. */
export interface LatentsAtOptions extends LatentOptions {
  /** @default -1, the last real token */
  readonly position?: number
  /** @default 'hook_sae_acts_post' */
  readonly point?: LatentPoint
}

/** Which latents and tokens `latentMaxima` looks at. */
export interface LatentMaximaOptions extends LatentOptions {
  /** Leave so many tokens at the end of each prompt out; where none is left, maxima are 0. @default 0 */
  readonly dropLast?: number
}

/** The names of `LatentsAtOptions`, for `checkOptions`. */
export const latentsAtNames: OptionNames<LatentsAtOptions> = { ...latentOptionNames, position: true, point: true }
const maximaNames: OptionNames<LatentMaximaOptions> = { ...latentOptionNames, dropLast: true }

/** Tokens of one run of the model, so that any number of prompts takes little more memory than the result. */
const RUN = 4096

/**
 * Activations at one position of each prompt: axes [prompt, latent]. Progress counts prompts.
 *
 * @example (await latentsAt(model.withSaes(sae), prompts, { latents: [3, 14], position: -1 })).print()
 * @throws ArgumentError, HookError, TokenError before any run
 */
export async function latentsAt(view: HookedModel, prompts: Prompts, options: LatentsAtOptions = {}): Promise<Result> {
  checkOptions('latentsAt', options, latentsAtNames)
  const { position = -1 } = options
  const read = await readLatents('latentsAt', view, { ...options, prompts })
  const positions = promptPositions(read.tokens, position, 'latentsAt')
  const values = read.empty()
  await read.each(async (acts, row) => {
    const there = tf.tidy(() => pickPositions(acts, positions.slice(row, row + acts.shape[0])))
    values.set(await numbersOf(there), row * read.latents.length)
  })
  return new Result({ ...read.about, title: `activations at position ${position}`, values })
}

/**
 * The largest activation of each latent over the real tokens of each prompt, and where it is: axes [prompt, latent].
 * Progress counts prompts.
 *
 * @example
 * const maxima = await latentMaxima(model.withSaes(sae), prompts, { latents: [3, 14] })
 * console.log(maxima.at(0, 'latent 14'), maxima.positions[1])
 * @throws ArgumentError, HookError, TokenError before any run
 */
export async function latentMaxima(
  view: HookedModel,
  prompts: Prompts,
  options: LatentMaximaOptions = {},
): Promise<LatentMaxima> {
  checkOptions('latentMaxima', options, maximaNames)
  const { dropLast = 0 } = options
  checkDropLast(dropLast)
  const read = await readLatents('latentMaxima', view, { ...options, prompts })
  const [values, places] = [read.empty(), read.empty()]
  await read.each(async (acts, row) => {
    const counted = countedTokens(read.tokens, range(row, row + acts.shape[0]), dropLast)
    const { largest, at } = tf.tidy(() => {
      const open = acts.mul(tf.tensor3d(counted, [acts.shape[0], read.tokens.positions, 1]))
      return { largest: open.max(1), at: open.argMax(1).toFloat() }
    })
    values.set(await numbersOf(largest), row * read.latents.length)
    places.set(await numbersOf(at), row * read.latents.length)
  })
  const positions = Array.from(places, (position, i) => ((values[i] ?? 0) > 0 ? position : -1))
  return new LatentMaxima({ ...read.about, title: 'largest activations', values, extra: { positions } })
}

function checkDropLast(dropLast: number): void {
  if (Number.isInteger(dropLast) && dropLast >= 0) return
  throw new ArgumentError(`latentMaxima: dropLast is ${String(dropLast)}. It must be a whole number from 0.`)
}

/** 1 at each real token of some rows but for the last few, else 0 [b · P]. */
function countedTokens({ rows, mask }: Tokens, chosen: readonly number[], dropLast: number): number[] {
  return chosen.flatMap((row) => {
    const real = mask?.[row] ?? rows[row]?.map(() => 1) ?? []
    const end = real.lastIndexOf(1) + 1 - dropLast
    return real.map((is, p) => (is === 1 && p < end ? 1 : 0))
  })
}

/** Latents of prompts, to be read some prompts at a time. */
interface ReadLatents {
  readonly tokens: Tokens
  readonly latents: readonly number[]
  /** What a result of them is made of. */
  readonly about: Omit<ResultInit, 'title' | 'values' | 'extra'>
  /** Room for a number of each prompt and latent. */
  empty(): Float32Array
  /** Hands on [b,P,F] of the prompts from `row` on. */
  each(use: (acts: tf.Tensor3D, row: number) => Promise<void>): Promise<void>
}

async function readLatents(
  verb: string,
  view: HookedModel,
  options: LatentOptions & { readonly prompts: Prompts; readonly point?: LatentPoint },
): Promise<ReadLatents> {
  const attached = saeAt(verb, view, options.hook)
  const latents = chosenLatents(verb, attached.sae, options.latents)
  const tokens = view.toTokens(options.prompts, tokenOptionsOf(options))
  const provenance = await view.provenance({ prependBos: options.prependBos ?? true })
  const source = latentSource(view, attached, { latents, point: options.point, hooks: provenance.hooks })
  const size = Math.max(1, Math.floor(RUN / tokens.positions))
  const axes = [promptAxis(view, tokens), { name: 'latent', labels: latents.map((latent) => `latent ${latent}`) }]
  return {
    tokens,
    latents,
    about: { kind: 'latent activations', unit: '', axes, provenance },
    empty: () => new Float32Array(tokens.batch * latents.length),
    async each(use) {
      using report = jobProgress(`${verb}: prompts`, options, tokens.batch)
      for (let first = 0; first < tokens.batch; first += size) {
        const end = Math.min(tokens.batch, first + size)
        await source.each(tokens.pick(range(first, end)), (acts, row) => use(acts, first + row))
        report(end)
        options.signal?.throwIfAborted()
      }
    },
  }
}

/** The numbers of a tensor, which is freed. */
async function numbersOf(x: tf.Tensor): Promise<Float32Array> {
  try {
    return await x.data<'float32'>()
  } finally {
    x.dispose()
  }
}
