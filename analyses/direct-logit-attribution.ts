/**
 * Direct logit attribution: what each part of the model writes straight to a token's logit, past all later layers.
 * Where the view has an SAE, the part it reconstructs is told apart into its latents, its bias and its error.
 */
import * as tf from '@tensorflow/tfjs'
import type { ActivationCache } from '../lib/cache.js'
import { ArgumentError, MismatchError } from '../lib/errors.js'
import { metricPositions, type Answers } from '../lib/metrics.js'
import type { HookedModel, Input } from '../lib/model.js'
import { pickPositions } from '../lib/ops/pick.js'
import { Result } from '../lib/report/result.js'
import type { Attachable } from '../lib/splice.js'
import type { TokenOptions } from '../lib/tokens/tokens.js'
import { promptAxis } from './labels.js'

export interface DlaOptions extends TokenOptions {
  /** The token whose logit is taken apart: one for all prompts, or one for each. */
  readonly answer: Answers
  /** Take the difference to this token's logit. @default none: the answer's logit, less its mean over the vocabulary where W_U is centred */
  readonly wrong?: Answers
  /** @default -1, the last real token */
  readonly position?: number
  /** How many latents of each SAE get a row of their own; the others are summed. @default 20 */
  readonly latents?: number
}

type AnswerPair = readonly [answer: readonly number[], wrong: readonly number[] | undefined]

/** Rows of the result: label and a number for each prompt. */
type Row = readonly [label: string, values: Float32Array]

/**
 * Parts of the logit (difference) at one position, in logits: axes [component, prompt]. Components: heads `L0H0` …,
 * `0_mlp_out` …, `embed`, `pos_embed`, latents `<hook> latent 7` …, `<hook> other latents`, `<hook> b_dec`,
 * `<hook> error`, `bias` (b_O and b_out), `b_U`. They sum to the logit (difference), which `extra.total` holds as the
 * model computed it; where logits are soft-capped, as it was before the cap. Scales of the final norm, and of norms
 * behind attention and MLPs, are taken as given, as TransformerLens's logit_attrs takes the final one's.
 * @throws MismatchError on a model whose final norm is not folded (foldLn: false)
 */
export async function directLogitAttribution(view: HookedModel, prompts: Input, options: DlaOptions): Promise<Result> {
  if (!view.processing.foldLn) {
    throw new MismatchError(
      `directLogitAttribution: ${view.name} was loaded with foldLn: false, so the final norm's weights would be left out. Load it with foldLn.`,
    )
  }
  const { latents = 20 } = options
  if (!Number.isInteger(latents) || latents < 0)
    throw new ArgumentError(`directLogitAttribution: latents is ${latents}. It must be a whole number, at least 0.`)
  const tokens = view.toTokens(prompts, options)
  const positions = metricPositions(tokens, options.position ?? -1, 'directLogitAttribution')
  const ids = [
    view.answerIds('directLogitAttribution', options.answer, tokens),
    options.wrong === undefined ? undefined : view.answerIds('directLogitAttribution', options.wrong, tokens),
  ] as const
  const names = view.hookPoints.filter((p) => needed.test(p.name) && !p.onRequest).map((p) => p.name)
  using cache = view.runWithCache(tokens, { names })
  const read = new Reader(view, cache, positions, ids)
  try {
    const rows = componentRows(view, read, latents)
    const total = read.total()
    return new Result({
      kind: 'direct logit attribution',
      title: options.wrong === undefined ? 'direct effect on the logit' : 'direct effect on the logit difference',
      unit: 'logits',
      values: Float32Array.from(rows.flatMap(([, values]) => [...values])),
      axes: [{ name: 'component', labels: rows.map(([label]) => label) }, promptAxis(view, tokens)],
      provenance: await view.provenance({ prependBos: options.prependBos ?? true }),
      notes: notesOf(view),
      extra: { total: [...total] },
    })
  } finally {
    read.dispose()
  }
}

