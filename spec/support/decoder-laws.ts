/** Laws that hold for every rotary decoder, as a suite for one family. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { HookedModel } from '../../lib/model.js'
import { Tokens } from '../../lib/tokens/tokens.js'
import { loadModel } from '../../models/load-model.js'
import { expectClose, tolerances } from './close.js'
import { plainDecoder, plainFrequencies, type PlainDecoder } from './plain-decoder.js'
import { reference } from './reference.js'
import { refusalOf } from './refusal.js'
import { slopeAtZero } from './slope.js'
import { tinyDecoder, tinyDecoderTensors, type Family, type TinyDecoderOptions } from './tiny-decoder.js'

const prompt = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]

/** The tiny decoder's sizes in the plain form. */
export const tinyPlain = {
  layers: 3,
  heads: 4,
  keyValueHeads: 2,
  headSize: 6,
  eps: 0.01,
  frequencies: plainFrequencies(6, 50),
}

/** Each case holds the model, with fields of its config changed, to the plain one, processed and not. */
export function formulaLaws(
  family: Family,
  cases: readonly (readonly [what: string, options: TinyDecoderOptions, plain: PlainDecoder])[],
): void {
  for (const [what, options, plain] of cases) {
    for (const process of [false, true]) {
      it(`computes what its formulas say ${what}, ${process ? '' : 'un'}processed`, async () => {
        const tensors = tinyDecoderTensors(family, options.seed)
        options.edit?.(tensors)
        const expected = plainDecoder(tensors, prompt, plain)
        using model = await tinyDecoder(family, { ...options, process })
        tf.tidy(() => {
          const logits = model.run(prompt)
          if (!process || plain.finalCap !== undefined) expectClose(logits, expected.flat(), tolerances.tiny)
          expectClose(tf.logSoftmax(logits), tf.logSoftmax(tf.tensor3d([expected])), tolerances.tiny)
        })
      })
    }
  }

  it('differs where the config does, so that the laws above say something', () => {
    const first = cases.map(([, options, plain]) => {
      const tensors = tinyDecoderTensors(family, options.seed)
      options.edit?.(tensors)
      return plainDecoder(tensors, prompt, plain).at(-1)!
    })
    for (const other of first.slice(1)) {
      const off = Math.max(...other.map((x, i) => Math.abs(x - first[0]![i]!)))
      expect(off).to.be.greaterThan(50 * tolerances.tiny)
    }
  })
}

