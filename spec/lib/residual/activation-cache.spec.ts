/** ActivationCache: names and shorthands, positions, ownership. */
import { inspect } from 'node:util'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { axisOfPositions } from '../../../lib/core/axes.js'
import type { HookedModel } from '../../../lib/model.js'
import type { PositionSlice } from '../../../lib/core/positions.js'
import { expectClose, tolerances } from '../../support/close.js'
import { refusalOf } from '../../support/refusal.js'
import { tinyModel } from '../../support/tiny-gpt2.js'

const prompts = [
  [3, 1, 4, 1, 5],
  [22, 0, 7, 7, 18],
]

describe('lib/core/cache', () => {
  let model: HookedModel
  before(async () => {
    model = await tinyModel()
  })
  after(() => model.dispose())

  it('holds every point in the shape its axes say, in firing order', () => {
    using cache = model.runWithCache(prompts, { names: /./ })
    const sizes: Record<string, number> = { B: 2, P: 5, D: 12, H: 3, K: 4, M: 20, V: 23, 1: 1 }
    expect(cache.names).to.deep.equal(model.hookNames)
    for (const { name, shape } of model.hookPoints) {
      const axes = shape.slice(1, -1).split(',')
      // one input a head gives ln1's points a head axis, as in TransformerLens
      if (name.includes('.ln1.')) axes.splice(2, 0, 'H')
      expect(cache.get(name).shape, name).to.deep.equal(axes.map((axis) => sizes[axis]!))
    }
  })

  it('gives ln1’s points without a head axis when no input is split', () => {
    using cache = model.runWithCache(prompts, { names: /ln1/ })
    expect(cache.get('scale', 0, 'ln1').shape).to.deep.equal([2, 5, 1])
    expect(cache.get('normalized', 1, 'ln1').shape).to.deep.equal([2, 5, 12])
  })

  it('finds activations by full name, shorthand and a layer counted from the end', () => {
    using cache = model.runWithCache(prompts)
    const same: [string, Parameters<typeof cache.get>][] = [
      ['blocks.1.hook_resid_pre', ['resid_pre', 1]],
      ['blocks.1.hook_resid_post', ['resid_post', -1]],
      ['blocks.0.hook_resid_post', ['resid_post', -2]],
      ['blocks.0.attn.hook_k', ['k0']],
      ['blocks.1.attn.hook_pattern', ['attn', 1]],
      ['blocks.1.ln2.hook_scale', ['scale', 1, 'ln2']],
      ['ln_final.hook_scale', ['scale']],
      ['hook_embed', ['embed']],
    ]
    for (const [name, args] of same) {
      expect(cache.get(...args), name).to.equal(cache.get(name))
      expect(cache.has(...args), name).to.equal(true)
    }
    expect([cache.has('z', 2), cache.has('result', 0), cache.has('q', -3)]).to.deep.equal([false, false, false])
  })

  it('stacks one activation of all layers, or of those below one', () => {
    using cache = model.runWithCache(prompts)
    const [all, first] = [cache.stackActivation('z'), cache.stackActivation('scale', 1, 'ln2')]
    expect([all.shape, first.shape]).to.deep.equal([
      [2, 2, 5, 3, 4],
      [1, 2, 5, 1],
    ])
    expect([...all.dataSync()]).to.deep.equal([...cache.get('z', 0).dataSync(), ...cache.get('z', 1).dataSync()])
    tf.dispose([all, first])
  })

  it('computes what heads wrote, as the run does when it is asked for', () => {
    const names = ['blocks.0.attn.hook_result', 'blocks.1.attn.hook_result']
    using asked = model.runWithCache(prompts, { names })
    using cache = model.runWithCache(prompts)
    cache.computeHeadResults()
    cache.computeHeadResults() // those that are there stay
    for (const name of names) expectClose(cache.get(name), asked.get(name), tolerances.tiny, name)
  })

  it('names the nearest entry for one that is not there', async () => {
    using cache = model.runWithCache(prompts, { names: /resid_pre$|embed$/ })
    expect(await refusalOf(() => cache.get('resid_post', 1))).to.equal(
      "HookError: cache.get: there is no 'blocks.1.hook_resid_post' in this cache of 4 activations. Did you mean 'blocks.1.hook_resid_pre'? Add it to the names of the run.",
    )
    expect(await refusalOf(() => cache.get('embd'))).to.match(/there is no 'hook_embd' .* Did you mean 'hook_embed'\?/)
  })

  it('refuses names that the model does not have, before the run', async () => {
    expect(await refusalOf(() => model.runWithCache(prompts, { names: 'blocks.1.hook_resid_prev' }))).to.match(
      /^HookError: runWithCache: no hook point 'blocks\.1\.hook_resid_prev' in .* \(2 layers: 0–1\)\. Did you mean 'blocks\.1\.hook_resid_pre'\?$/,
    )
    expect(await refusalOf(() => model.runWithCache(prompts, { names: /nothing/ }))).to.match(
      /^HookError: runWithCache: no hook point of .* is chosen by \/nothing\/\. See model\.hookNames for the names\.$/,
    )
  })

  describe('positions', () => {
    const cases: [PositionSlice, number, number][] = [
      [2, 2, 1],
      [-1, 4, 1],
      [[1, 4], 1, 3],
      [[-3, 5], 2, 3],
      [[0, -1], 0, 4],
    ]
    for (const [positions, begin, size] of cases) {
      it(`${JSON.stringify(positions)} keeps that part of the query axis of every point`, () => {
        using full = model.runWithCache(prompts, { names: /./ })
        using part = model.runWithCache(prompts, { names: /./, positions })
        expect(part.names).to.deep.equal(full.names)
        tf.tidy(() => {
          for (const point of model.hookPoints) {
            const x = full.get(point.name)
            const axis = /scores|pattern/.test(point.name) ? 2 : 1
            expect(axisOfPositions(point), point.name).to.equal(axis)
            const begins = x.shape.map((_, i) => (i === axis ? begin : 0))
            const sizes = x.shape.map((n, i) => (i === axis ? size : n))
            expect(part.get(point.name).shape, point.name).to.deep.equal(sizes)
            expect(part.get(point.name).dataSync(), point.name).to.deep.equal(x.slice(begins, sizes).dataSync())
          }
        })
        expect(part.logits.shape, 'logits are whole').to.deep.equal([2, 5, 23])
      })
    }

    it('that a prompt does not have are refused, and nothing is left', async () => {
      expect(await refusalOf(() => model.runWithCache(prompts, { positions: 5 }))).to.equal(
        'ArgumentError: positions: there is no position 5 in prompts of 5 tokens. Give a whole number from -5 to 4.',
      )
      expect(await refusalOf(() => model.runWithCache(prompts, { positions: [3, 2] }))).to.equal(
        'ArgumentError: positions: the range [3,2] is empty in prompts of 5 tokens. Its end must lie behind its begin.',
      )
    })
  })

  describe('memory', () => {
    it('is held through a tidy until the cache is disposed, and only then', () => {
      const before = tf.memory().numTensors
      let cache!: ReturnType<typeof model.runWithCache>
      tf.tidy(() => void (cache = model.runWithCache(prompts, { names: /hook_z$/ })))
      expect(tf.memory().numTensors - before).to.equal(3)
      expect(cache.logits.dataSync()).to.have.length(2 * 5 * 23)
      expect(cache.get('z', 0).dataSync()).to.have.length(2 * 5 * 12)
      cache.dispose()
      cache.dispose()
      expect(cache.names).to.deep.equal([])
      expect(tf.memory().numTensors).to.equal(before)
    })

    it('is shared with no later run: what a hook does to a new run leaves an old cache as it was', () => {
      using cache = model.runWithCache(prompts, { names: 'hook_embed' })
      const embed = cache.get('hook_embed').dataSync().slice()
      model
        .withHooks({ hook_embed: (x: tf.Tensor) => x.mul(0) })
        .run(prompts)
        .dispose()
      expect(cache.get('hook_embed').dataSync()).to.deep.equal(embed)
    })

    it('is given back when a hook throws half-way', () => {
      const view = model.withHooks({
        'blocks.1.mlp.hook_post': () => {
          throw new Error('half-way')
        },
      })
      const before = tf.memory()
      expect(() => view.runWithCache(prompts)).to.throw('half-way')
      expect(tf.memory().numTensors).to.equal(before.numTensors)
      expect(tf.memory().numDataBuffers).to.equal(before.numDataBuffers)
    })

    it('is counted in bytes and shown with names and shapes', () => {
      using cache = model.runWithCache(prompts, { names: /hook_z$/ })
      expect(cache.bytes).to.equal(2 * 4 * 2 * 5 * 12)
      expect(inspect(cache)).to.equal(
        'ActivationCache of 2 activations, 0.0 MiB\n  blocks.0.attn.hook_z [2,5,3,4]\n  blocks.1.attn.hook_z [2,5,3,4]',
      )
      using all = model.runWithCache(prompts, { names: /./ })
      expect(inspect(all).split('\n')).to.have.length(42)
      expect(inspect(all)).to.match(/ {2}… 12 more$/)
    })
  })
})
