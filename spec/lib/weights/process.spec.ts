/** Weight processing: each rewrite leaves the predictions as they are and does what its name says. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { HookedModel } from '../../../lib/model.js'
import {
  allProcessing,
  noProcessing,
  possibleProcessing,
  processWeights,
  type WeightLayout,
  type ProcessingFlags,
} from '../../../lib/weights/process.js'
import { expectClose, maxDifference, tolerances } from '../../support/close.js'
import { NamedTensors } from '../../../lib/weights/named-tensors.js'
import { tinyModel } from '../../support/tiny-gpt2.js'

const prompts = [
  [3, 1, 4, 1, 5, 9, 2, 6],
  [22, 0, 7, 7, 18, 2, 8, 1],
]
const flags = Object.keys(allProcessing) as (keyof ProcessingFlags)[]
const only = (flag: keyof ProcessingFlags): ProcessingFlags => ({ ...noProcessing, [flag]: true })

function logProbs(model: HookedModel): tf.Tensor {
  return tf.tidy(() => tf.logSoftmax(model.run(prompts)))
}

/** The largest mean over the last axis, of all rows. */
function largestMean(x: tf.Tensor): number {
  return tf.tidy(() => x.mean(-1).abs().max().dataSync()[0]!)
}

/** An activation's numbers; the caller owns the tensor. */
function activation(model: HookedModel, name: string): tf.Tensor {
  using cache = model.runWithCache(prompts, { names: name })
  return cache.get(name).clone()
}

