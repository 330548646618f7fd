/** ActivationCache: the activations of one run, by hook name, and the residual stream in parts. It owns its tensors. */
import * as tf from '@tensorflow/tfjs'
import { Activations, type ActivationsInit } from '../core/activations.js'
import { headResults } from './decompose-parts.js'
import * as decompose from './decompose.js'

/** The activations of one run, with what each layer, head, neuron and bias wrote: see residual/decompose.ts. */
export class ActivationCache extends Activations {
  readonly #model: decompose.DecomposedModel

  /** Takes ownership of the tensors. */
  constructor(model: decompose.DecomposedModel, init: Omit<ActivationsInit, 'nLayers'>) {
    super({ ...init, nLayers: model.config.nLayers })
    this.#model = model
  }

  /** The residual stream before each layer and after the last. */
  accumulatedResid(options?: Parameters<typeof decompose.accumulatedResid>[2]): decompose.Parts {
    return decompose.accumulatedResid(this.#model, this, options)
  }
  /** What each layer wrote to the residual stream. */
  decomposeResid(options?: Parameters<typeof decompose.decomposeResid>[2]): decompose.Parts {
    return decompose.decomposeResid(this.#model, this, options)
  }
  /** What each head wrote. */
  stackHeadResults(options?: Parameters<typeof decompose.stackHeadResults>[2]): decompose.Parts {
    return decompose.stackHeadResults(this.#model, this, options)
  }
  /** What each neuron wrote. */
  stackNeuronResults(options?: decompose.InnerPartsOptions): decompose.Parts {
    return decompose.stackNeuronResults(this.#model, this, options)
  }
  /** Heads, neurons or MLPs, embeddings and biases: the parts sum to the residual stream. */
  fullResidDecomposition(options?: Parameters<typeof decompose.fullResidDecomposition>[2]): decompose.Parts {
    return decompose.fullResidDecomposition(this.#model, this, options)
  }
  /** Parts [C,B,P,D] as the norm behind them sees them. */
  applyLnToStack(stack: tf.Tensor, options?: decompose.PartsOptions): tf.Tensor {
    return decompose.applyLnToStack(this.#model, this, stack, options)
  }
  /** One activation of all layers below `layer` (−1: of all), [L,…] as `get`. The caller owns it. */
  stackActivation(name: string, layer = -1, part?: string): tf.Tensor {
    const { nLayers } = this.#model.config
    const layers = Array.from({ length: layer < 0 ? nLayers + 1 + layer : layer }, (_, l) => l)
    return tf.stack(layers.map((l) => this.get(name, l, part)))
  }
  /** Adds each layer's `attn.hook_result` [B,P,H,D], z · W_O of each head, where the run did not keep it. */
  computeHeadResults(): void {
    for (const [name, result] of headResults(this.#model, this)) this.add(name, result)
  }
  /** What each part adds to tokens' logits, [C,B,P]. */
  logitAttrs(
    stack: tf.Tensor,
    tokens: number | readonly number[],
    options?: Parameters<typeof decompose.logitAttrs>[4],
  ): tf.Tensor {
    return decompose.logitAttrs(this.#model, this, stack, tokens, options)
  }
}
