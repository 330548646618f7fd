/**
 * What parts of the model write to the logit of an answer, read out of a cache.
 * Axes: B prompt · P position · D d_model · H heads · K d_head · S latents
 */
import * as tf from '@tensorflow/tfjs'
import type { ActivationCache } from '../../lib/residual/activation-cache.js'
import { residualDirections } from '../../lib/transformer/unembed.js'
import type { HookedModel } from '../../lib/model.js'
import { pickColumns, pickPositions } from '../../lib/ops/pick.js'
import { plainPoint } from '../../lib/core/splice.js'
import { writerOf } from '../../lib/transformer/writers.js'
import type { AttachedSae } from '../../lib/core/view.js'

export type AnswerPair = readonly [answer: readonly number[], wrong: readonly number[] | undefined]

/** A part: its label and a number for each prompt. */
export type Row = readonly [label: string, values: Float32Array]

/** Reads parts out of the cache as numbers: the dot product with each prompt's logit direction. */
export class LogitReader {
  readonly #view: HookedModel
  readonly #cache: ActivationCache
  readonly #positions: readonly number[]
  readonly #ids: AnswerPair
  /** [B,D]: the column(s) of W_U, centred where the norm centres, divided by the final norm's scale. */
  readonly #direction: tf.Tensor2D

  constructor(view: HookedModel, cache: ActivationCache, positions: readonly number[], ids: AnswerPair) {
    this.#view = view
    this.#cache = cache
    this.#positions = positions
    this.#ids = ids
    this.#direction = tf.tidy(() => {
      const columns = this.#ofAnswers((list) => residualDirections(view, list))
      // centring the parts or the direction is the same in a dot product
      const centred = view.config.normalization === 'LN' ? columns.sub(columns.mean(-1, true)) : columns
      return centred.div<tf.Tensor2D>(this.#at('ln_final.hook_scale'))
    })
  }

  /** An activation [B,P,D] that was written to the residual stream. */
  vector(name: string): Float32Array {
    return this.#read(() => this.#at(name).mul(this.#direction).sum(-1))
  }

  /** z · W_O of each head of a layer. */
  heads(layer: number): Float32Array[] {
    const { nHeads } = this.#view.config
    const values = this.#read(() => {
      const z = this.#at(`blocks.${layer}.attn.hook_z`) // [B,H,K]
      const inward = this.#inward(`blocks.${layer}.attn.hook_z`).reshape(z.shape)
      return z.mul(inward).sum(-1).transpose() // [H,B]
    })
    const prompts = this.#positions.length
    return Array.from({ length: nHeads }, (_, h) => values.slice(h * prompts, (h + 1) * prompts))
  }

  /** An SAE's latents, bias and error. */
  sae({ sae, readsAt, writesAt }: AttachedSae, latents: number): Row[] {
    const point = plainPoint(writesAt)
    const acts = `${readsAt}.hook_sae_acts_post`
    const attributions = tf.tidy(() => {
      const { directions, bias } = sae.writes()
      const inward = this.#inward(point) // [B,d_in]
      const each = this.#at(acts).mul(tf.matMul(inward, directions, false, true)) // [B,S]
      return { each: each.arraySync() as number[][], bias: Float32Array.from(inward.mul(bias).sum(-1).dataSync()) }
    })
    const rows = latentRows(readsAt, attributions.each, latents)
    rows.push([`${readsAt} b_dec`, attributions.bias])
    const error = `${writesAt}.hook_sae_error`
    if (this.#cache.has(error))
      rows.push([
        `${readsAt} error`,
        this.#read(() => this.#at(error).reshape([this.#positions.length, -1]).mul(this.#inward(point)).sum(-1)),
      ])
    return rows
  }

  biases(names: readonly string[]): Float32Array {
    return this.#read(() => {
      const sum = names.reduce<tf.Tensor>(
        (total, name) => total.add(this.#view.copyWeight(name)),
        tf.zeros([this.#view.config.dModel]),
      )
      return this.#direction.mul(sum).sum(-1)
    })
  }

  unembedBias(): Float32Array {
    return this.#read(() =>
      this.#ofAnswers((ids) => tf.gather(this.#view.copyWeight('unembed.b_U'), tf.tensor1d([...ids], 'int32'))),
    )
  }

  /** The logit (difference) itself, before a soft-cap. `logits` [B,P,C] are those of the tokens `ids`, or all. */
  total(logits: tf.Tensor3D, ids?: readonly number[]): Float32Array {
    return this.#read(() => {
      const last = pickPositions(logits, this.#positions) // [B,C]
      return this.#ofAnswers((list) => pickColumns(last, ids ? list.map((id) => ids.indexOf(id)) : list))
    })
  }

  /** The logit direction as seen from a hook point whose value is written to the residual stream: [B,d_in]. */
  #inward(point: string): tf.Tensor2D {
    const { matrix, norm } = writerOf(point, new Set(this.#view.hookNames)) ?? {}
    if (matrix === undefined) return this.#direction
    const W = this.#view.copyWeight(matrix)
    return tf.matMul(this.#beforeNorm(norm), W.reshape<tf.Tensor2D>([-1, W.shape.at(-1)!]), false, true)
  }

  /** The logit direction before the RMSNorm that follows attention or MLP, where there is one: [B,D]. */
  #beforeNorm(norm: string | undefined): tf.Tensor2D {
    if (norm === undefined) return this.#direction
    return this.#direction.mul(this.#view.copyWeight(`${norm}.w`)).div(this.#at(`${norm}.hook_scale`))
  }

  #ofAnswers(make: (ids: readonly number[]) => tf.Tensor): tf.Tensor {
    const [answer, wrong] = this.#ids
    return wrong ? make(answer).sub(make(wrong)) : make(answer)
  }

  /** An activation at each prompt's position: [B,…]. */
  #at(name: string): tf.Tensor {
    const x = this.#cache.get(name)
    const flat = x.reshape<tf.Tensor3D>([x.shape[0]!, x.shape[1]!, -1])
    return pickPositions(flat, this.#positions).reshape([x.shape[0]!, ...x.shape.slice(2)])
  }

  #read(compute: () => tf.Tensor): Float32Array {
    const numbers = tf.tidy(compute)
    const values = Float32Array.from(numbers.dataSync())
    numbers.dispose()
    return values
  }

  dispose(): void {
    this.#direction.dispose()
  }
}

/** The latents that matter most over all prompts, and the sum of the others. */
function latentRows(hook: string, each: readonly (readonly number[])[], count: number): Row[] {
  const size = each[0]!.length
  const weight = (latent: number) => each.reduce((sum, row) => sum + Math.abs(row[latent]!), 0)
  const active = Array.from({ length: size }, (_, s) => s).filter((s) => weight(s) > 0)
  const ranked = active.sort((a, b) => weight(b) - weight(a))
  const shown = ranked.slice(0, count)
  const rest = ranked.slice(count)
  const rows = shown.map((s): Row => [`${hook} latent ${s}`, Float32Array.from(each, (row) => row[s]!)])
  return [
    ...rows,
    [`${hook} other latents`, Float32Array.from(each, (row) => rest.reduce((sum, s) => sum + row[s]!, 0))],
  ]
}
