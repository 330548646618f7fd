/** The general case of a sweep: a run of the whole batch of prompts for each intervention, from its layer on. */
import * as tf from '@tensorflow/tfjs'
import { makeAt, type HookFunction, type HookPoint, type Observer, type Taps } from '../core/hooks.js'
import { readLogits, type Reading } from '../core/metrics.js'
import type { Tokens } from '../tokens/tokens.js'
import { blockOf } from '../transformer/hook-names.js'
import { viewTaps, type LoadedModel, type View } from '../core/view.js'
import { range } from '../stats/range.js'
import { editRows } from './apply.js'
import type { ResolvedIntervention } from './edits.js'
import type { ValueSource } from './values.js'

export interface WholeContext {
  readonly model: LoadedModel
  readonly view: View
  readonly points: ReadonlyMap<string, HookPoint>
  readonly tokens: Tokens
  readonly reading: Reading | undefined
}

/** Runs of the whole batch. Owns the residual streams that they start from. */
export class WholeRuns implements Disposable {
  readonly #context: WholeContext
  readonly #entries = new Map<number, tf.Tensor3D>()

  constructor(context: WholeContext) {
    this.#context = context
  }

  /**
   * What the metric reads without an intervention; keeps what enters the layers where the interventions start. The
   * caller owns it.
   */
  clean(interventions: readonly ResolvedIntervention[]): tf.Tensor3D {
    const layers = new Set(interventions.map((intervention) => this.#layer(intervention)))
    const hooks = [...layers].map((layer) => {
      const keep = (x: tf.Tensor3D) => void this.#entries.set(layer, tf.keep(x.clone()))
      return [`blocks.${layer}.hook_resid_pre`, keep] as const
    })
    return this.#read(new Map(hooks), new Map())
  }

  /** The same of other prompts. */
  on(tokens: Tokens): tf.Tensor3D {
    using runs = new WholeRuns({ ...this.#context, tokens })
    return runs.clean([])
  }

  /** The same under an intervention. */
  under(intervention: ResolvedIntervention, values: ValueSource): tf.Tensor3D {
    values.hold(intervention.edits)
    const { batch, positions } = this.#context.tokens
    const rows = { prompts: range(batch), begin: 0, count: positions }
    const hooks = new Map<string, HookFunction[]>()
    for (const name of new Set(intervention.edits.map((edit) => edit.point.name))) {
      const own = intervention.edits.filter((edit) => edit.point.name === name)
      const edits = rows.prompts.map(() => own)
      const point = this.#context.points.get(name)!
      hooks.set(name, [(x: tf.Tensor) => tf.tidy(() => editRows(x, point, edits, rows, values))])
    }
    for (const { name, hook } of intervention.by) hooks.set(name, [...(hooks.get(name) ?? []), hook])
    return this.#read(new Map(), hooks, this.#layer(intervention))
  }

  /** The first block that an intervention acts in; earlier where a transcoder reads before it. */
  #layer({ edits, by }: ResolvedIntervention): number {
    const first = Math.min(...edits.map((edit) => edit.layer), ...by.map(({ name }) => this.#layerOf(name)))
    return this.#context.view.attached.reduce((layer, { readsAt, writesAt }) => {
      const [reads, writes] = [this.#layerOf(readsAt), this.#layerOf(writesAt)]
      return reads < layer && writes >= layer ? reads : layer
    }, first)
  }

  #layerOf(name: string): number {
    return Math.min(blockOf(name), this.#context.model.config.nLayers)
  }

  #read(
    before: ReadonlyMap<string, HookFunction>,
    hooks: ReadonlyMap<string, readonly HookFunction[]>,
    layer = -1,
  ): tf.Tensor3D {
    const { reading } = this.#context
    const seen: tf.Tensor[] = []
    const see = <T extends tf.Tensor>(_: string, x: T): T => {
      seen.push(tf.keep(x.clone()))
      return x
    }
    const names = new Set(reading?.hook === undefined ? [] : [reading.hook])
    try {
      return tf.tidy(() => {
        const output = this.#forward(before, hooks, layer, [{ names, see }])
        if (!reading) return output
        return reading.hook === undefined ? readLogits(output, reading) : positionsOf(seen.at(-1)!, reading)
      })
    } finally {
      tf.dispose(seen)
    }
  }

  #forward(
    before: ReadonlyMap<string, HookFunction>,
    hooks: ReadonlyMap<string, readonly HookFunction[]>,
    layer: number,
    observers: readonly Observer[],
  ): tf.Tensor3D {
    const { model, view, tokens, reading } = this.#context
    using own = viewTaps(view, observers)
    const names = new Set([...before.keys(), ...own.hooks.keys(), ...hooks.keys()])
    const all = [...names].map((name) => {
      const first = before.get(name)
      return [name, [...(first ? [first] : []), ...(own.hooks.get(name) ?? []), ...(hooks.get(name) ?? [])]] as const
    })
    const taps: Taps = { ...own, hooks: new Map(all) }
    const resid = reading?.hook === undefined ? this.#entries.get(layer) : undefined
    const from = resid && { layer, resid }
    const { architecture, weights, config } = model
    const input = { tokens: tokens.tensor(), mask: tokens.mask, from, stopAt: view.stopAt }
    return architecture.forward(weights, config, input, makeAt(taps))
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#entries.values()) tensor.dispose()
  }
}

/** The positions that are read of an activation [B,P,…], features as one: [B,n,C]. */
function positionsOf(x: tf.Tensor, reading: Reading): tf.Tensor3D {
  const [batch, positions] = x.shape as [number, number]
  return readLogits(x.reshape([batch, positions, -1]), reading)
}
