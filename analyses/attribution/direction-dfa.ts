/**
 * What each component that an MLP reads puts into latents of an SAE of its neurons. C component · B prompt · P position ·
 * D d_model · M neurons · F latents
 */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError, MismatchError } from '../../lib/errors/errors.js'
import type { HookName } from '../../lib/core/hooks.js'
import { parseHook } from '../../lib/transformer/hook-names.js'
import { promptPositions } from '../../lib/core/positions.js'
import type { AttachedSae } from '../../lib/core/view.js'
import type { Sae } from '../../saes/index.js'
import type { HookedModel } from '../../lib/model.js'
import { tokenOptionsOf, type Prompts, type Tokens, type TokenOptions } from '../../lib/tokens/tokens.js'
import { Result } from '../../lib/report/result/result.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { promptAxis } from '../../lib/core/labels.js'

export interface DirectionDfaOptions extends TokenOptions {
  readonly latents: readonly number[]
  /** Where the latents are read. @default -1, the last real token */
  readonly position?: number
  /**
   * What components put into neurons that do not fire there: nothing, or what they do on average over the positions of
   * each of the `source` prompts, and over these. @default 'zero'
   */
  readonly inactive?: 'zero' | 'mean'
  /** Prompts for the mean. @default the prompts themselves */
  readonly source?: Prompts
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

/**
 * part_c · W_in, of the neurons that fire (the others as `inactive` says), · W_enc[:,latent]: axes
 * [component, latent, prompt]. Components are heads, MLPs, `embed`, `pos_embed` and `bias` (of heads and MLPs below), each through the norm
 * in front of the MLP with its scale taken as given. The neurons' nonlinearity is taken as 1 where they fire, so that
 * this ranks components; it is no decomposition of the activation.
 * @throws MismatchError for an SAE that is not of mlp.hook_post, a gated MLP or a model with foldLn: false
 */
export async function directionDfa(view: HookedModel, prompts: Prompts, options: DirectionDfaOptions): Promise<Result> {
  const { inactive = 'zero' } = options
  if (inactive !== 'zero' && inactive !== 'mean') {
    throw new ArgumentError(`directionDfa: inactive is '${String(inactive)}'. It must be 'zero' or 'mean'.`)
  }
  const attached = saeAt('directionDfa', view, options.hook)
  const layer = neuronLayer(view, attached)
  const latents = chosenLatents('directionDfa', attached.sae, options.latents)
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  const positions = promptPositions(tokens, options.position ?? -1, 'directionDfa')
  const means = inactive === 'mean' ? await componentNeurons(view, layer, options.source ?? tokens, options) : undefined
  const columns: Float32Array[] = []
  let labels: readonly string[] = []
  for (const [b, row] of realRows(tokens).entries()) {
    const position = positions[b]! - row.start
    using cache = view.runWithCache([row.ids], { names: readBefore(layer, attached), logits: false })
    const parts = cache.fullResidDecomposition({ layer, mlpInput: true, applyLn: true, expandNeurons: false, positions: position }) // prettier-ignore
    labels = parts.labels
    const scores = tf.tidy(() => {
      const post = cache.get(attached.readsAt).slice([0, position], [1, 1]).flatten() // [M]
      const neurons = tf.matMul<tf.Tensor2D>(parts.stack.squeeze([1]), view.copyWeight(`blocks.${layer}.mlp.W_in`)) // [C,M]
      const rest = means ? tf.tensor2d(means, neurons.shape) : tf.zerosLike(neurons)
      const read = tf.where(post.greater(0).expandDims(0).broadcastTo(neurons.shape), neurons, rest)
      return tf.matMul(read, tf.gather(attached.sae.W_enc, tf.tensor1d([...latents], 'int32'), 1)) // [C,F]
    })
    parts.stack.dispose()
    columns.push((await scores.data()) as Float32Array)
    scores.dispose()
  }
  const cells = labels.length * latents.length
  return new Result({
    kind: 'direction dfa',
    title: 'what components put into latents',
    unit: '',
    values: Float32Array.from(Array.from({ length: cells }, (_, i) => columns.map((column) => column[i]!)).flat()),
    axes: [
      { name: 'component', labels },
      { name: 'latent', labels: latents.map((latent) => `latent ${latent}`) },
      promptAxis(view, tokens),
    ],
    provenance: await view.provenance({ prependBos: options.prependBos ?? true }),
    extra: { inactive, position: options.position ?? -1 },
  })
}

/**
 * What each component of the residual stream puts into each neuron of a layer, part · W_in, on average over the
 * positions of a prompt and then over prompts: [C,M], row by row. Components as `directionDfa`'s.
 */
export async function componentNeurons(
  view: HookedModel,
  layer: number,
  prompts: Prompts,
  options: TokenOptions = {},
): Promise<Float32Array> {
  const rows = realRows(view.toTokens(prompts, tokenOptionsOf(options)))
  let sum: tf.Tensor | undefined
  try {
    for (const { ids } of rows) {
      using cache = view.runWithCache([ids], { names: readBefore(layer), logits: false })
      const parts = cache.fullResidDecomposition({ layer, mlpInput: true, applyLn: true, expandNeurons: false })
      const before = sum
      sum = tf.tidy(() => {
        const mean = parts.stack.squeeze<tf.Tensor3D>([1]).mean<tf.Tensor2D>(1) // [C,D]
        const neurons = tf.matMul<tf.Tensor2D>(mean, view.copyWeight(`blocks.${layer}.mlp.W_in`)).div(rows.length)
        return before ? before.add(neurons) : neurons
      })
      tf.dispose([parts.stack, ...(before ? [before] : [])])
    }
    return (await sum!.data()) as Float32Array
  } finally {
    sum?.dispose()
  }
}

/** Each prompt by itself, its padding left out: parts of one position of each cannot be cut out of a batch. */
function realRows({ rows, mask }: Tokens): { ids: number[]; start: number }[] {
  return rows.map((row, b) => ({
    ids: row.filter((_, p) => mask?.[b]?.[p] !== 0),
    start: mask ? mask[b]!.indexOf(1) : 0,
  }))
}

/** What the decomposition of the MLP's input needs. */
function readBefore(layer: number, attached?: AttachedSae<Sae>): (name: string) => boolean {
  const points = /^(hook_(pos_)?embed|attn\.hook_z|hook_mlp_out|ln[12]_post\.hook_scale)$/
  return (name) => {
    if (name === attached?.readsAt || name === `blocks.${layer}.ln2.hook_scale`) return true
    const { layer: l = -1, local, sae } = parseHook(name)
    return sae === undefined && points.test(local) && (l < layer || (l === layer && local !== 'hook_mlp_out'))
  }
}

/** @throws MismatchError when it is not an MLP's neurons that the SAE reads */
function neuronLayer(view: HookedModel, { sae, readsAt }: AttachedSae<Sae>): number {
  const { layer, local, sae: inner } = parseHook(readsAt)
  if (layer === undefined || local !== 'mlp.hook_post' || inner) {
    throw new MismatchError(`directionDfa: the SAE '${sae.label}' reads ${readsAt}. It takes an SAE of mlp.hook_post.`)
  }
  if (view.hookNames.includes(`blocks.${layer}.mlp.hook_pre_linear`)) {
    throw new MismatchError(
      `directionDfa: the MLP of ${view.name} is gated, so that its neurons are no image of what it reads by one matrix. Use a model without gates.`,
    )
  }
  return layer
}