/** What the numbers are not. */
function notesOf({ config, hookNames }: HookedModel): string[] {
  const { finalSoftCap: cap } = config
  const hasPostNorms = hookNames.some((name) => name.endsWith('.ln1_post.hook_scale'))
  return [
    ...(cap === undefined
      ? []
      : [`Logits are soft-capped at ${cap}: parts and total are those of the logit before its cap.`]),
    ...(hasPostNorms
      ? [
          'Heads pass one more norm: their parts hold for its scale in this run, which depends on all heads of the layer.',
        ]
      : []),
  ]
}

const needed =
  /^hook_(pos_)?embed$|attn\.hook_z$|hook_mlp_out$|hook_resid_(pre|mid|post)$|mlp\.hook_post$|^ln_final\.hook_scale$|^unembed\.hook_out$|ln[12]_post\.hook_scale$|hook_sae_(acts_post|error|output)$/

/** Walks the residual stream from its last SAE on (what an SAE of the stream reads is taken apart by its latents). */
function componentRows(view: HookedModel, read: Reader, latents: number): Row[] {
  const { nLayers, nHeads } = view.config
  const at = (hook: string) => view.saes.find((sae) => sae.hookName === hook)
  const start = lastStreamSae(view)
  const stream: Row[] = start ? read.sae(start.sae, undefined, latents) : embeddings(view, read, latents)
  const heads: Row[] = []
  const mlps: Row[] = []
  const split: Row[] = []
  const biases: string[] = []
  for (let l = 0; l < nLayers; l++) {
    const block = `blocks.${l}`
    if (!start || l >= start.attnFrom) {
      const [whole, inner] = [at(`${block}.hook_attn_out`), at(`${block}.attn.hook_z`)]
      if (whole) split.push(...read.sae(whole, undefined, latents))
      else {
        biases.push(`${block}.attn.b_O`)
        if (inner) split.push(...read.sae(inner, `${block}.attn.W_O`, latents))
        else for (let h = 0; h < nHeads; h++) heads.push([`L${l}H${h}`, read.head(l, h)])
      }
    }
    if (!start || l >= start.mlpFrom) {
      const [whole, inner] = [at(`${block}.hook_mlp_out`), at(`${block}.mlp.hook_post`)]
      if (inner && !whole) biases.push(`${block}.mlp.b_out`)
      if (whole ?? inner) split.push(...read.sae((whole ?? inner)!, whole ? undefined : `${block}.mlp.W_out`, latents))
      else mlps.push([`${l}_mlp_out`, read.vector(`${block}.hook_mlp_out`)])
    }
  }
  return [...heads, ...mlps, ...stream, ...split, ['bias', read.biases(biases)], ['b_U', read.unembedBias()]]
}

const embeddings = (view: HookedModel, read: Reader, latents: number): Row[] =>
  ['embed', 'pos_embed'].flatMap((name): Row[] => {
    if (!view.hookNames.includes(`hook_${name}`)) return []
    const sae = view.saes.find((s) => s.hookName === `hook_${name}`)
    return sae ? read.sae(sae, undefined, latents) : [[name, read.vector(`hook_${name}`)]]
  })

/** The last SAE on the residual stream itself, and the first layers whose attention and MLP write behind it. */
function lastStreamSae(view: HookedModel): { sae: Attachable; attnFrom: number; mlpFrom: number } | undefined {
  const order = { pre: 0, mid: 1, post: 2 }
  const found = view.saes.flatMap((sae) => {
    const [, layer, place] = /^blocks\.(\d+)\.hook_resid_(pre|mid|post)$/.exec(sae.hookName) ?? []
    return layer === undefined ? [] : [{ sae, layer: Number(layer), place: order[place as keyof typeof order] }]
  })
  const last = found.sort((a, b) => a.layer * 3 + a.place - b.layer * 3 - b.place).at(-1)
  return (
    last && {
      sae: last.sae,
      attnFrom: last.place > 0 ? last.layer + 1 : last.layer,
      mlpFrom: last.place > 1 ? last.layer + 1 : last.layer,
    }
  )
}

