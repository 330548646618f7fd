/** GPT-NeoX: parallel and sequential blocks, rotary positions, and every field of its config that changes something. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { Architecture } from '../../lib/transformer/architecture.js'
import { gptNeox } from '../../models/gpt-neox.js'
import { expectClose, tolerances } from '../support/close.js'
import { recordLaws } from '../support/record-laws.js'
import { editedModel, recordConfig, recordTensors, type Tensors } from '../support/record-model.js'
import { refusalOf } from '../support/refusal.js'

const prompt = [5, 17, 99, 3, 42, 120, 7, 7, 64]

describe('models/gpt-neox', () => {
  recordLaws('gpt_neox', {
    architecture: gptNeox as Architecture,
    lacks: ['hook_resid_mid', 'mlp.hook_mid', 'mlp.hook_pre_linear'],
    slopes: ['hook_embed', 'blocks.0.attn.hook_q', 'blocks.1.attn.hook_rot_k', 'blocks.1.hook_mlp_in'],
  })

  it('takes each head’s queries, keys and values from where the checkpoint has them side by side', async () => {
    const tensors = await recordTensors('gpt_neox')
    using model = await editedModel('gpt_neox', { process: false })
    const { values } = tensors['gpt_neox.layers.1.attention.query_key_value.weight']!
    const [D, K] = [32, 16]
    for (const [part, letter] of [...'QKV'].entries()) {
      const W = tf.tidy(() => model.copyWeight(`blocks.1.attn.W_${letter}`).arraySync()) as number[][][]
      for (const [h, k, d] of [
        [0, 0, 0],
        [1, 3, 7],
        [1, 15, 31],
      ] as const)
        // prettier-ignore
        expect(W[h]![d]![k]).to.equal(values[((h * 3 + part) * K + k) * D + d])
    }
  })

  it('rotates the first dimensions of queries and keys by position, each pair at its own speed', async () => {
    for (const [config, turned, base] of [
      [{}, 4, 10000],
      [{ rotary_pct: 0.5, rotary_emb_base: 50 }, 8, 50],
      [{ rotary_pct: 1 }, 16, 10000],
      [{ rope_parameters: { rope_type: 'default', rope_theta: 9, partial_rotary_factor: 0.5 } }, 8, 9],
    ] as const) {
      using model = await editedModel('gpt_neox', { config })
      using cache = model.runWithCache([prompt], { names: /attn\.hook_(rot_)?q$/ })
      const rows = (name: string) => tf.tidy(() => cache.get(name, 1).arraySync() as number[][][][])[0]!
      const [q, rotated] = [rows('q'), rows('rot_q')]
      for (const [p, heads] of q.entries()) {
        for (const [h, x] of heads.entries()) {
          const half = turned / 2
          const expected = x.map((value, i) => {
            if (i >= turned) return value
            const angle = p * base ** (-(i % half) / half)
            const [partner, sign] = i < half ? [x[i + half]!, -1] : [x[i - half]!, 1]
            return value * Math.cos(angle) + sign * partner * Math.sin(angle)
          })
          expectClose(rotated[p]![h]!, expected, tolerances.layer)
        }
      }
    }
  })

  it('lets the MLP read what attention wrote to when blocks are not parallel', async () => {
    using model = await editedModel('gpt_neox', { config: { use_parallel_residual: false }, process: false })
    using parallel = await editedModel('gpt_neox', { process: false })
    expect(model.hookNames.filter((name) => !parallel.hookNames.includes(name))).to.deep.equal([
      'blocks.0.hook_resid_mid',
      'blocks.1.hook_resid_mid',
    ])
    for (const of of [model, parallel]) {
      using cache = of.runWithCache([prompt], { names: /blocks\.1\./ })
      tf.tidy(() => {
        const read = of === model ? cache.get('resid_mid', 1) : cache.get('resid_pre', 1)
        if (of === model) expectClose(read, cache.get('resid_pre', 1).add(cache.get('attn_out', 1)), 0)
        expectClose(cache.get('mlp_in', 1), read, 0)
        const { mean, variance } = tf.moments(read, -1, true)
        expectClose(cache.get('normalized', 1, 'ln2'), read.sub(mean).div(variance.add(0.002).sqrt()), tolerances.layer)
        const wrote = cache.get('resid_pre', 1).add(cache.get('attn_out', 1)).add(cache.get('mlp_out', 1))
        expectClose(cache.get('resid_post', 1), wrote, tolerances.layer)
      })
    }
    const off = tf.tidy(
      () =>
        model
          .run([prompt])
          .sub(parallel.run([prompt]))
          .abs()
          .max()
          .dataSync()[0]!,
    )
    expect(off).to.be.greaterThan(1)
  })

  it('has attention biases of zero where its config has none', async () => {
    const isBias = (name: string) => /attention\.(query_key_value|dense)\.bias$/.test(name)
    const zeroed = (tensors: Tensors) => {
      for (const [name, { values }] of Object.entries(tensors)) if (isBias(name)) values.fill(0)
    }
    const removed = (tensors: Tensors) => {
      for (const name of Object.keys(tensors)) if (isBias(name)) delete tensors[name]
    }
    for (const process of [true, false]) {
      using zero = await editedModel('gpt_neox', { edit: zeroed, process })
      using none = await editedModel('gpt_neox', { edit: removed, config: { attention_bias: false }, process })
      tf.tidy(() => expectClose(none.run([prompt]), zero.run([prompt]), 0))
    }
    expect(await refusalOf(() => editedModel('gpt_neox', { edit: removed }))).to.match(
      /no tensor 'gpt_neox\.layers\.0\.attention\.query_key_value\.bias'/,
    )
  })

  it('unembeds with the embedding where they are tied, and else asks for a head', async () => {
    const noHead = (tensors: Tensors) => void delete tensors['embed_out.weight']
    const copied = (tensors: Tensors) => (tensors['embed_out.weight'] = tensors['gpt_neox.embed_in.weight']!)
    using tied = await editedModel('gpt_neox', { edit: noHead, config: { tie_word_embeddings: true } })
    using copy = await editedModel('gpt_neox', { edit: copied })
    tf.tidy(() => expectClose(tied.run([prompt]), copy.run([prompt]), 0))
    expect(await refusalOf(() => editedModel('gpt_neox', { edit: noHead }))).to.match(/no tensor 'embed_out\.weight'/)
  })

  it('ignores the stored masks and frequencies of older checkpoints', async () => {
    const ballast = (tensors: Tensors) => {
      const one = { shape: [1], values: Float32Array.of(-1e9) }
      for (const name of ['bias', 'masked_bias', 'rotary_emb.inv_freq'])
        tensors[`gpt_neox.layers.0.attention.${name}`] = one
    }
    using older = await editedModel('gpt_neox', { edit: ballast })
    using newer = await editedModel('gpt_neox')
    tf.tidy(() => expectClose(older.run([prompt]), newer.run([prompt]), 0))
  })

  it('says that parallel blocks have no residual stream between attention and MLP', async () => {
    using model = await editedModel('gpt_neox')
    using cache = model.runWithCache([prompt])
    expect(await refusalOf(() => cache.accumulatedResid({ inclMid: true }))).to.match(
      /^ArgumentError: inclMid: the blocks of .* have no hook_resid_mid/,
    )
    const { stack, labels } = cache.decomposeResid({ layer: 1, mlpInput: true })
    stack.dispose()
    expect(labels).to.deep.equal(['embed', '0_attn_out', '0_mlp_out'])
  })

  describe('config.json', () => {
    const even = 'It must be an even number up to 16.'
    const wrong: [Record<string, unknown>, string][] = [
      [{ num_hidden_layers: undefined }, "the field 'num_hidden_layers' is missing. It must be a whole number above 0."],
      [{ num_attention_heads: 3 }, 'hidden_size 32 is not a multiple of num_attention_heads 3. Heads must have equal sizes.'],
      [{ rotary_pct: 0.2 }, `0.2 of a head of 16 is 3 dimensions to rotate. ${even}`],
      [{ rotary_pct: 2 }, `2 of a head of 16 is 32 dimensions to rotate. ${even}`],
      [{ rotary_pct: 0.01 }, `0.01 of a head of 16 is 0 dimensions to rotate. ${even}`],
      [{ rope_scaling: { type: 'linear', factor: 2 } }, 'rope_scaling is set, which is not supported. It must be null.'],
      [{ use_parallel_residual: 1 }, 'use_parallel_residual is 1. It must be true or false.'],
    ] // prettier-ignore
    for (const [fields, words] of wrong) {
      it(`with ${JSON.stringify(fields)} is refused`, async () => {
        const json = { ...(await recordConfig('gpt_neox')), ...fields }
        expect(await refusalOf(() => gptNeox.readConfig(json)))
          .to.match(/^ConfigError: config\.json: /)
          .and.to.include(words)
      })
    }

    it('with another stretch of its positions or an unknown activation is refused', async () => {
      const json = await recordConfig('gpt_neox')
      const rope_parameters = { rope_type: 'yarn', rope_theta: 10000 }
      expect(await refusalOf(() => gptNeox.readConfig({ ...json, rope_parameters }))).to.match(
        /rope_type is 'yarn', which is not supported\. It must be 'default'/,
      )
      expect(await refusalOf(() => gptNeox.readConfig({ ...json, hidden_act: 'swish' }))).to.match(
        /hidden_act is 'swish', which is not supported/,
      )
    })
  })
})
