/** Activations of a run that are kept, of some units alone where that is enough. */
import * as tf from '@tensorflow/tfjs'
import { forward } from '../../transformer/forward.js'
import { makeAt, type HookPoint, type Observer } from '../../core/hooks.js'
import type { Attachable } from '../../core/splice.js'
import { blocksNeeded, viewTaps } from '../../core/view.js'
import type { Tokens } from '../../tokens/tokens.js'
import { unitAxis } from '../../core/axes.js'
import type { KeptPoints } from '../plan/index.js'
import type { SweepSubject } from '../subject.js'

/** An SAE that is not run: the latents of its input that are asked for are computed during the run. */
export interface EncodedSae {
  readonly readsAt: string
  readonly sae: Attachable
}

/** Keeps what passes the chosen points. Owns the tensors. */
export class KeptActivations implements Observer, Disposable {
  readonly names: ReadonlySet<string>
  readonly tensors = new Map<string, tf.Tensor>()
  readonly #kept: KeptPoints
  readonly #points: ReadonlyMap<string, HookPoint>
  readonly #encoded: readonly EncodedSae[]

  constructor(kept: KeptPoints, points: ReadonlyMap<string, HookPoint>, encoded: readonly EncodedSae[] = []) {
    this.#kept = kept
    this.#points = points
    this.#encoded = encoded
    this.names = new Set([...kept.keys(), ...encoded.map(({ readsAt }) => readsAt)])
  }

  see<T extends tf.Tensor>(name: string, x: T): T {
    for (const { readsAt, sae } of this.#encoded) if (readsAt === name) this.#encode(readsAt, sae, x)
    const point = this.#points.get(name)
    if (!point || !this.#kept.has(name)) return x
    const units = this.#kept.get(name)
    this.tensors.get(name)?.dispose() // a point may fire several times: the last value counts
    const some = units ? tf.gather(x, tf.tensor1d([...units.keys()], 'int32'), unitAxis(point)) : x.clone()
    this.tensors.set(name, tf.keep(some))
    return x
  }

  #encode(readsAt: string, sae: Attachable, x: tf.Tensor): void {
    const name = `${readsAt}.hook_sae_acts_post`
    const latents = [...(this.#kept.get(name)?.keys() ?? [])]
    this.tensors.set(name, tf.keep(sae.encode(x, { latents })))
  }

  /** What was kept of a point. */
  get(name: string): tf.Tensor {
    const tensor = this.tensors.get(name)
    if (!tensor) throw new Error(`sweep: nothing was kept of '${name}'`)
    return tensor
  }

  [Symbol.dispose](): void {
    tf.dispose([...this.tensors.values()])
  }
}

/** Stands among names of points for the residual stream after all blocks, [B,P,D]. */
export const FINAL = 'final'

/** Whole activations of prompts at some points (or FINAL), by name, as a clean run has them. The caller owns them. */
export function wholeActivations(
  { model, view, points }: Pick<SweepSubject, 'model' | 'view' | 'points'>,
  names: readonly string[],
  tokens: Tokens,
): Map<string, tf.Tensor> {
  const kept = new KeptActivations(new Map(names.map((name) => [name, undefined])), points)
  const { config } = model
  try {
    using taps = viewTaps(view, [kept])
    const at = makeAt(taps)
    const stopAt = blocksNeeded(names)
    tf.tidy(() => {
      const input = { tokens: tokens.tensor(), mask: tokens.mask }
      if (!names.includes(FINAL)) return void forward(model, { ...input, stopAt }, at)
      const final = forward(model, { ...input, stopAt: config.nLayers }, at)
      kept.tensors.set(FINAL, tf.keep(final.clone()))
      const from = { layer: config.nLayers, resid: final }
      if (stopAt === undefined) forward(model, { ...input, from }, at)
    })
    return kept.tensors
  } catch (error) {
    kept[Symbol.dispose]()
    throw error
  }
}
