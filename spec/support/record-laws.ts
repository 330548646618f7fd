/** What holds for every model of spec/reference/models, as a suite for one. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { Architecture } from '../../lib/transformer/architecture.js'
import { silent } from '../../lib/core/hooks.js'
import { forward } from '../../lib/transformer/forward.js'
import { KeyValueCache } from '../../lib/transformer/kv-cache.js'
import type { HookedModel } from '../../lib/model.js'
import { Tokens } from '../../lib/tokens/tokens.js'
import { loadModel } from '../../models/load-model.js'
import { expectClose, tolerances } from './close.js'
import { recordFolder } from './record-model.js'
import { reference, type Reference } from './reference.js'
import { refusalOf } from './refusal.js'
import { slopeAtZero } from './slope.js'

export interface RecordLaws {
  readonly architecture: Architecture
  /** Points of a block that the model lacks and others have. */
  readonly lacks: readonly string[]
  /** Points at which gradients are held to small steps. */
  readonly slopes: readonly string[]
}

export function recordLaws(name: string, { architecture, lacks, slopes }: RecordLaws): void {
  let record: Reference
  let model: HookedModel
  let batch: number[][]
  /** What the record asks of logits: float32 against float32, with room for the order of sums. */
  let atol: number
  before(async () => {
    record = await reference(`models/${name}`)
    batch = record.json['batch_tokens'] as number[][]
    atol = atolOf(record, 'tl/logits')
    model = await loadModel(recordFolder(name))
  })
  after(() => model.dispose())

  it('gives the recorded logits, processed and not', async () => {
    const truth = 'hf/logits' in (record.json['tensors'] as object) ? 'hf/logits' : 'tl_raw/logits'
    using raw = await loadModel(record.folder, { process: false })
    tf.tidy(() => {
      expectClose(raw.run(batch), record.values(truth), atolOf(record, truth))
      expectClose(model.run(batch), record.values('tl/logits'), atol)
    })
  })

  it('has the hook points of TransformerLens in firing order', () => {
    const usual = model.hookPoints.filter((p) => !p.onRequest).map((p) => p.name)
    expect(usual).to.deep.equal([...(record.json['hook_names'] as string[]), 'unembed.hook_in', 'unembed.hook_out'])
    using cache = model.runWithCache(batch, { names: () => true })
    expect(cache.names).to.deep.equal(model.hookNames)
  })

  it('computes the same to the last digit, whichever points are watched, padded or not', () => {
    const usual = model.hookPoints.filter((p) => !p.onRequest).map((p) => p.name)
    const kinds = [...new Set(usual.map((name) => name.replace(/^blocks\.\d+\./, '')))]
    const mask = batch.map((row, b) => row.map((_, i) => (b === 0 && i === 0 ? 0 : 1)))
    for (const input of [batch, new Tokens(batch, mask, 'left')]) {
      const plain = Array.from(tf.tidy(() => model.run(input).dataSync()))
      for (const kind of [...kinds, '']) {
        using cache = model.runWithCache(input, { names: usual.filter((name) => name.endsWith(kind)) })
        expect(Array.from(cache.logits.dataSync()), kind).to.deep.equal(plain)
      }
    }
  })

  it('computes the same when every point on request is asked for, each alone and all together', () => {
    const onRequest = model.hookPoints.filter((p) => p.onRequest).map((p) => p.name)
    const kinds = [...new Set(onRequest.map((n) => n.replace(/^blocks\.\d+\./, '')))]
    expect(kinds).to.include.members(['hook_attn_in', 'hook_q_input', 'attn.hook_result'])
    tf.tidy(() => {
      const plain = model.run(batch)
      for (const names of [...kinds.map((kind) => onRequest.filter((n) => n.endsWith(kind))), onRequest]) {
        using cache = model.runWithCache(batch, { names })
        expect(cache.names).to.deep.equal(names)
        expectClose(cache.logits, plain, atol, names[0])
      }
    })
  })

  it('changes one head alone through its own input', () => {
    const clean = tf.tidy(() => zOf(model, batch))
    for (const input of ['hook_q_input', 'hook_k_input', 'hook_v_input']) {
      const view = model.withHooks({ [`blocks.0.${input}`]: (x: tf.Tensor4D) => x.mul(onlyHead(x.shape[2], 1)) })
      const off = tf.tidy(() => zOf(view, batch).sub(clean).abs().max([0, 1, 3]))
      expect(Array.from(off.dataSync(), (x) => x > 1e-3)).to.deep.equal(
        Array.from({ length: off.size }, (_, h) => h === 1),
      )
      off.dispose()
    }
    clean.dispose()
  })

  for (const point of lacks) {
    it(`says that it has no ${point}`, async () => {
      const said = await refusalOf(() => model.runWithCache(batch, { names: `blocks.0.${point}` }))
      expect(said).to.match(/^HookError: runWithCache: no hook point 'blocks\.0\./)
    })
  }

  it('gives a padded prompt what it gives the prompt alone, on either side', () => {
    const [row, short] = [batch[0]!, batch[1]!.slice(0, 7)]
    const width = row.length - short.length
    const [ids, real] = [new Array<number>(width).fill(2), new Array<number>(width).fill(0)]
    const ones = (of: readonly number[]) => of.map(() => 1)
    tf.tidy(() => {
      const alone = model.run([short])
      const left = new Tokens([row, [...ids, ...short]], [ones(row), [...real, ...ones(short)]], 'left')
      const right = new Tokens([row, [...short, ...ids]], [ones(row), [...ones(short), ...real]], 'right')
      for (const [tokens, begin] of [
        [left, width],
        [right, 0],
      ] as const) {
        const logits = model.run(tokens)
        expectClose(logits.slice([1, begin, 0], [1, short.length, -1]), alone, atol)
        expectClose(logits.slice([0, 0, 0], [1, -1, -1]), model.run([row]), atol)
        expect(Array.from(logits.dataSync()).every(Number.isFinite)).to.equal(true)
      }
    })
  })

  it('goes on from a block’s input, and from earlier positions, as it did', () => {
    using cache = model.runWithCache(batch)
    const last = model.config.nLayers - 1
    tf.tidy(() => {
      const resid = cache.get<tf.Tensor3D>('resid_pre', last)
      expectClose(model.run(batch, { from: { layer: last, resid } }), cache.logits, atol)
      expectClose(model.stopAt(last).run(batch), resid, 0)
    })
    const past = new KeyValueCache()
    for (const [begin, end] of [
      [0, 5],
      [5, 6],
      [6, batch[0]!.length],
    ] as const) {
      const tokens = new Tokens(batch.map((row) => row.slice(begin, end)))
      const logits = tf.tidy(() =>
        forward(
          { architecture, config: model.config, weights: model.weights },
          { tokens: tokens.tensor(), past },
          silent,
        ),
      )
      past.advance(end - begin)
      tf.tidy(() =>
        expectClose(logits, cache.logits.slice([0, begin, 0], [-1, end - begin, -1]), atol, `from ${begin}`),
      )
      logits.dispose()
    }
    past.dispose()
  })

  for (const point of slopes) {
    it(`has the gradient at ${point} that small steps show`, async () => {
      using own = await loadModel(record.folder) // with it go the transposes that the backward pass keeps
      const prompt = batch[0]!.slice(0, 8)
      using run = own.runWithGradients(prompt, { metric: (logits) => metricOf(logits), names: point })
      const [along, gradient] = [directionOf(run.cache.get(point)), run.gradients.get(point)]
      const expected = slopeAtZero((t) => {
        const view = own.withHooks({ [point]: (x: tf.Tensor) => x.add(along.mul(t)) })
        return tf.tidy(() => metricOf(view.run(prompt)).dataSync()[0]!)
      }, 0.02)
      const actual = tf.tidy(() => gradient.mul(along).sum().dataSync()[0]!)
      along.dispose()
      expect(Math.abs(expected)).to.be.greaterThan(20 * tolerances.derivative.atol)
      expectClose([actual], [expected], tolerances.derivative)
    })
  }

  it('is taken apart into parts that sum to the residual stream and to the logits', () => {
    using cache = model.runWithCache(batch)
    const hasMlp = model.hookNames.includes('blocks.0.hook_mlp_out')
    const mid = model.hookNames.includes('blocks.0.hook_resid_mid')
    const targets: [object, tf.Tensor][] = [
      [{}, cache.get('resid_post', -1)],
      [{ layer: 0 }, cache.get('resid_pre', 0)],
    ]
    if (hasMlp) targets.push([{ layer: 0, mlpInput: true }, cache.get(mid ? 'resid_mid' : 'resid_pre', 0)])
    tf.tidy(() => {
      for (const [options, whole] of targets) {
        expectClose(cache.decomposeResid(options).stack.sum(0), whole, atol, 'layers')
        for (const expandNeurons of [false, true])
          expectClose(cache.fullResidDecomposition({ ...options, expandNeurons }).stack.sum(0), whole, atol, 'parts')
        const { stack, labels } = cache.accumulatedResid(options)
        expectClose(stack.gather(labels.length - 1), whole, 0, 'accumulated')
      }
      const { stack } = cache.fullResidDecomposition({ expandNeurons: false })
      const [token, vocab] = [7, model.config.dVocab]
      const logit = cache
        .logitAttrs(stack, token)
        .sum(0)
        .add(model.copyWeight('unembed.b_U').slice([token], [1]))
      expect(vocab).to.be.greaterThan(token)
      expectClose(logit, cache.logits.slice([0, 0, token], [-1, -1, 1]).squeeze([2]), atol, 'logits')
    })
  })
}

export function atolOf(record: Reference, tensor: string): number {
  return (record.json['tensors'] as Record<string, { atol: number }>)[tensor]!.atol
}

function zOf(model: HookedModel, batch: number[][]): tf.Tensor {
  using cache = model.runWithCache(batch, { names: 'blocks.0.attn.hook_z' })
  return cache.get('z', 0).clone()
}

/** 0 for one head, 1 for the others. */
function onlyHead(heads: number, head: number): tf.Tensor4D {
  const keep = Array.from({ length: heads }, (_, h) => (h === head ? 0 : 1))
  return tf.tensor4d(keep, [1, 1, heads, 1])
}

/** A smooth number of the last position's first logits. */
function metricOf(logits: tf.Tensor3D): tf.Scalar {
  const [few, last] = [20, logits.shape[1] - 1]
  return tf.tidy(() =>
    logits
      .slice([0, last, 0], [1, 1, few])
      .flatten()
      .mul(tf.linspace(-1, 1, few))
      .sum<tf.Scalar>(),
  )
}

/** Numbers between −0.5 and 0.5, no two neighbours alike. */
function directionOf(x: tf.Tensor): tf.Tensor {
  return tf.tensor(
    Float32Array.from({ length: x.size }, (_, i) => ((i * 37) % 101) / 100 - 0.5),
    x.shape,
  )
}