describe('lib/weights/process', () => {
  let raw: HookedModel
  let processed: HookedModel
  let truth: tf.Tensor
  before(async () => {
    raw = await tinyModel({ process: false })
    processed = await tinyModel()
    truth = logProbs(raw)
  })
  after(() => {
    tf.dispose(truth)
    raw.dispose()
    processed.dispose()
  })

  const combinations: [string, ProcessingFlags][] = [
    ...flags.map((flag): [string, ProcessingFlags] => [`${flag} alone`, only(flag)]),
    ...flags.map((flag): [string, ProcessingFlags] => [`all but ${flag}`, { ...allProcessing, [flag]: false }]),
    ['all', allProcessing],
  ]
  for (const [what, process] of combinations) {
    it(`leaves the log probabilities as they are: ${what}`, async () => {
      using model = await tinyModel({ process })
      expect(model.processing).to.deep.equal(process)
      const ours = logProbs(model)
      expectClose(ours, truth, tolerances.tiny)
      ours.dispose()
    })
  }

  it('records the flags: all by default or true, none for false, single ones beside the rest', async () => {
    expect(processed.processing).to.deep.equal(allProcessing)
    expect(raw.processing).to.deep.equal(noProcessing)
    using model = await tinyModel({ process: { foldLn: false } })
    expect(model.processing).to.deep.equal({ ...allProcessing, foldLn: false })
  })

  it('changes the weights, so that the laws above say something', () => {
    tf.tidy(() => {
      for (const name of [
        'blocks.0.attn.W_QKV',
        'blocks.1.mlp.W_in',
        'unembed.W_U',
        'embed.W_E',
        'blocks.1.attn.b_O',
      ]) {
        expect(maxDifference(raw.copyWeight(name), processed.copyWeight(name)), name).to.be.greaterThan(0.05)
      }
    })
  })

  it('foldLn takes the norms away and moves no activation but the unembedding’s input', async () => {
    using folded = await tinyModel({ process: only('foldLn') })
    expect(raw.weights.names.filter((name) => /ln/.test(name))).to.have.length(10)
    expect(folded.weights.names.filter((name) => /ln/.test(name))).to.deep.equal([])
    tf.tidy(() => {
      using before = raw.runWithCache(prompts)
      using after = folded.runWithCache(prompts)
      for (const [name, x] of before.entries()) {
        if (name === 'unembed.hook_in') continue
        if (name.endsWith('attn_scores')) continue // −Infinity; its softmax is compared
        expectClose(after.get(name), x, tolerances.tiny, name)
      }
      expect(maxDifference(before.get('unembed.hook_in'), after.get('unembed.hook_in'))).to.be.greaterThan(0.1)
    })
  })

  it('foldLn scales rows, moves the shift into the bias first, and centres what reads a norm', async () => {
    using folded = await tinyModel({ process: only('foldLn') })
    tf.tidy(() => {
      const [w, b] = [raw.weights.get('blocks.1.ln2.w'), raw.weights.get('blocks.1.ln2.b')]
      const [W, bias] = [raw.copyWeight('blocks.1.mlp.W_in'), raw.copyWeight('blocks.1.mlp.b_in')]
      const scaled = W.mul(w.expandDims(1))
      expectClose(folded.copyWeight('blocks.1.mlp.W_in'), scaled.sub(scaled.mean(0)), tolerances.op)
      expectClose(folded.weights.get('blocks.1.mlp.b_in'), bias.add(W.mul(b.expandDims(1)).sum(0)), tolerances.op)
      for (const name of ['blocks.0.attn.W_QKV', 'blocks.0.mlp.W_in', 'unembed.W_U']) {
        expect(largestMean(folded.copyWeight(name).transpose()), name).to.be.lessThan(1e-6)
      }
    })
  })

  it('foldLn leaves the embedding alone, whose transpose is the unembedding', async () => {
    using folded = await tinyModel({ process: only('foldLn') })
    tf.tidy(() => expectClose(folded.weights.get('embed.W_E'), raw.weights.get('embed.W_E'), 0))
  })

  it('centerWritingWeights takes the mean out of everything in the residual stream', async () => {
    using centred = await tinyModel({ process: only('centerWritingWeights') })
    const names = /^hook_|hook_(resid|attn_out|mlp_out|result)/
    using cache = centred.runWithCache(prompts, { names })
    using before = raw.runWithCache(prompts, { names })
    expect(cache.names).to.have.length(14)
    for (const [name, x] of cache.entries()) {
      // each head's part of b_O is nowhere, so a head alone is centred too
      expect(largestMean(x), name).to.be.lessThan(1e-6)
      expect(largestMean(before.get(name)), `${name} of the raw model`).to.be.greaterThan(0.01)
    }
    tf.tidy(() => {
      const resid = before.get('resid_post', 1)
      expectClose(cache.get('resid_post', 1), resid.sub(resid.mean(-1, true)), tolerances.tiny)
    })
  })

  it('centerUnembed takes the mean over the vocabulary out of the logits', async () => {
    using centred = await tinyModel({ process: { ...only('centerUnembed'), foldLn: true } })
    tf.tidy(() => {
      const [before, after] = [raw.run(prompts), centred.run(prompts)]
      expect(largestMean(before)).to.be.greaterThan(0.05)
      expectClose(after, before.sub(before.mean(-1, true)), tolerances.tiny)
      expect(largestMean(centred.weights.get('unembed.b_U').expandDims(0)), 'b_U').to.be.lessThan(1e-6)
    })
  })

  it('foldValueBiases shifts v and z by exactly b_V and leaves what the layer writes as it was', async () => {
    using folded = await tinyModel({ process: only('foldValueBiases') })
    for (const layer of [0, 1]) {
      tf.tidy(() => {
        const b_V = raw.copyWeight(`blocks.${layer}.attn.b_V`)
        expect(b_V.abs().min().dataSync()[0]).to.be.greaterThan(0)
        for (const point of ['v', 'z']) {
          const name = `blocks.${layer}.attn.hook_${point}`
          expectClose(activation(folded, name), activation(raw, name).sub(b_V), tolerances.tiny, name)
        }
        for (const name of [
          `blocks.${layer}.hook_attn_out`,
          `blocks.${layer}.attn.hook_q`,
          `blocks.${layer}.attn.hook_k`,
        ]) {
          expectClose(activation(folded, name), activation(raw, name), tolerances.tiny, name)
        }
        expectClose(folded.copyWeight(`blocks.${layer}.attn.b_V`), new Float32Array(12), 0)
      })
    }
  })

  it('centres b_O again behind the value biases, as the last step', () => {
    tf.tidy(() => {
      for (const layer of [0, 1]) {
        expect(largestMean(processed.weights.get(`blocks.${layer}.attn.b_O`)), `layer ${layer}`).to.be.lessThan(1e-6)
      }
    })
  })

  it('folds ln_final’s bias into b_U before b_U is centred', () => {
    tf.tidy(() => {
      const shift = raw.weights.get('ln_final.b').reshape<tf.Tensor2D>([1, -1])
      const b_U = tf.matMul(shift, raw.weights.get<tf.Tensor2D>('unembed.W_U')).reshape([-1])
      expectClose(processed.weights.get('unembed.b_U'), b_U.sub(b_U.mean()), tolerances.op)
    })
  })

  it('consumes the map: one tensor a name is left, the replaced ones are gone', () => {
    const layout: WeightLayout = {
      normalization: 'LN',
      norms: [{ weight: 'ln.w', bias: 'ln.b', readers: [{ W: 'W_U', b: 'b_U' }] }],
      writers: [{ W: 'W_E', b: 'b_E' }],
      values: [{ b: 'b_E', begin: 1, size: 1, dHead: 1, repeat: 1, W_O: 'W_O', b_O: 'b_O' }],
      unembed: { W: 'W_U', b: 'b_U' },
    }
    const make = (): NamedTensors =>
      new NamedTensors([
        ['ln.w', tf.tensor1d([2, 3])],
        ['ln.b', tf.tensor1d([1, -1])],
        ['W_U', tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3])],
        ['b_U', tf.tensor1d([0, 0, 3])],
        ['W_E', tf.tensor2d([1, 3, 2, 2], [2, 2])],
        ['b_E', tf.tensor1d([4, 6])],
        ['W_O', tf.tensor2d([10, 30], [1, 2])],
        ['b_O', tf.tensor1d([1, 1])],
      ])
    const before = tf.memory().numTensors
    const weights = make()
    const old = [...weights.values()]
    expect(processWeights(weights, layout, allProcessing)).to.equal(weights)
    expect(tf.memory().numTensors - before).to.equal(weights.size)
    expect([...weights.keys()].sort()).to.deep.equal(['W_E', 'W_O', 'W_U', 'b_E', 'b_O', 'b_U'])
    expect(old.filter((t) => !t.isDisposed)).to.deep.equal([weights.get('W_O')])
    const numbers = (name: string) => Array.from(weights.get(name)!.dataSync())
    // b_U = [0,0,3] + [1,−1]·W = [−3,−3,0], centred; W = rows · [2,3] = [[2,4,6],[12,15,18]], columns centred, then rows
    expect(numbers('b_U')).to.deep.equal([-1, -1, 2])
    expect(numbers('W_U')).to.deep.equal([0.5, 0, -0.5, -0.5, 0, 0.5])
    expect(numbers('W_E')).to.deep.equal([-1, 1, 0, 0])
    // b_E centred to [−1,1]; its slice [1] goes through W_O: b_O = [1,1] + 1·[10,30] = [11,31], centred
    expect(numbers('b_O')).to.deep.equal([-10, 10])
    expect(numbers('b_E')).to.deep.equal([-1, 0])
    tf.dispose([...weights.values()])
  })

  const parts = { writers: [{ W: 'W' }], values: [], unembed: { W: 'W', b: 'b' } }

  it('touches nothing when no flag is set', () => {
    const weights = new NamedTensors([['W', tf.tensor1d([1, 2])]])
    const W = weights.get('W')!
    processWeights(weights, { ...parts, normalization: 'LN', norms: [] }, noProcessing)
    expect(weights.get('W')).to.equal(W)
    expect(Array.from(W.dataSync())).to.deep.equal([1, 2])
    W.dispose()
  })

  it('leaves out what would change predictions: centring before RMS norms and before a soft-cap', () => {
    const plain: WeightLayout = { ...parts, normalization: 'LN', norms: [] }
    const without = (layout: WeightLayout) => possibleProcessing(allProcessing, layout)
    expect(without(plain)).to.deep.equal(allProcessing)
    expect(without({ ...plain, normalization: 'RMS' })).to.deep.equal({ ...allProcessing, centerWritingWeights: false })
    expect(without({ ...plain, softCapped: true })).to.deep.equal({ ...allProcessing, centerUnembed: false })
    expect(possibleProcessing(noProcessing, plain)).to.deep.equal(noProcessing)
  })

  it('folds an RMS norm without a bias by its weight alone, and does not centre', () => {
    const weights: NamedTensors = new NamedTensors([
      ['ln.w', tf.tensor1d([2, 3])],
      ['W', tf.tensor2d([1, 2, 3, 4], [2, 2])],
    ])
    const norms = [{ weight: 'ln.w', readers: [{ W: 'W' }] }]
    processWeights(weights, { ...parts, normalization: 'RMS', norms }, { ...noProcessing, foldLn: true })
    expect([...weights.keys()]).to.deep.equal(['W'])
    expectClose(weights.get('W')!, [2, 4, 9, 12], 0)
    tf.dispose([...weights.values()])
  })

  it('gives each key/value head’s bias to all the heads that share it', () => {
    const weights: NamedTensors = new NamedTensors([
      ['b_V', tf.tensor1d([1, 10])], // two key/value heads of size 1, each for two heads
      ['W_O', tf.tensor2d([1, 2, 3, 4], [4, 1])],
      ['b_O', tf.tensor1d([0.5])],
    ])
    const values = [{ b: 'b_V', begin: 0, size: 2, dHead: 1, repeat: 2, W_O: 'W_O', b_O: 'b_O' }]
    processWeights(
      weights,
      { ...parts, normalization: 'RMS', norms: [], values },
      { ...noProcessing, foldValueBiases: true },
    )
    expectClose(weights.get('b_O')!, [0.5 + 1 * (1 + 2) + 10 * (3 + 4)], 0)
    expectClose(weights.get('b_V')!, [0, 0], 0)
    tf.dispose([...weights.values()])
  })
})