/** What holds whatever the weights are. */
export function decoderLaws(family: Family): void {
  it('gives the recorded logits, processed and not', async () => {
    const record = await reference(`models/${family}`)
    const atol = (name: string) => (record.json['tensors'] as Record<string, { atol: number }>)[name]!.atol
    const batch = record.json['batch_tokens'] as number[][]
    using raw = await loadModel(record.folder, { process: false })
    using processed = await loadModel(record.folder)
    tf.tidy(() => {
      expectClose(raw.run(batch), record.values('hf/logits'), atol('hf/logits'))
      expectClose(processed.run(batch), record.values('tl/logits'), atol('tl/logits'))
    })
  })

  it('computes the same when hook_result and the split inputs are asked for', async () => {
    using model = await tinyDecoder(family)
    using ungrouped = await tinyDecoder(family, { ungroupGroupedQueryAttention: true })
    tf.tidy(() => {
      const plain = model.run(prompt)
      for (const [view, onRequest] of [
        [model, /hook_(q|k|v)_input$|hook_result$|hook_mlp_in$/],
        [ungrouped, /hook_(attn_in|q_input|k_input|v_input|result|mlp_in)$/],
      ] as const) {
        const names = view.hookPoints.filter((p) => p.onRequest).map((p) => p.name)
        expect(names.every((name) => onRequest.test(name))).to.equal(true)
        using cache = view.runWithCache(prompt, { names })
        expect(cache.names).to.deep.equal(names)
        expectClose(cache.logits, plain, tolerances.tiny)
      }
    })
  })

  it('changes one head alone through its own input, and all heads of a group through the shared one', async () => {
    using model = await tinyDecoder(family)
    const z = (name: string, head: number) => {
      const zeroed = model.withHooks({ [`blocks.1.${name}`]: (x: tf.Tensor4D) => zeroHead(x, head) })
      using cache = zeroed.runWithCache(prompt, { names: 'blocks.1.attn.hook_z' })
      using clean = model.runWithCache(prompt, { names: 'blocks.1.attn.hook_z' })
      const off = tf.tidy(() => cache.get('z', 1).sub(clean.get('z', 1)).abs().max([0, 1, 3]))
      const changed = Array.from(off.dataSync(), (x) => x > 1e-3)
      off.dispose()
      return changed
    }
    expect(z('hook_q_input', 2)).to.deep.equal([false, false, true, false])
    expect(z('hook_v_input', 1)).to.deep.equal([false, false, true, true])
  })

  it('has no input of all heads where keys are shared, and one where each head has its own', async () => {
    using model = await tinyDecoder(family)
    using ungrouped = await tinyDecoder(family, { ungroupGroupedQueryAttention: true })
    expect(await refusalOf(() => model.runWithCache(prompt, { names: 'blocks.0.hook_attn_in' }))).to.match(
      /^HookError: runWithCache: no hook point 'blocks\.0\.hook_attn_in'/,
    )
    using cache = ungrouped.runWithCache(prompt, { names: /blocks\.0\.(hook_attn_in|attn\.hook_k)$/ })
    expect(cache.get('blocks.0.hook_attn_in').shape).to.deep.equal([1, 10, 4, 14])
    expect(cache.get('k', 0).shape).to.deep.equal([1, 10, 4, 6])
  })

  it('ungrouped repeats keys and values, and has the weights of TransformerLens either way', async () => {
    using model = await tinyDecoder(family)
    using ungrouped = await tinyDecoder(family, { ungroupGroupedQueryAttention: true })
    tf.tidy(() => {
      expectClose(ungrouped.run(prompt), model.run(prompt), tolerances.tiny)
      for (const name of ['W_Q', 'W_K', 'W_V', 'W_O', 'b_Q', 'b_K', 'b_V', 'b_O'])
        expectClose(ungrouped.copyWeight(`blocks.1.attn.${name}`), model.copyWeight(`blocks.1.attn.${name}`), 0, name)
      expect(model.copyWeight('blocks.1.attn._W_K').shape).to.deep.equal([2, 14, 6])
      expect(ungrouped.copyWeight('blocks.1.attn._W_K').shape).to.deep.equal([4, 14, 6])
      expect(model.copyWeight('blocks.1.mlp.b_in').shape).to.deep.equal([20])
    })
  })

  it('gives a padded prompt what it gives the prompt alone, on either side', async () => {
    using model = await tinyDecoder(family)
    const rows = [prompt, prompt.slice(0, 6)]
    const mask = (side: 'left' | 'right') =>
      rows.map((row) => (side === 'left' ? [...zeros(row), ...ones(row)] : [...ones(row), ...zeros(row)]))
    const padded = (side: 'left' | 'right') =>
      rows.map((row) => (side === 'left' ? [...zeros(row), ...row] : [...row, ...zeros(row)]))
    tf.tidy(() => {
      const alone = model.run(rows[1]!)
      for (const side of ['left', 'right'] as const) {
        const logits = model.run(new Tokens(padded(side), mask(side), side))
        expectClose(logits.slice([1, side === 'left' ? 4 : 0, 0], [1, 6, -1]), alone, tolerances.tiny, side)
        expect(Array.from(logits.dataSync()).every(Number.isFinite)).to.equal(true)
      }
    })
  })

  it('goes on from a block’s input as it did', async () => {
    using model = await tinyDecoder(family)
    using cache = model.runWithCache(prompt)
    tf.tidy(() => {
      const resid = cache.get<tf.Tensor3D>('resid_pre', 2)
      expectClose(model.run(prompt, { from: { layer: 2, resid } }), cache.logits, tolerances.tiny)
      expectClose(model.stopAt(2).run(prompt), resid, 0)
    })
  })

  for (const name of ['hook_embed', 'blocks.1.attn.hook_k', 'blocks.1.attn.hook_rot_q', 'blocks.1.mlp.hook_pre']) {
    it(`has the gradient at ${name} that small steps show`, async () => {
      using model = await tinyDecoder(family)
      using run = model.runWithGradients(prompt, { metric: (logits) => metricOf(logits), names: name })
      const [along, gradient] = [directionOf(run.cache.get(name)), run.gradients.get(name)]
      const expected = slopeAtZero((t) => {
        const view = model.withHooks({ [name]: (x: tf.Tensor) => x.add(along.mul(t)) })
        return tf.tidy(() => metricOf(view.run(prompt)).dataSync()[0]!)
      }, 0.02)
      const actual = tf.tidy(() => gradient.mul(along).sum().dataSync()[0]!)
      along.dispose()
      expect(Math.abs(expected)).to.be.greaterThan(20 * tolerances.derivative.atol)
      expectClose([actual], [expected], tolerances.derivative)
      model.weights.dispose() // with the transposes that the backward pass kept
    })
  }

  it('refuses the gradient of a norm that sees several numbers of heads', async () => {
    using model = await tinyDecoder(family)
    const names = ['blocks.0.hook_q_input', 'blocks.0.ln1.hook_normalized']
    const run = () => model.runWithGradients(prompt, { metric: (logits) => metricOf(logits), names })
    expect(await refusalOf(run)).to.match(
      /^HookError: runWithGradients: 'blocks\.0\.ln1\.hook_normalized' sees \[1,10,4,14\] and \[1,10,2,14\] in one run/,
    )
  })

  it('is taken apart into heads, MLPs or neurons that sum to the residual stream', async () => {
    using model = await tinyDecoder(family)
    using cache = model.runWithCache(prompt)
    tf.tidy(() => {
      const final = cache.get('resid_post', -1)
      for (const expandNeurons of [false, true]) {
        const { stack } = cache.fullResidDecomposition({ expandNeurons })
        expectClose(stack.sum(0), final, tolerances.tiny)
      }
      const sum = attributionSum(model, cache.fullResidDecomposition({ expandNeurons: false, positions: -1 }).stack)
      const before = cache.get('unembed.hook_out').slice([0, 9, 7], [1, 1, 1])
      expectClose(sum(cache), before.flatten(), tolerances.tiny)
    })
  })
}

