/** What receivers read when a sender's change is in it and nothing else is: made when a sweep asks for it. */
import * as tf from '@tensorflow/tfjs'
import type { HookFunction } from '../../lib/core/hooks.js'
import type { HookedModel } from '../../lib/model.js'
import type { Edit, LazyTensor } from '../../lib/sweep/index.js'
import type { Tokens } from '../../lib/tokens/tokens.js'
import type { Receiver, Sender } from '../nodes.js'
import { afterSaes, senderChange, SenderRun, type SenderRuns } from '../sender-changes.js'

/** Prompts, and their sources. */
interface Pairs {
  readonly tokens: Tokens
  readonly source: Tokens
}

/** Ends of paths. */
export interface PathEnds {
  readonly senders: readonly Sender[]
  readonly receivers: readonly Receiver[]
}

/** Ends a run whose rest nobody needs. */
class Enough extends Error {}

/** Edits of receivers by senders. Owns the runs that they are made of, of some prompts at a time. */
export class PathValues implements Disposable {
  readonly #view: HookedModel
  readonly #pairs: Pairs
  readonly #ends: PathEnds
  readonly #lazy = new Map<string, LazyTensor>()
  #runs: (SenderRuns & { readonly of: string }) | undefined
  /** Queries, keys and values of the last sender and layer. */
  #heads: { readonly of: string; readonly tensors: Map<string, tf.Tensor> } | undefined

  constructor(view: HookedModel, pairs: Pairs, ends: PathEnds) {
    this.#view = view
    this.#pairs = pairs
    this.#ends = ends
  }

  /** The receiver's input with the sender's change in it. */
  edit(sender: Sender, { layer, input, head }: Receiver): Edit {
    if (input === 'final') {
      const hook = afterSaes(this.#view, `blocks.${layer - 1}.hook_resid_post`)
      return { hook, add: this.#lazyFor(sender, hook, (prompts) => this.#change(sender, prompts)) }
    }
    if (input === 'mlp') {
      const hook = `blocks.${layer}.hook_mlp_in`
      return { hook, to: this.#lazyFor(sender, hook, (prompts) => this.#changed(sender, hook, prompts)) }
    }
    const hook = `blocks.${layer}.attn.hook_${input}`
    return { hook, unit: head!, to: this.#lazyFor(sender, hook, (prompts) => this.#head(sender, layer, hook, prompts)) }
  }

  /** One for all heads of a point. */
  #lazyFor(sender: Sender, hook: string, make: LazyTensor['make']): LazyTensor {
    const key = `${sender.name} → ${hook}`
    const made = this.#lazy.get(key) ?? { key, make }
    this.#lazy.set(key, made)
    return made
  }

  #change(sender: Sender, prompts: readonly number[]): tf.Tensor3D {
    return senderChange(this.#view, this.#runsOf(prompts), sender)
  }

  #changed(sender: Sender, point: string, prompts: readonly number[]): tf.Tensor3D {
    return tf.tidy(() => this.#runsOf(prompts).clean.get(point).add(this.#change(sender, prompts)))
  }

  #head(sender: Sender, layer: number, hook: string, prompts: readonly number[]): tf.Tensor {
    const of = `${sender.name} ${layer} ${prompts.join()}`
    if (this.#heads?.of !== of) {
      const tensors = this.#readHeads(sender, layer, prompts)
      this.#freeHeads()
      this.#heads = { of, tensors }
    }
    return this.#heads.tensors.get(hook)!.clone()
  }

  /** Queries, keys and values of a layer whose input has the change in it; the run ends with them. */
  #readHeads(sender: Sender, layer: number, prompts: readonly number[]): Map<string, tf.Tensor> {
    const point = `blocks.${layer}.hook_resid_pre`
    const behind = afterSaes(this.#view, point)
    const input = this.#changed(sender, behind, prompts)
    const { cache } = this.#runsOf(prompts).clean
    const kept = new Map<string, tf.Tensor>()
    const enough = new Enough()
    const keep: HookFunction = (x: tf.Tensor, { name }) => {
      kept.set(name, tf.keep(x.clone()))
      if (kept.size === 3) throw enough
    }
    const names = [...'qkv'].map((letter) => `blocks.${layer}.attn.hook_${letter}`)
    try {
      const view = this.#view.withHooks([
        [behind, () => input],
        [names, keep],
      ])
      view.run(cache.tokens, { from: { layer, resid: cache.get<tf.Tensor3D>(point) } }).dispose()
    } catch (error) {
      if (error !== enough) {
        tf.dispose([...kept.values()])
        throw error
      }
    } finally {
      input.dispose()
    }
    return kept
  }

  /** Runs of some prompts and of their sources. */
  #runsOf(prompts: readonly number[]): SenderRuns {
    const of = prompts.join()
    if (this.#runs?.of === of) return this.#runs
    this[Symbol.dispose]()
    const { tokens, source } = this.#pairs
    const { senders } = this.#ends
    const clean = new SenderRun(this.#view, tokens.pick(prompts), { senders, names: this.#points() })
    try {
      this.#runs = { of, clean, source: new SenderRun(this.#view, source.pick(prompts), { senders }) }
      return this.#runs
    } catch (error) {
      clean[Symbol.dispose]()
      throw error
    }
  }

  /** What receivers read. */
  #points(): string[] {
    const names = this.#ends.receivers.flatMap(({ layer, input }) => {
      if (input === 'final') return []
      const point = `blocks.${layer}.${input === 'mlp' ? 'hook_mlp_in' : 'hook_resid_pre'}`
      return input === 'mlp' ? [point] : [point, afterSaes(this.#view, point)]
    })
    return [...new Set(names)]
  }

  #freeHeads(): void {
    tf.dispose([...(this.#heads?.tensors.values() ?? [])])
    this.#heads = undefined
  }

  [Symbol.dispose](): void {
    this.#freeHeads()
    this.#runs?.clean[Symbol.dispose]()
    this.#runs?.source[Symbol.dispose]()
    this.#runs = undefined
  }
}