/** Reads parts out of the cache as numbers: the dot product with each prompt's logit direction. */
class Reader {
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
      const columns = this.#ofAnswers((list) =>
        tf.gather(view.weight('unembed.W_U'), tf.tensor1d([...list], 'int32'), 1).transpose(),
      )
      // centring the parts or the direction is the same in a dot product
      const centred = view.config.normalization === 'LN' ? columns.sub(columns.mean(-1, true)) : columns
      return centred.div<tf.Tensor2D>(this.#at('ln_final.hook_scale'))
    })
  }

  /** An activation [B,P,D] that was written to the residual stream. */
  vector(name: string): Float32Array {
    return this.#read(() => this.#at(name).mul(this.#direction).sum(-1))
  }

  /** z · W_O of one head. */
  head(layer: number, head: number): Float32Array {
    return this.#read(() => {
      const z = this.#at(`blocks.${layer}.attn.hook_z`).slice([0, head, 0], [-1, 1, -1]).squeeze<tf.Tensor2D>([1]) // [B,K]
      const W_O = this.#view
        .weight(`blocks.${layer}.attn.W_O`)
        .slice([head, 0, 0], [1, -1, -1])
        .squeeze<tf.Tensor2D>([0]) // [K,D]
      return tf
        .matMul(z, W_O)
        .mul(this.#inFrontOfNorm(`blocks.${layer}.ln1_post`))
        .sum(-1)
    })
  }

  /** An SAE's latents, bias and error. `through` is the matrix between its hook point and the residual stream. */
  sae(sae: Attachable, through: string | undefined, latents: number): Row[] {
    const hook = sae.hookName
    const acts = `${hook}.hook_sae_acts_post`
    const attributions = tf.tidy(() => {
      const { directions, bias } = sae.writes()
      const inward = this.#inward(through) // [B,d_in]
      const each = this.#at(acts).mul(tf.matMul(inward, directions, false, true)) // [B,S]
      return { each: each.arraySync() as number[][], bias: Float32Array.from(inward.mul(bias).sum(-1).dataSync()) }
    })
    const rows = latentRows(hook, attributions.each, latents)
    rows.push([`${hook} b_dec`, attributions.bias])
    const error = `${hook}.hook_sae_error`
    if (this.#cache.has(error))
      rows.push([
        `${hook} error`,
        this.#read(() => this.#at(error).reshape([this.#positions.length, -1]).mul(this.#inward(through)).sum(-1)),
      ])
    return rows
  }

  biases(names: readonly string[]): Float32Array {
    return this.#read(() => {
      const sum = names.reduce<tf.Tensor>(
        (total, name) => total.add(this.#view.weight(name)),
        tf.zeros([this.#view.config.dModel]),
      )
      return this.#direction.mul(sum).sum(-1)
    })
  }

  unembedBias(): Float32Array {
    return this.#read(() =>
      this.#ofAnswers((ids) => tf.gather(this.#view.weight('unembed.b_U'), tf.tensor1d([...ids], 'int32'))),
    )
  }

  /** The logit (difference) itself, before a soft-cap. */
  total(): Float32Array {
    return this.#read(() => {
      const logits = this.#at('unembed.hook_out')
      return this.#ofAnswers((ids) =>
        logits.mul(tf.oneHot(tf.tensor1d([...ids], 'int32'), this.#view.config.dVocab)).sum(-1),
      )
    })
  }

  /** The logit direction as seen from a point before the matrix `through`: [B,d_in]. */
  #inward(through: string | undefined): tf.Tensor2D {
    if (through === undefined) return this.#direction
    const W = this.#view.weight(through)
    const norm = through.replace(/attn\.W_O$/, 'ln1_post').replace(/mlp\.W_out$/, 'ln2_post')
    return tf.matMul(this.#inFrontOfNorm(norm), W.reshape<tf.Tensor2D>([-1, W.shape.at(-1)!]), false, true)
  }

  /** The logit direction in front of the RMSNorm behind attention or MLP, where there is one: [B,D]. */
  #inFrontOfNorm(norm: string): tf.Tensor2D {
    const scale = `${norm}.hook_scale`
    if (!this.#cache.has(scale)) return this.#direction
    return this.#direction.mul(this.#view.weight(`${norm}.w`)).div(this.#at(scale))
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