function attributionSum(model: HookedModel, stack: tf.Tensor) {
  return (cache: ReturnType<HookedModel['runWithCache']>): tf.Tensor =>
    cache
      .logitAttrs(stack, 7, { positions: -1 })
      .sum(0)
      .add(model.copyWeight('unembed.b_U').slice([7], [1]))
}

/** A smooth number of the last position's logits. */
function metricOf(logits: tf.Tensor3D): tf.Scalar {
  return tf.tidy(() => {
    const [, positions, vocab] = logits.shape
    const weights = tf.linspace(-1, 1, vocab)
    return logits
      .slice([0, positions - 1, 0], [1, 1, vocab])
      .flatten()
      .mul(weights)
      .sum<tf.Scalar>()
  })
}

/** Numbers between −0.5 and 0.5, no two neighbours alike. */
function directionOf(x: tf.Tensor): tf.Tensor {
  return tf.tensor(
    Float32Array.from({ length: x.size }, (_, i) => ((i * 37) % 101) / 100 - 0.5),
    x.shape,
  )
}

function zeroHead(x: tf.Tensor4D, head: number): tf.Tensor4D {
  const keep = Array.from({ length: x.shape[2] }, (_, h) => (h === head ? 0 : 1))
  return x.mul(tf.tensor4d(keep, [1, 1, x.shape[2], 1]))
}

const zeros = (row: readonly number[]): number[] => new Array<number>(prompt.length - row.length).fill(0)
const ones = (row: readonly number[]): number[] => row.map(() => 1)
