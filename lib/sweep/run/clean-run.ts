/** The run without interventions that all others start from: residual streams, keys and values, what edits look at. */
import * as tf from '@tensorflow/tfjs'
import { forward } from '../../transformer/forward.js'
import { runUntil } from '../../transformer/until.js'
import type { ForwardInput, Past } from '../../transformer/architecture.js'
import { makeAt, type At } from '../../core/hooks.js'
import { viewTaps, type AttachedSae } from '../../core/view.js'
import type { Tokens } from '../../tokens/tokens.js'
import { isAfterBlocks } from '../../transformer/hook-names.js'
import { promptIndices } from '../edits/index.js'
import type { ComparedRun, KeptPoints } from '../plan/index.js'
import type { RowsAt, SweepSubject } from '../subject.js'
import { KeptActivations } from './kept-activations.js'
import { KeptKeys, RowsPast } from './kept-keys.js'
import { lastBlock, type Part } from './last-block.js'

/** What of a clean run is needed. */
export interface Needed {
  readonly kept: KeptPoints
  /** The one position that is read of all prompts, where nothing else of the last block is looked at. */
  readonly last: number | undefined
  /** Whether a point is compared with that of other runs: digit by digit, so that what is the same is known to be. */
  readonly isCompared: (name: string) => boolean
}

/** Prompts that follow one another. */
export interface PromptChunk {
  readonly tokens: Tokens
  /** The number of the first one. */
  readonly first: number
}

/** The clean run of some prompts. Owns its tensors. */
export class CleanRun implements ComparedRun, Disposable {
  readonly tokens: Tokens
  readonly first: number
  readonly kept: KeptPoints
  /** The residual stream after all blocks [B,P,D], or at the one position that is needed [B,1,D]. */
  readonly final: tf.Tensor3D
  /** The first position of `final`. */
  readonly finalBegin: number
  readonly #model: SweepSubject['model']
  readonly #activations: KeptActivations
  readonly #keys = new KeptKeys()

  /** @param subject with the view's SAEs that have to be run */
  constructor(
    { model, view, points }: Pick<SweepSubject, 'model' | 'view' | 'points'>,
    needed: Needed,
    { tokens, first }: PromptChunk,
  ) {
    this.#model = model
    this.tokens = tokens
    this.first = first
    this.kept = needed.kept
    this.finalBegin = needed.last ?? 0
    const encoded = view.attached.filter((sae) => isEncodedSeparately(sae, needed))
    this.#activations = new KeptActivations(needed.kept, points, encoded)
    try {
      using taps = viewTaps({ ...view, attached: view.attached.filter((sae) => !encoded.includes(sae)) }, [
        this.#activations,
      ])
      const at = makeAt(taps)
      this.final = tf.tidy(() => (needed.last === undefined ? this.#allPositions(at) : this.#lastOnly(needed.last, at)))
    } catch (error) {
      this.#activations[Symbol.dispose]()
      this.#keys[Symbol.dispose]()
      throw error
    }
  }

  #allPositions(at: At): tf.Tensor3D {
    const { nLayers } = this.#model.config
    const final = tf.keep(this.#forward({ past: this.#keys, stopAt: nLayers }, at).clone())
    if ([...this.kept.keys()].some(isAfterBlocks)) this.#forward({ from: { layer: nLayers, resid: final } }, at)
    return final
  }

  /** The last block at one position: only keys and values of those before it are needed. */
  #lastOnly(last: number, at: At): tf.Tensor3D {
    const { nLayers } = this.#model.config
    const entering = this.#forward({ past: this.#keys, stopAt: nLayers - 1 }, at)
    const resid = entering.slice<tf.Tensor3D>([0, 0, 0], [-1, last + 1, -1])
    return lastBlock({ model: this.#model, resid, past: this.#keys }, ({ resid, part, past, until }) =>
      runUntil(until, at, (ending) =>
        this.#forward({ past, from: { layer: nLayers - 1, resid }, stopAt: nLayers }, ending, part),
      ),
    )
  }

  #forward(
    input: Omit<ForwardInput, 'tokens'>,
    at: At,
    { begin, count }: Part = { begin: 0, count: this.tokens.positions },
  ): tf.Tensor3D {
    const tokens = this.tokens.tensor().slice<tf.Tensor2D>([0, begin], [-1, count])
    const mask = this.tokens.mask?.map((row) => row.slice(0, begin + count))
    return forward(this.#model, { tokens, mask, ...input }, at)
  }

  has(name: string): boolean {
    return this.#activations.tensors.has(name)
  }

  get(name: string): tf.Tensor {
    return this.#activations.get(name)
  }

  /** What was kept of a point of shape [B,P,…], for rows: [R,Q,…]. */
  rows(name: string, rows: RowsAt): tf.Tensor {
    return this.select(this.get(name), rows)
  }

  /** The residual stream after all blocks, for rows. */
  finalRows(rows: RowsAt): tf.Tensor3D {
    return this.select(this.final, rows)
  }

  /** Rows [R,Q,…] of a tensor [B,P,…] of this run's prompts. */
  select<T extends tf.Tensor>(x: T, { prompts, begin, count }: RowsAt): T {
    const some = x.slice<T>([0, begin], [-1, count])
    return tf.gather(some, promptIndices(prompts, this.first))
  }

  /** Keys and values before the first position of rows. */
  past({ prompts, begin }: RowsAt): Past | undefined {
    return begin > 0 ? new RowsPast(this.#keys, promptIndices(prompts, this.first), begin) : undefined
  }

  [Symbol.dispose](): void {
    this.#activations[Symbol.dispose]()
    this.#keys[Symbol.dispose]()
    this.final.dispose()
  }
}

/**
 * Whether an SAE that changes nothing, having its error term, is looked at for some of its latents alone, so that these
 * can be computed without running it. Not where they are compared: the last digits of few columns of a product may be
 * others.
 */
function isEncodedSeparately({ readsAt, writesAt, options }: AttachedSae, { kept, isCompared }: Needed): boolean {
  const latents = `${readsAt}.hook_sae_acts_post`
  const inside = [...kept.keys()].filter((name) => name.startsWith(`${readsAt}.`) || name.startsWith(`${writesAt}.`))
  const alone = kept.get(latents) !== undefined && inside.every((name) => name === latents)
  return options.errorTerm === true && alone && !isCompared(latents)
}
