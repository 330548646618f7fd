/** Laws of a model's runs: what is batched, padded or watched stays the same model. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { HookedModel } from '../../lib/model.js'
import { Tokens } from '../../lib/tokens/tokens.js'
import { expectClose, tolerances } from '../support/close.js'
import { pocket } from '../support/pocket.js'
import { refusalOf } from '../support/refusal.js'
import { tinyModel, warmTinyModel } from '../support/tiny-gpt2.js'

const prompts = [
  [3, 1, 4, 1, 5, 9],
  [22, 0, 7, 7, 18, 2],
]

/** The numbers of a run. */
function numbers(model: HookedModel, input: Parameters<HookedModel['run']>[0], options = {}): Float32Array {
  return tf.tidy(() => model.run(input, options).dataSync<'float32'>())
}

describe('lib/model', () => {
  let tiny: HookedModel
  let model: HookedModel
  before(async () => {
    tiny = await warmTinyModel()
    model = await pocket()
  })
  after(() => tiny.dispose())

  describe('run', () => {
    it('gives logits for each prompt, position and token', () => {
      const logits = tiny.run(prompts)
      expect(logits.shape).to.deep.equal([2, 6, 23])
      expect(logits.dtype).to.equal('float32')
      logits.dispose()
    })

    it('takes a prompt as text, texts, ids, lists of ids and Tokens alike', () => {
      const text = 'Lily and Ben went to the park.'
      const tokens = model.toTokens(text)
      const ids = tokens.rows[0]!
      const logits = numbers(model, text)
      expect(ids[0]).to.equal(model.tokenizer!.bosId)
      for (const input of [[text], ids, [ids], tokens, new Tokens([ids])]) {
        expect(numbers(model, input)).to.deep.equal(logits)
      }
      expect(numbers(model, ids.slice(1))).to.deep.equal(numbers(model, text, { prependBos: false }))
    })

    it('gives each prompt of a batch the logits it has alone', () => {
      const together = numbers(tiny, prompts)
      const size = together.length / 2
      prompts.forEach((row, b) => {
        expectClose(numbers(tiny, row), together.subarray(b * size, (b + 1) * size), tolerances.tiny, `prompt ${b}`)
      })
    })

    it('lets no position see what comes after it', () => {
      const [a, b] = [numbers(tiny, [3, 1, 4, 1, 5, 9]), numbers(tiny, [3, 1, 4, 20, 21, 22])]
      expectClose(a.subarray(0, 3 * 23), b.subarray(0, 3 * 23), tolerances.tiny)
      expect(Math.abs(a[3 * 23]! - b[3 * 23]!)).to.be.greaterThan(0.01)
    })

    const lists = [[3, 1, 4, 1, 5, 9, 2], [22, 0, 7], [8]]
    for (const paddingSide of ['left', 'right'] as const) {
      it(`gives prompts padded on the ${paddingSide} the logits they have alone, without NaN`, () => {
        tf.tidy(() => {
          const padded = tiny.run(lists, { paddingSide })
          expect(padded.shape).to.deep.equal([3, 7, 23])
          expect(padded.isNaN().any().dataSync()[0]).to.equal(0)
          lists.forEach((row, b) => {
            const begin = paddingSide === 'left' ? 7 - row.length : 0
            const real = padded.slice([b, begin, 0], [1, row.length, 23])
            expectClose(real, tiny.run(row), tolerances.tiny, `prompt ${b}`)
          })
        })
      })

      it(`gives prompts padded on the ${paddingSide} the mean loss of their tokens alone`, async () => {
        const pairs = lists.slice(0, 2).map((row) => ({ row, weight: row.length - 1 }))
        let sum = 0
        for (const { row, weight } of pairs) sum += weight * (await tiny.loss(row))
        const mean = sum / pairs.reduce((total, { weight }) => total + weight, 0)
        expectClose([await tiny.loss(lists, { paddingSide })], [mean], tolerances.tiny)
      })
    }

    it('pads texts like lists of ids', () => {
      const texts = ['Once upon a time there was a dog', 'Tom']
      const tokens = model.toTokens(texts, { paddingSide: 'left' })
      expect(tokens.mask![1]!.filter((m) => m === 0).length).to.be.greaterThan(3)
      tf.tidy(() => {
        const alone = model.run(texts[1]!)
        const real = model
          .run(texts, { paddingSide: 'left' })
          .slice([1, tokens.positions - alone.shape[1], 0], [1, -1, -1])
        expectClose(real, alone, tolerances.noise)
      })
    })
  })

  describe('what is asked for changes no output:', () => {
    const free = /^(?!.*(hook_attn_in|hook_[qkv]_input|hook_result|hook_mlp_in)).*$/

    it('caching every point that costs nothing leaves the logits bit for bit', () => {
      using cache = tiny.runWithCache(prompts)
      expect(cache.names).to.deep.equal(tiny.hookNames.filter((name) => free.test(name)))
      expect(cache.logits.dataSync()).to.deep.equal(numbers(tiny, prompts))
      expect(cache.get('unembed.hook_out').dataSync()).to.deep.equal(cache.logits.dataSync())
    })

    for (const point of [
      'hook_attn_in',
      'hook_q_input',
      'hook_k_input',
      'hook_v_input',
      'hook_result',
      'hook_mlp_in',
    ]) {
      for (const padded of [false, true]) {
        it(`asking for ${point} leaves the logits${padded ? ' of padded prompts' : ''}`, () => {
          const input = padded ? [prompts[0]!, prompts[1]!.slice(0, 2)] : prompts
          using cache = tiny.runWithCache(input, { names: new RegExp(`${point}$`), paddingSide: 'left' })
          expect(cache.names).to.have.length(2)
          for (const [, x] of cache.entries()) {
            expect(x.shape).to.deep.equal(point === 'hook_mlp_in' ? [2, 6, 12] : [2, 6, 3, 12])
          }
          expectClose(cache.logits, numbers(tiny, input, { paddingSide: 'left' }), tolerances.tiny)
        })
      }
    }

    it('all of them at once, and gradients too', () => {
      const logits = numbers(tiny, prompts)
      using cache = tiny.runWithCache(prompts, { names: /./ })
      expect(cache.names).to.deep.equal(tiny.hookNames)
      expectClose(cache.logits, logits, tolerances.tiny)
      using run = tiny.runWithGradients(prompts, { names: free, metric: (x) => x.sum() })
      expect(run.cache.get('unembed.hook_out').dataSync()).to.deep.equal(logits)
    })

    it('hooks that return nothing, or the same numbers', () => {
      const logits = numbers(tiny, prompts)
      let calls = 0
      const look = tiny.withHooks([[free, () => void calls++]])
      expect(numbers(look, prompts)).to.deep.equal(logits)
      expect(calls).to.equal(tiny.hookNames.filter((name) => free.test(name)).length)
      expect(numbers(tiny.withHooks([[free, (x: tf.Tensor) => x.clone()]]), prompts)).to.deep.equal(logits)
      expectClose(numbers(tiny.withHooks([[/./, () => {}]]), prompts), logits, tolerances.tiny)
    })
  })

  describe('loss', () => {
    it('is the mean of the losses per token', async () => {
      const loss = await tiny.loss(prompts)
      tf.tidy(() => {
        const each = tiny.lossPerToken(prompts)
        expect(each.shape).to.deep.equal([2, 5])
        expectClose([loss], each.mean(), tolerances.tiny)
      })
    })

    it('refuses prompts of one token', async () => {
      expect(await refusalOf(() => tiny.loss([3]))).to.equal(
        'TokenError: loss: every prompt is 1 token long. A loss needs a next token to predict.',
      )
    })
  })

  describe('prompts that cannot be run', () => {
    const cases: [string, () => unknown, RegExp][] = [
      ['none', () => tiny.run([]), /^TokenError: toTokens: the list of prompts is empty\./],
      ['no tokens', () => tiny.run([[1], []]), /^TokenError: toTokens: prompt 1 has no tokens\./],
      [
        'more tokens than the context',
        () => tiny.run(new Array<number>(11).fill(1)),
        /^TokenError: toTokens: prompt 0 has 11 tokens, but the context of tfjs-lens-\w+ is 10\./,
      ],
      [
        'an id beyond the vocabulary',
        () => tiny.run([[1, 23]]),
        /^TokenError: toTokens: the token id at row 0, position 1 is 23\. The ids of tfjs-lens-\w+ are whole numbers from 0 to 22\.$/,
      ],
      [
        'Tokens of another vocabulary',
        () => tiny.run(new Tokens([[1292]])),
        /^TokenError: toTokens: the token id at row 0, position 0 is 1292\./,
      ],
      ['a fraction', () => tiny.run([[0.5]]), /^TokenError: toTokens: the token id at row 0, position 0 is 0\.5\./],
      [
        'a tensor',
        () => tf.tidy(() => tiny.run(tf.tensor2d([[1, 2]], undefined, 'int32') as unknown as number[][])),
        /^TokenError: toTokens: the prompts are a tensor of shape \[1,2\]\. Give its ids: await tensor\.array\(\)\.$/,
      ],
      [
        'text without a tokenizer',
        () => tiny.run('Hello'),
        /^TokenError: toTokens: tfjs-lens-\w+ has no tokenizer, so it cannot take text\. Give token ids\.$/,
      ],
    ]
    for (const [what, call, message] of cases) {
      it(`are refused: ${what}`, async () => expect(await refusalOf(call)).to.match(message))
    }

    it('are refused by every verb before any work', async () => {
      for (const call of [
        () => tiny.runWithCache([23]),
        () => tiny.runWithGradients([23], { metric: (x) => x.sum() }),
        () => tiny.loss([1, 23]),
        () => tiny.lossPerToken([1, 23]),
      ]) {
        expect(await refusalOf(call)).to.match(/^TokenError: toTokens: the token id/)
      }
    })
  })

  describe('weights and words', () => {
    it('gives weights by TransformerLens’s names and shapes, owned by the caller', () => {
      const shapes: Record<string, number[]> = {
        'embed.W_E': [23, 12],
        'pos_embed.W_pos': [10, 12],
        'blocks.1.attn.W_Q': [3, 12, 4],
        'blocks.1.attn.W_K': [3, 12, 4],
        'blocks.1.attn.W_V': [3, 12, 4],
        'blocks.1.attn.W_O': [3, 4, 12],
        'blocks.1.attn.b_Q': [3, 4],
        'blocks.1.attn.b_K': [3, 4],
        'blocks.1.attn.b_V': [3, 4],
        'blocks.1.attn.b_O': [12],
        'blocks.1.mlp.W_in': [12, 20],
        'blocks.1.mlp.b_in': [20],
        'blocks.1.mlp.W_out': [20, 12],
        'blocks.1.mlp.b_out': [12],
        'unembed.W_U': [12, 23],
        'unembed.b_U': [23],
      }
      for (const [name, shape] of Object.entries(shapes)) {
        const weight = tiny.copyWeight(name)
        expect(weight.shape, name).to.deep.equal(shape)
        weight.dispose()
      }
      expect(numbers(tiny, prompts).every(Number.isFinite)).to.equal(true)
    })

    it('lends weights, derives each once, and frees what it derived', async () => {
      const before = tf.memory().numTensors
      const lent = await tinyModel()
      const [stored, derived] = ['blocks.1.mlp.W_out', 'blocks.1.attn.W_Q']
      expect(lent.weight(stored)).to.equal(lent.weights.get(stored))
      const W_Q = lent.weight(derived)
      expect(W_Q.shape).to.deep.equal([3, 12, 4])
      expect(lent.plain().weight(derived)).to.equal(W_Q)
      expect(lent.weights.derivedCount).to.equal(W_Q.size)
      expect(String(lent)).to.contain('0.00 M more in derived weights')
      lent.dispose()
      expect(W_Q.isDisposed).to.equal(true)
      expect(tf.memory().numTensors).to.equal(before)
    })

    it('names the nearest weight for one that is not there', async () => {
      expect(await refusalOf(() => tiny.copyWeight('blocks.1.mlp.W_im'))).to.equal(
        "ConfigError: weights: there is no weight 'blocks.1.mlp.W_im'. Did you mean 'blocks.1.mlp.W_in'?",
      )
    })

    it('describes itself and its view in a line', () => {
      const line = String(model.withHooks({ hook_embed: () => {} }))
      expect(line).to.match(
        /^HookedModel pocket-gpt2: gpt2, 4 layers, 8 heads, d_model 128, vocabulary 1293, context 256/,
      )
      expect(line).to.match(/foldLn, centerWritingWeights, centerUnembed, foldValueBiases · 1 hooks?$/)
    })

    it('says where its numbers come from', async () => {
      const view = model.withHooks({ hook_embed: () => {} })
      const { modelFiles, ...rest } = await view.provenance({ prependBos: false, seed: 3 })
      expect(rest).to.deep.include({
        model: 'pocket-gpt2',
        processing: { ...model.processing },
        hooks: ['hook_embed'],
        prependBos: false,
        seed: 3,
      })
      expect(Object.keys(modelFiles!)).to.deep.equal(['model.safetensors'])
      expect(modelFiles!['model.safetensors']).to.match(/^[0-9a-f]{64}$/)
    })

    it('cannot be run once it is disposed', async () => {
      const gone = await warmTinyModel({ seed: 2 })
      gone.dispose()
      gone.dispose()
      expect(await refusalOf(() => gone.run([1]))).to.match(/^ConfigError: weights: there is no weight/)
    }) // and its tensors are gone: the root hook counts them
  })
})
