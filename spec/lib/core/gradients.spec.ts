/** Gradients at hook points against differences of the metric, laws of metrics, recorded numbers, and memory. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { HookedModel } from '../../../lib/model.js'
import { logitDiff, logProb } from '../../../lib/core/metrics.js'
import { loadModel } from '../../../models/load-model.js'
import { expectClose, tolerances } from '../../support/close.js'
import { pocket } from '../../support/pocket.js'
import { reference } from '../../support/reference.js'
import { refusalOf } from '../../support/refusal.js'
import { dotProduct, normalTensor, slopeAtZero } from '../../support/slope.js'
import { warmTinyModel } from '../../support/tiny-gpt2.js'

const prompts = [
  [3, 1, 4, 1, 5, 9],
  [22, 0, 7, 7, 18, 2],
]
const metric = logitDiff([7, 3], [11, 20])

describe('lib/core/gradients', () => {
  let tiny: HookedModel
  let model: HookedModel
  before(async () => {
    tiny = await warmTinyModel()
    model = await pocket()
  })
  after(() => tiny.dispose())

  /** The sum of the metric over the prompts when `direction` · t is added at a point. */
  function along(name: string, direction: tf.Tensor, input = prompts): (t: number) => number {
    const bound = tiny.bindMetric(metric, tiny.toTokens(input, { paddingSide: 'left' }))
    return (t) =>
      tf.tidy(() => {
        const view = tiny.withHooks({ [name]: (x: tf.Tensor) => x.add(direction.mul(t)) })
        return bound(view.run(input, { paddingSide: 'left' }))
          .sum()
          .dataSync()[0]!
      })
  }

  const points = [
    'hook_embed',
    'hook_pos_embed',
    'blocks.0.hook_resid_pre',
    'blocks.1.hook_resid_mid',
    'blocks.1.hook_resid_post',
    'blocks.0.ln1.hook_scale',
    'blocks.0.ln1.hook_normalized',
    'blocks.0.attn.hook_q',
    'blocks.0.attn.hook_k',
    'blocks.0.attn.hook_v',
    'blocks.0.attn.hook_pattern',
    'blocks.0.attn.hook_z',
    'blocks.1.attn.hook_z',
    'blocks.0.hook_attn_out',
    'blocks.0.mlp.hook_pre',
    'blocks.0.mlp.hook_post',
    'blocks.1.mlp.hook_post',
    'blocks.0.hook_mlp_out',
    'ln_final.hook_scale',
    'unembed.hook_in',
    'blocks.0.hook_attn_in',
    'blocks.1.hook_q_input',
    'blocks.1.hook_k_input',
    'blocks.1.hook_v_input',
    'blocks.0.attn.hook_result',
    'blocks.1.hook_mlp_in',
  ]
  for (const name of points) {
    it(`at ${name} are the slopes of the metric in any direction`, () => {
      using run = tiny.runWithGradients(prompts, { names: name, metric })
      const gradient = run.gradients.get(name)
      expect(gradient.shape).to.deep.equal(run.cache.get(name).shape)
      for (const seed of [1, 2, 3]) {
        tf.tidy(() => {
          const direction = normalTensor(gradient.shape, seed).mul(0.3)
          const slope = slopeAtZero(along(name, direction), 0.02)
          expectClose([dotProduct(gradient, direction)], [slope], tolerances.derivative, `direction ${seed}`)
        })
      }
    })
  }

  it('at a point that fires three times, for queries, keys and values, are summed', () => {
    const name = 'blocks.1.ln1.hook_normalized'
    const split = tiny.withHooks({ 'blocks.1.hook_q_input': () => {} })
    using run = split.runWithGradients(prompts, { names: name, metric })
    const gradient = run.gradients.get(name)
    expect(gradient.shape).to.deep.equal([2, 6, 3, 12])
    tf.tidy(() => {
      const direction = normalTensor(gradient.shape, 1).mul(0.3)
      const bound = tiny.bindMetric(metric, run.cache.tokens)
      const slope = slopeAtZero((t) => {
        const view = split.withHooks({ [name]: (x: tf.Tensor) => x.add(direction.mul(t)) })
        return bound(view.run(prompts)).sum().dataSync()[0]!
      }, 0.02)
      expectClose([dotProduct(gradient, direction)], [slope], tolerances.derivative)
    })
  })

  it('at single entries of the embedding are their slopes, entry by entry', () => {
    using run = tiny.runWithGradients(prompts, { names: 'hook_embed', metric })
    const gradient = run.gradients.get('hook_embed').dataSync()
    for (const entry of [0, 17, 40, 71, 72, 143]) {
      tf.tidy(() => {
        const direction = tf.oneHot([entry], 144).reshape([2, 6, 12])
        const slope = slopeAtZero(along('hook_embed', direction), 0.02)
        expectClose([gradient[entry]!], [slope], tolerances.derivative, `entry ${entry}`)
      })
    }
  })

  it('of padded prompts are slopes too, finite everywhere and zero at padding', () => {
    const input = [prompts[0]!, prompts[1]!.slice(0, 3)]
    const names = ['hook_embed', 'blocks.0.attn.hook_attn_scores', 'blocks.0.attn.hook_z']
    using run = tiny.runWithGradients(input, { names, metric, paddingSide: 'left' })
    tf.tidy(() => {
      for (const [name, gradient] of run.gradients.entries()) {
        expect(gradient.isFinite().all().dataSync()[0], name).to.equal(1)
      }
      const embed = run.gradients.get('hook_embed')
      expectClose(embed.slice([1, 0, 0], [1, 3, 12]), new Float32Array(36), 0)
      const direction = normalTensor([2, 6, 12], 1).mul(0.3)
      expectClose(
        [dotProduct(embed, direction)],
        [slopeAtZero(along('hook_embed', direction, input), 0.02)],
        tolerances.derivative,
      )
    })
  })

  it('of a metric with one number a prompt are each prompt’s own', () => {
    const names = ['blocks.0.hook_resid_pre', 'blocks.1.attn.hook_z']
    using together = tiny.runWithGradients(prompts, { names, metric })
    expect(together.value.shape).to.deep.equal([2])
    prompts.forEach((row, b) => {
      using alone = tiny.runWithGradients(row, { names, metric: logitDiff([7, 3][b]!, [11, 20][b]!) })
      tf.tidy(() => {
        expectClose(together.value.slice([b], [1]), alone.value, tolerances.tiny, 'value')
        for (const name of names) {
          expectClose(together.gradients.get(name).slice([b], [1]), alone.gradients.get(name), tolerances.tiny, name)
        }
      })
    })
  })

  it('of a scalar metric follow the sum rule', () => {
    const names = ['hook_embed', 'blocks.1.mlp.hook_post']
    const bound = tiny.bindMetric(metric, tiny.toTokens(prompts))
    using each = tiny.runWithGradients(prompts, { names, metric })
    using mean = tiny.runWithGradients(prompts, { names, metric: (logits) => bound(logits).mean() })
    expect(mean.value.shape).to.deep.equal([])
    tf.tidy(() => {
      expectClose([mean.value.dataSync()[0]!], each.value.mean(), tolerances.tiny)
      for (const name of names) expectClose(mean.gradients.get(name), each.gradients.get(name).div(2), tolerances.tiny)
    })
  })

  it('are taken where they are asked for, in firing order, whatever else is asked for', () => {
    using all = tiny.runWithGradients(prompts, { metric })
    expect(all.gradients.names).to.deep.equal(all.cache.names)
    expect(all.gradients.names).to.deep.equal(tiny.hookPoints.filter((p) => !p.onRequest).map((p) => p.name))
    using one = tiny.runWithGradients(prompts, { metric, names: ['blocks.1.hook_resid_pre', 'hook_embed'] })
    expect(one.gradients.names).to.deep.equal(['hook_embed', 'blocks.1.hook_resid_pre'])
    for (const [name, gradient] of one.gradients.entries()) {
      expectClose(gradient, all.gradients.get(name), tolerances.tiny, name)
    }
  })

  it('run each block once, and keep nothing of those before the first point', () => {
    const seen: string[] = []
    const taped: number[] = []
    const view = tiny.withHooks([
      [/hook_(embed|resid_(pre|post)|normalized)$/, (_, { name }) => void seen.push(name)],
      ['blocks.0.hook_mlp_out', () => void taped.push(tf.engine().state.gradientDepth)],
    ])
    using run = view.runWithGradients(prompts, { metric, names: 'blocks.1.hook_resid_mid' })
    const norms = ['blocks.0.ln1', 'blocks.0.ln2', 'blocks.1.ln1', 'blocks.1.ln2', 'ln_final']
    expect(seen.filter((name) => name.endsWith('hook_normalized'))).to.deep.equal(
      norms.map((n) => `${n}.hook_normalized`),
    )
    expect(seen.filter((name) => !name.endsWith('hook_normalized'))).to.deep.equal([
      'hook_embed',
      ...[0, 1].flatMap((l) => [`blocks.${l}.hook_resid_pre`, `blocks.${l}.hook_resid_post`]),
    ])
    expect(taped).to.deep.equal([0])
    expect(run.gradients.names).to.deep.equal(['blocks.1.hook_resid_mid'])
  })

  it('come with the activations and the metric of the plain run', () => {
    using run = tiny.runWithGradients(prompts, { metric })
    using cache = tiny.runWithCache(prompts)
    for (const [name, x] of cache.entries()) expect(run.cache.get(name).dataSync(), name).to.deep.equal(x.dataSync())
    tf.tidy(() => {
      const bound = tiny.bindMetric(metric, cache.tokens)
      expect(run.value.dataSync()).to.deep.equal(bound(cache.logits).dataSync())
    })
  })

  it('see what hooks replace, and end where a hook puts in a constant', () => {
    const constant = tiny.withHooks({ 'blocks.1.hook_resid_pre': (x: tf.Tensor) => tf.onesLike(x) })
    using cut = constant.runWithGradients(prompts, { metric, names: /hook_resid_pre$|hook_resid_post$/ })
    const largest = (name: string) => tf.tidy(() => cut.gradients.get(name).abs().max().dataSync()[0]!)
    expect(['blocks.0.hook_resid_pre', 'blocks.0.hook_resid_post'].map(largest)).to.deep.equal([0, 0])
    expect(largest('blocks.1.hook_resid_pre')).to.be.greaterThan(0.01) // the point shows the constant and its gradient
    const doubled = tiny.withHooks({ 'blocks.1.hook_mlp_out': (x: tf.Tensor) => x.mul(2) })
    using run = doubled.runWithGradients(prompts, {
      metric,
      names: ['blocks.1.hook_mlp_out', 'blocks.1.mlp.hook_post'],
    })
    tf.tidy(() => {
      const W = tiny.copyWeight<tf.Tensor2D>('blocks.1.mlp.W_out')
      const gradient = run.gradients.get<tf.Tensor3D>('mlp_out', 1).reshape<tf.Tensor2D>([12, 12])
      expectClose(run.gradients.get('post', 1), tf.matMul(gradient, W, false, true).mul(2), tolerances.tiny)
    })
  })

  it('are zero at points that the metric does not depend on', () => {
    const first = (logits: tf.Tensor3D) => logits.slice([0, 0, 0], [1, 2, 23]).square().sum() // prompt 0, positions 0 and 1
    using run = tiny.runWithGradients(prompts, { metric: first, names: /hook_resid_pre$/ })
    for (const [name, gradient] of run.gradients.entries()) {
      tf.tidy(() => {
        expectClose(gradient.slice([1]), new Float32Array(72), 0, name)
        expectClose(gradient.slice([0, 2], [1, -1]), new Float32Array(48), 0, name)
        expect(gradient.abs().max().dataSync()[0]).to.be.greaterThan(0.01)
      })
    }
    using none = tiny.runWithGradients(prompts, { metric: () => tf.scalar(3), names: 'hook_embed' })
    expect(none.value.dataSync()[0]).to.equal(3)
    expectClose(none.gradients.get('hook_embed'), new Float32Array(144), 0)
  })

  it('on a stopped view are of a function of its residual stream', () => {
    const norm = (resid: tf.Tensor) => resid.square().sum().div(2)
    using run = tiny.stopAt(1).runWithGradients(prompts, { metric: norm, names: 'blocks.0.hook_resid_post' })
    expectClose(run.gradients.get('resid_post', 0), run.cache.get('resid_post', 0), tolerances.op)
  })

  it('of log probabilities are the softmax rule at the logits', () => {
    using run = tiny.runWithGradients(prompts, { metric: logProb(5), names: 'unembed.hook_out' })
    tf.tidy(() => {
      const last = run.cache.get<tf.Tensor3D>('unembed.hook_out').slice([0, 5, 0], [2, 1, 23])
      const expected = tf.oneHot([5], 23).sub(tf.softmax(last))
      const gradient = run.gradients.get<tf.Tensor3D>('unembed.hook_out')
      expectClose(gradient.slice([0, 5, 0], [2, 1, 23]), expected, tolerances.op)
      expectClose(gradient.slice([0, 0, 0], [2, 5, 23]), new Float32Array(230), 0)
    })
  })

  it('are those recorded from TransformerLens', async () => {
    const record = await reference('models/gpt2')
    const atol = (name: string) => (record.json['tensors'] as Record<string, { atol: number }>)[name]!.atol
    const { answer_token: right, wrong_token: wrong } = record.json['metric'] as Record<string, number>
    const recorded = Object.keys(record.json['tensors'] as object).filter((name) => /^grad(_split)?\//.test(name))
    expect(recorded.length).to.be.greaterThan(30)
    using gpt2 = await loadModel(record.folder)
    const mean = (logits: tf.Tensor3D) => {
      const last = logits.slice([0, logits.shape[1] - 1, 0], [-1, 1, -1])
      return last
        .slice([0, 0, right!], [-1, -1, 1])
        .sub(last.slice([0, 0, wrong!], [-1, -1, 1]))
        .mean()
    }
    const probes = record.json['probe_tokens'] as number[][]
    for (const kind of ['grad', 'grad_split']) {
      const names = recorded.filter((name) => name.startsWith(`${kind}/`))
      using run = gpt2.runWithGradients(probes, {
        metric: mean,
        names: names.map((name) => name.slice(kind.length + 1)),
      })
      for (const name of names) {
        expectClose(run.gradients.get(name.slice(kind.length + 1)), record.values(name), atol(name), name)
      }
    }
  })

  describe('memory', () => {
    it('holds the metric, activations and gradients until it is disposed, twice if need be', () => {
      const before = tf.memory().numTensors
      const run = tiny.runWithGradients(prompts, { metric })
      expect(tf.memory().numTensors - before).to.equal(2 * run.cache.names.length + 1)
      run.dispose()
      run.dispose()
      expect(tf.memory().numTensors).to.equal(before)
    })

    const fail = () => {
      throw new Error('on purpose')
    }
    const failing: [string, () => unknown][] = [
      ['the metric throws', () => tiny.runWithGradients(prompts, { metric: fail })],
      ['a hook throws', () => tiny.withHooks({ 'blocks.1.hook_mlp_out': fail }).runWithGradients(prompts, { metric })],
      [
        'the last hook throws',
        () => model.withHooks({ 'unembed.hook_out': fail }).runWithGradients([1, 2], { metric: logProb(3) }),
      ],
    ]
    for (const [what, call] of failing) {
      it(`is given back when ${what}, and the next run is sound`, () => {
        const before = tf.memory()
        expect(call).to.throw('on purpose')
        expect(tf.memory().numTensors, 'tensors').to.equal(before.numTensors)
        expect(tf.memory().numDataBuffers, 'buffers').to.equal(before.numDataBuffers)
        using run = tiny.runWithGradients(prompts, { names: 'hook_embed', metric })
        tf.tidy(() => void expect(run.gradients.get('hook_embed').abs().max().dataSync()[0]).to.be.greaterThan(0.01))
      })
    }

    it('is given back by a metric of a wrong shape, which is refused', async () => {
      expect(await refusalOf(() => tiny.runWithGradients(prompts, { metric: (logits) => logits }))).to.equal(
        'ShapeError: runWithGradients: the metric returned a tensor of shape [2,6,23]. It must return a scalar or one number for each of the 2 prompts.',
      )
    })
  })

  it('refuse unknown points and metrics before any run', async () => {
    let runs = 0
    const view = tiny.withHooks({ hook_embed: () => void runs++ })
    expect(await refusalOf(() => view.runWithGradients(prompts, { metric, names: 'hook_embd' }))).to.match(
      /^HookError: runWithGradients: no hook point 'hook_embd' in .* Did you mean 'hook_embed'\?$/,
    )
    expect(await refusalOf(() => view.runWithGradients(prompts, { metric: logitDiff(23, 0) }))).to.match(
      /^TokenError: logitDiff: the token id is 23\./,
    )
    expect(await refusalOf(() => view.stopAt(1).runWithGradients(prompts, { metric }))).to.equal(
      'ArgumentError: metric: this view stops at layer 1 and has no logits. Use a view that does not stop.',
    )
    expect(runs).to.equal(0)
  })
})
