/** The residual stream in parts: they sum to it, and their logits to the logits. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { ActivationCache } from '../../../lib/residual/activation-cache.js'
import type { Parts, PartsOptions } from '../../../lib/residual/decompose.js'
import { residualDirections } from '../../../lib/transformer/unembed.js'
import type { HookedModel } from '../../../lib/model.js'
import { expectClose, tolerances } from '../../support/close.js'
import { refusalOf } from '../../support/refusal.js'
import { tinyModel } from '../../support/tiny-gpt2.js'

// as many prompts as positions, so that mixing up the two axes gives wrong numbers rather than an error
const prompts = [
  [3, 1, 4],
  [22, 0, 7],
  [5, 5, 9],
]

describe('lib/residual/decompose', () => {
  let model: HookedModel
  let raw: HookedModel
  let cache: ActivationCache
  let rawCache: ActivationCache
  before(async () => {
    model = await tinyModel()
    raw = await tinyModel({ process: false })
    cache = model.runWithCache(prompts)
    rawCache = raw.runWithCache(prompts)
  })
  after(() => {
    for (const owner of [cache, rawCache, model, raw]) owner.dispose()
  })

  /** The sum of the parts, which are freed at the end of the tidy around. */
  const total = (parts: Parts) => parts.stack.sum(0)

  const targets: [string, PartsOptions, string][] = [
    ['the end', {}, 'blocks.1.hook_resid_post'],
    ['the end, by the number of layers', { layer: 2 }, 'blocks.1.hook_resid_post'],
    ['layer 1', { layer: 1 }, 'blocks.1.hook_resid_pre'],
    ['the MLP of layer 1', { layer: 1, mlpInput: true }, 'blocks.1.hook_resid_mid'],
    ['the MLP of layer 0', { layer: 0, mlpInput: true }, 'blocks.0.hook_resid_mid'],
    ['layer 0', { layer: 0 }, 'blocks.0.hook_resid_pre'],
  ]
  for (const [what, options, name] of targets) {
    for (const processed of [true, false]) {
      it(`parts up to ${what} sum to the residual stream, ${processed ? '' : 'un'}processed`, () => {
        const of = processed ? cache : rawCache
        tf.tidy(() => {
          const resid = of.get(name)
          expectClose(total(of.decomposeResid(options)), resid, tolerances.tiny, 'layers')
          expectClose(total(of.fullResidDecomposition(options)), resid, tolerances.tiny, 'neurons')
          const coarse = of.fullResidDecomposition({ ...options, expandNeurons: false })
          expectClose(total(coarse), resid, tolerances.tiny, 'heads')
          const accumulated = of.accumulatedResid(options)
          expectClose(accumulated.stack.gather(accumulated.labels.length - 1), resid, 0, 'accumulated')
          if (options.mlpInput) return
          expectClose(
            total(of.stackHeadResults({ ...options, inclRemainder: true })),
            resid,
            tolerances.tiny,
            'remainder',
          )
        })
      })
    }
  }

  it('labels parts as TransformerLens does', () => {
    tf.tidy(() => {
      const heads = [0, 1].flatMap((l) => [0, 1, 2].map((h) => `L${l}H${h}`))
      const neurons = [0, 1].flatMap((l) => Array.from({ length: 20 }, (_, n) => `L${l}N${n}`))
      const labels = (parts: Parts) => {
        expect(parts.stack.shape).to.deep.equal([parts.labels.length, 3, 3, 12])
        return parts.labels
      }
      expect(labels(cache.decomposeResid())).to.deep.equal([
        'embed',
        'pos_embed',
        '0_attn_out',
        '0_mlp_out',
        '1_attn_out',
        '1_mlp_out',
      ])
      expect(labels(cache.decomposeResid({ mode: 'attn', inclEmbeds: false }))).to.deep.equal([
        '0_attn_out',
        '1_attn_out',
      ])
      expect(labels(cache.decomposeResid({ mode: 'mlp', layer: 1 }))).to.deep.equal(['embed', 'pos_embed', '0_mlp_out'])
      expect(labels(cache.accumulatedResid({ inclMid: true }))).to.deep.equal([
        '0_pre',
        '0_mid',
        '1_pre',
        '1_mid',
        'final_post',
      ])
      expect(labels(cache.accumulatedResid({ layer: 1, mlpInput: true }))).to.deep.equal(['0_pre', '1_pre', '1_mid'])
      expect(labels(cache.stackHeadResults())).to.deep.equal(heads)
      expect(labels(cache.stackNeuronResults())).to.deep.equal(neurons)
      expect(labels(cache.fullResidDecomposition())).to.deep.equal([...heads, ...neurons, 'embed', 'pos_embed', 'bias'])
      expect(labels(cache.fullResidDecomposition({ expandNeurons: false, layer: 1 }))).to.deep.equal([
        ...heads.slice(0, 3),
        '0_mlp_out',
        'embed',
        'pos_embed',
        'bias',
      ])
    })
  })

  it('gives heads as the model itself computes them, and neurons as activation · row of W_out', () => {
    using results = model.runWithCache(prompts, { names: /hook_result$/ })
    tf.tidy(() => {
      const heads = cache.stackHeadResults().stack
      const computed = tf.concat([0, 1].map((l) => results.get('result', l).transpose([2, 0, 1, 3])))
      expectClose(heads, computed, tolerances.tiny)
      const neuron = cache.stackNeuronResults().stack.gather(20 + 7) // L1N7
      const post = cache.get('post', 1).slice([0, 0, 7], [-1, -1, 1])
      expectClose(neuron, post.mul(model.copyWeight('blocks.1.mlp.W_out').gather(7)), tolerances.tiny)
    })
  })

  for (const positions of [1, -1, [1, 3], [-3, -1]] as const) {
    it(`takes positions ${JSON.stringify(positions)}: one loses its axis, a range keeps it`, () => {
      const isOne = typeof positions === 'number'
      const begin = isOne ? (positions + 3) % 3 : positions[0] < 0 ? positions[0] + 3 : positions[0]
      const size = isOne ? 1 : 2
      const kinds: ((o: PartsOptions) => Parts)[] = [
        (o) => cache.accumulatedResid(o),
        (o) => cache.decomposeResid(o),
        (o) => cache.stackHeadResults({ ...o, inclRemainder: true }),
        (o) => cache.stackNeuronResults(o),
        (o) => cache.fullResidDecomposition(o),
      ]
      for (const kind of kinds) {
        for (const applyLn of [false, true]) {
          tf.tidy(() => {
            const all = kind({ applyLn }).stack.slice([0, 0, begin], [-1, -1, size])
            const some = kind({ applyLn, positions }).stack
            expect(some.shape).to.deep.equal(isOne ? [all.shape[0], 3, 12] : all.shape)
            expectClose(some, all, tolerances.tiny)
          })
        }
      }
    })
  }

  it('applies the norm that reads the sum, to parts as to the whole', () => {
    const norms: [PartsOptions, string][] = [
      [{}, 'ln_final.hook_normalized'],
      [{ layer: 1 }, 'blocks.1.ln1.hook_normalized'],
      [{ layer: 1, mlpInput: true }, 'blocks.1.ln2.hook_normalized'],
    ]
    for (const [options, name] of norms) {
      tf.tidy(() => {
        expectClose(total(cache.decomposeResid({ ...options, applyLn: true })), cache.get(name), tolerances.tiny, name)
        const parts = cache.fullResidDecomposition(options)
        expectClose(cache.applyLnToStack(parts.stack, options).sum(0), cache.get(name), tolerances.tiny, name)
      })
    }
  })

  it('gives each accumulated state its own norm: the logit lens', () => {
    for (const of of [cache, rawCache]) {
      tf.tidy(() => {
        const owner = of === cache ? model : raw
        const lens = of.accumulatedResid({ applyLn: true })
        const last = lens.stack.gather(2)
        expectClose(last, of.get('unembed.hook_in'), tolerances.tiny)
        const first = of.get('resid_pre', 0)
        const centred = first.sub(first.mean(-1, true))
        const own = centred.div(centred.square().mean(-1, true).add(1e-5).sqrt())
        const expected =
          of === cache ? own : own.mul(owner.copyWeight('ln_final.w')).add(owner.copyWeight('ln_final.b'))
        expectClose(lens.stack.gather(0), expected, tolerances.tiny)
      })
    }
  })

  it('splits every logit into parts, b_U aside', () => {
    const parts: (() => Parts)[] = [
      () => cache.decomposeResid(),
      () => cache.fullResidDecomposition(),
      () => cache.stackHeadResults({ inclRemainder: true }),
    ]
    for (const make of parts) {
      for (const token of [0, 11, 22]) {
        tf.tidy(() => {
          const attrs = cache.logitAttrs(make().stack, token)
          const logit = cache.logits.slice([0, 0, token], [-1, -1, 1]).squeeze([2])
          const b_U = model.copyWeight('unembed.b_U').gather(token)
          expect(attrs.shape.slice(1)).to.deep.equal([3, 3])
          expectClose(attrs.sum(0).add(b_U), logit, tolerances.tiny, `token ${token}`)
        })
      }
    }
  })

  it('pairs answers with prompts, not positions, where there are as many of both', () => {
    const [right, wrong] = [
      [7, 3, 12],
      [11, 20, 0],
    ]
    tf.tidy(() => {
      const logits = cache.logits.arraySync()
      const b_U = model.copyWeight('unembed.b_U').arraySync() as number[]
      const differences = logits.map((prompt, b) =>
        prompt.map((row) => row[right[b]!]! - row[wrong[b]!]! - (b_U[right[b]!]! - b_U[wrong[b]!]!)),
      )
      const stack = cache.decomposeResid().stack
      const attrs = cache.logitAttrs(stack, right, { incorrect: wrong })
      expectClose(attrs.sum(0), differences.flat(), tolerances.tiny)
      const last = cache.logitAttrs(cache.decomposeResid({ positions: -1 }).stack, right, {
        incorrect: wrong,
        positions: -1,
      })
      expect(last.shape).to.deep.equal([6, 3])
      expectClose(
        last.sum(0),
        differences.map((prompt) => prompt[2]!),
        tolerances.tiny,
      )
      const against = cache.logitAttrs(stack, right, { incorrect: 5 })
      expectClose(
        against.sum(0),
        logits.flatMap((prompt, b) => prompt.map((row) => row[right[b]!]! - row[5]! - (b_U[right[b]!]! - b_U[5]!))),
        tolerances.tiny,
      )
    })
  })

  it('gives directions as columns of W_U', () => {
    tf.tidy(() => {
      const W_U = model.copyWeight<tf.Tensor2D>('unembed.W_U').arraySync()
      expectClose(
        residualDirections(model, [4, 0]),
        [4, 0].flatMap((id) => W_U.map((row) => row[id]!)),
        0,
      )
      expect(residualDirections(model, 4).shape).to.deep.equal([1, 12])
    })
  })

  describe('refuses', () => {
    /** The words of a refusal; tensors made on the way are freed. */
    async function refused(call: () => tf.Tensor | Parts): Promise<string> {
      return refusalOf(() => tf.tidy(() => void call()))
    }

    it('a layer that is none', async () => {
      for (const layer of [3, -2, 0.5]) {
        expect(await refused(() => cache.decomposeResid({ layer }))).to.match(
          new RegExp(
            `^ArgumentError: layer: ${layer} is not a layer of tfjs-lens-\\w+\\. Give 0 to 1, or 2 or -1 for the end\\.$`,
          ),
        )
      }
    })

    it('layer 0 where nothing has been written yet', async () => {
      const words = 'ArgumentError: layer: nothing of this kind is written before layer 0. Give a later layer.'
      expect(await refused(() => cache.stackHeadResults({ layer: 0 }))).to.equal(words)
      expect(await refused(() => cache.stackNeuronResults({ layer: 0 }))).to.equal(words)
      expect(await refused(() => cache.decomposeResid({ layer: 0, inclEmbeds: false }))).to.equal(words)
    })

    it('norms that are not folded, whose weights would be left out', async () => {
      for (const call of [
        () => rawCache.decomposeResid({ applyLn: true }),
        () => rawCache.applyLnToStack(rawCache.decomposeResid().stack),
        () => rawCache.logitAttrs(rawCache.decomposeResid().stack, 3),
      ]) {
        expect(await refused(call)).to.match(
          /^MismatchError: applyLnToStack: tfjs-lens-\w+ was loaded with foldLn: false, so its norm weights would be left out\. Load it with process: \{ foldLn: true \}\.$/,
        )
      }
    })

    it('a stack of other positions than the norm’s scale, which would be broadcast', async () => {
      const must = 'With these positions it must be'
      expect(await refused(() => cache.applyLnToStack(cache.decomposeResid({ positions: -1 }).stack))).to.equal(
        `ShapeError: applyLnToStack: the stack has shape [6,3,12]. ${must} [C,3,3,D]: give the same positions to both.`,
      )
      expect(await refused(() => cache.logitAttrs(cache.decomposeResid().stack, 3, { positions: -1 }))).to.equal(
        `ShapeError: applyLnToStack: the stack has shape [6,3,3,12]. ${must} [C,3,D]: give the same positions to both.`,
      )
    })

    it('a number of tokens that is not the number of prompts, and ids that are none', async () => {
      const stack = cache.decomposeResid().stack
      expect(await refused(() => cache.logitAttrs(stack, [1, 2]))).to.equal(
        'ArgumentError: logitAttrs: there are 2 tokens for 3 prompts. Give one for all or one for each.',
      )
      expect(await refused(() => cache.logitAttrs(stack, 1, { incorrect: [1, 2, 3, 4] }))).to.match(
        /there are 4 tokens for 3/,
      )
      for (const id of [23, -1, 0.5]) {
        const words = `the token id is ${id}. The ids of ${model.name} are whole numbers from 0 to 22.`
        expect(await refused(() => cache.logitAttrs(stack, id))).to.equal(`TokenError: residualDirections: ${words}`)
      }
      stack.dispose()
    })

    it('a cache that lacks a part, rather than leaving it out', async () => {
      using some = model.runWithCache(prompts, { names: /hook_embed|(attn|mlp)_out$|hook_z$|hook_post$|scale$/ })
      for (const call of [() => some.decomposeResid(), () => some.fullResidDecomposition()]) {
        expect(await refused(call)).to.match(/^HookError: cache\.get: there is no 'hook_pos_embed' in this cache/)
      }
      expect(await refused(() => some.accumulatedResid())).to.match(
        /there is no 'blocks\.0\.hook_resid_pre' in this cache/,
      )
    })

    it('a position that the prompts do not have', async () => {
      expect(await refused(() => cache.decomposeResid({ positions: 3 }))).to.equal(
        'ArgumentError: positions: there is no position 3 in prompts of 3 tokens. Give a whole number from -3 to 2.',
      )
    })
  })
})
