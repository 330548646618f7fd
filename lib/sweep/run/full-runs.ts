/** The general case of a sweep: a run of the whole batch of prompts for each intervention, from its layer on. */
import * as tf from '@tensorflow/tfjs'
import { forward } from '../../transformer/forward.js'
import { makeAt, type HookFunction, type Observer, type Taps } from '../../core/hooks.js'
import { selectLogits, type Reading } from '../../core/metrics.js'
import { viewTaps } from '../../core/view.js'
import { range } from '../../stats/range.js'
import type { Tokens } from '../../tokens/tokens.js'
import { blockOf } from '../../transformer/hook-names.js'
import { editRows, type EditValues, type ResolvedIntervention } from '../edits/index.js'
import type { SweepSubject } from '../subject.js'
import { KeptActivations } from './kept-activations.js'

export interface FullRunContext extends Omit<SweepSubject, 'kind'> {
  /** What the metric reads; undefined where it is a function of whole logits. */
  readonly reading: Reading | undefined
}

type Hooks = ReadonlyMap<string, readonly HookFunction[]>
const noHooks: Hooks = new Map()

/** Runs of the whole batch. Owns the residual streams that they start from. */
export class FullRuns implements Disposable {
  readonly #context: FullRunContext
  readonly #entering = new Map<number, tf.Tensor3D>()

  constructor(context: FullRunContext) {
    this.#context = context
  }

  /**
   * What the metric reads without an intervention, [B,n,C] or logits [B,P,V]; keeps what enters the layers where the
   * interventions start. The caller owns it.
   */
  clean(interventions: readonly ResolvedIntervention[]): tf.Tensor3D {
    const layers = new Set(interventions.map((intervention) => this.#startOf(intervention)))
    const keepers = [...layers].map((layer) => {
      const keep = (x: tf.Tensor3D) => void this.#entering.set(layer, tf.keep(x.clone()))
      return [`blocks.${layer}.hook_resid_pre`, [keep]] as const
    })
    return this.#read({ before: new Map(keepers), after: noHooks })
  }

  /** The same of other prompts. */
  cleanOf(tokens: Tokens): tf.Tensor3D {
    using runs = new FullRuns({ ...this.#context, tokens })
    return runs.clean([])
  }

  /** The same under an intervention. */
  under(intervention: ResolvedIntervention, values: EditValues): tf.Tensor3D {
    values.materialize(intervention.edits)
    const hooks = this.#editHooks(intervention, values)
    for (const { name, hook } of intervention.functions) hooks.set(name, [...(hooks.get(name) ?? []), hook])
    return this.#read({ before: noHooks, after: hooks, layer: this.#startOf(intervention) })
  }

  /** Hooks that make the intervention's edits in every prompt. */
  #editHooks({ edits: all }: ResolvedIntervention, values: EditValues): Map<string, HookFunction[]> {
    const { batch, positions } = this.#context.tokens
    const rows = { prompts: range(batch), begin: 0, count: positions }
    const points = new Map(all.map(({ point }) => [point.name, point]))
    return new Map(
      [...points].map(([name, point]) => {
        const own = all.filter((edit) => edit.point.name === name)
        const edits = rows.prompts.map(() => own)
        return [name, [(x: tf.Tensor) => tf.tidy(() => editRows(x, { point, edits, rows, values }))]]
      }),
    )
  }

  /** The first block that an intervention acts in; earlier where a transcoder reads before it. */
  #startOf({ edits, functions }: ResolvedIntervention): number {
    const layers = [...edits.map((edit) => edit.layer), ...functions.map(({ name }) => this.#layerOf(name))]
    return this.#context.view.attached.reduce(
      (layer, { readsAt, writesAt }) => {
        const [reads, writes] = [this.#layerOf(readsAt), this.#layerOf(writesAt)]
        return reads < layer && writes >= layer ? reads : layer
      },
      Math.min(...layers),
    )
  }

  #layerOf(name: string): number {
    return Math.min(blockOf(name), this.#context.model.config.nLayers)
  }

  /** What the metric reads of a run with hooks before and after the view's own. */
  #read(hooks: RunHooks): tf.Tensor3D {
    const { reading, points } = this.#context
    const hook = reading?.hook
    using kept = new KeptActivations(new Map(hook === undefined ? [] : [[hook, undefined]]), points)
    return tf.tidy(() => {
      const output = this.#forward(hooks, kept)
      if (!reading) return output
      return selectLogits(hook === undefined ? output : flatFeatures(kept.get(hook)), reading)
    })
  }

  #forward({ before, after, layer = -1 }: RunHooks, observer: Observer): tf.Tensor3D {
    const { model, view, tokens, reading } = this.#context
    using own = viewTaps(view, [observer])
    const ofRun = [before, own.hooks, after]
    const names = new Set(ofRun.flatMap((hooks) => [...hooks.keys()]))
    const all = [...names].map((name) => [name, ofRun.flatMap((hooks) => hooks.get(name) ?? [])] as const)
    const taps: Taps = { ...own, hooks: new Map(all) }
    const resid = reading?.hook === undefined ? this.#entering.get(layer) : undefined
    const from = resid && { layer, resid }
    const input = { tokens: tokens.tensor(), mask: tokens.mask, from, stopAt: view.stopAt }
    return forward(model, input, makeAt(taps))
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#entering.values()) tensor.dispose()
  }
}

/** Hooks that act before and after those of the view, and the block to start at where what enters it is known. */
interface RunHooks {
  readonly before: Hooks
  readonly after: Hooks
  readonly layer?: number
}

/** An activation [B,P,…] with its features as one axis: [B,P,C]. */
function flatFeatures(x: tf.Tensor): tf.Tensor3D {
  const [batch, positions] = x.shape as [number, number]
  return x.reshape([batch, positions, -1])
}
