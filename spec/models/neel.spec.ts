/** Models in TransformerLens's own format: their activations, the norm inside the MLP, and blocks without MLPs. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { Architecture } from '../../lib/transformer/architecture.js'
import { loadModel } from '../../models/load-model.js'
import { dependsOn } from '../../lib/transformer/processing-effects.js'
import { neel } from '../../models/neel.js'
import { expectClose, tolerances } from '../support/close.js'
import { recordLaws } from '../support/record-laws.js'
import { editedModel, recordConfig, recordFolder, type Tensors } from '../support/record-model.js'
import { refusalOf } from '../support/refusal.js'

const architecture = neel as Architecture
const prompt = [5, 17, 99, 3, 42, 120, 7]

describe('models/neel', () => {
  describe('gelu_1l', () =>
    recordLaws('gelu_1l', {
      architecture,
      lacks: ['attn.hook_rot_q', 'mlp.hook_mid', 'mlp.ln.hook_scale'],
      slopes: ['hook_embed', 'blocks.0.attn.hook_pattern', 'blocks.0.mlp.hook_pre'],
    }))
  describe('solu_2l', () =>
    recordLaws('solu_2l', {
      architecture,
      lacks: ['attn.hook_rot_q', 'mlp.hook_pre_linear'],
      slopes: ['blocks.0.mlp.hook_pre', 'blocks.1.mlp.hook_mid', 'blocks.1.mlp.ln.hook_scale'],
    }))
  describe('attn_only_2l', () =>
    recordLaws('attn_only_2l', {
      architecture,
      lacks: ['hook_resid_mid', 'hook_mlp_in', 'hook_mlp_out', 'ln2.hook_scale', 'mlp.hook_post'],
      slopes: ['hook_pos_embed', 'blocks.1.hook_v_input'],
    }))

  it('takes the same tensors from safetensors', async () => {
    for (const name of ['gelu_1l', 'solu_2l', 'attn_only_2l']) {
      using pickled = await loadModel(recordFolder(name))
      using safe = await editedModel(name)
      tf.tidy(() => expectClose(safe.run([prompt]), pickled.run([prompt]), 0, name))
    }
  })

  const formulas: Record<string, (x: number) => number> = {
    relu: (x) => Math.max(0, x),
    gelu_new: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  }
  for (const [act_fn, formula] of Object.entries(formulas)) {
    it(`computes ${act_fn}`, async () => {
      using model = await editedModel('gelu_1l', { config: { act_fn } })
      using cache = model.runWithCache([prompt], { names: /mlp\.hook_/ })
      const expected = Array.from(cache.get('pre', 0).dataSync(), formula)
      expectClose(cache.get('post', 0), expected, tolerances.layer)
      expect(expected.some((x) => x > 0.5)).to.equal(true)
    })
  }

  it('normalizes solu by its own mean and deviation, weight and bias behind hook_normalized', async () => {
    using raw = await editedModel('solu_2l', { process: false })
    using cache = raw.runWithCache([prompt])
    const rows = (name: string) => tf.tidy(() => cache.get(name).squeeze([0]).arraySync()) as number[][]
    const [pre, post, mid] = ['pre', 'post', 'mid'].map((n) => rows(`blocks.1.mlp.hook_${n}`)) as [number[][], number[][], number[][]] // prettier-ignore
    const [weight, bias] = ['w', 'b'].map((n) => Array.from(raw.weights.get(`blocks.1.mlp.ln.${n}`).dataSync())) as [number[], number[]] // prettier-ignore
    const mean = (x: number[]) => x.reduce((a, b) => a + b) / x.length
    for (const [p, x] of pre.entries()) {
      const total = x.map(Math.exp).reduce((a, b) => a + b)
      const solu = x.map((v) => (v * Math.exp(v)) / total)
      expectClose(mid[p]!, solu, tolerances.layer)
      const centred = solu.map((v) => v - mean(solu))
      const scale = Math.sqrt(mean(centred.map((v) => v * v)) + 1e-5)
      const out = centred.map((v, i) => (v / scale) * weight[i]! + bias[i]!)
      expectClose(post[p]!, out, { atol: 5e-5, rtol: 1e-5 }) // mid is small: its rounding is divided by a scale of 0.1
    }
  })

  it('tells SAEs that folding changes what W_out reads, where there is a norm in front of it', async () => {
    const depends = async (name: string) => {
      const config = neel.readConfig(await recordConfig(name))
      return dependsOn('foldLn', 'blocks.0.mlp.hook_post', { config, traits: neel.traits(config) })
    }
    expect([await depends('solu_2l'), await depends('gelu_1l')]).to.deep.equal([true, false])
    for (const name of ['solu_2l', 'gelu_1l']) {
      using raw = await loadModel(recordFolder(name), { process: { foldLn: false } })
      using folded = await loadModel(recordFolder(name))
      const off = tf.tidy(() => {
        const post = (model: typeof raw) => {
          using cache = model.runWithCache([prompt], { names: 'blocks.0.mlp.hook_post' })
          return cache.get('post', 0).clone()
        }
        return post(raw).sub(post(folded)).abs().max().dataSync()[0]!
      })
      expect(off > 1e-3).to.equal(await depends(name))
    }
  })

  it('takes epsilon 1e-5 whatever ln_eps says, as TransformerLens does', async () => {
    expect(neel.readConfig({ ...(await recordConfig('gelu_1l')), ln_eps: 0.1 }).eps).to.equal(1e-5)
  })

  it('says what decompositions of blocks without MLPs cannot have', async () => {
    using model = await loadModel(recordFolder('attn_only_2l'))
    using cache = model.runWithCache([prompt])
    expect(await refusalOf(() => cache.accumulatedResid({ inclMid: true }))).to.equal(
      'ArgumentError: inclMid: the blocks of attn_only_2l have no hook_resid_mid, a residual stream between attention and MLP. Leave inclMid out.',
    )
    expect(await refusalOf(() => cache.decomposeResid({ layer: 1, mlpInput: true }))).to.equal(
      'ArgumentError: mlpInput: the blocks of attn_only_2l have no MLP. Leave mlpInput out.',
    )
    const { stack, labels } = cache.decomposeResid()
    stack.dispose()
    expect(labels).to.deep.equal(['embed', 'pos_embed', '0_attn_out', '1_attn_out'])
  })

  describe('config.json', () => {
    const wrong: [Record<string, unknown>, string][] = [
      [{ d_head: 2.5 }, 'd_head is 2.5. It must be a whole number above 0.'],
      [{ act_fn: 'solu' }, "act_fn is 'solu', which is not supported. It must be 'gelu' or 'gelu_new' or 'relu' or 'solu_ln'."],
      [{ normalization: 'LNPre' }, "normalization is 'LNPre', which is not supported. It must be 'LN'."],
      [{ normalization: undefined, normalization_type: 'RMS' }, "normalization_type is 'RMS', which is not supported."],
      [{ shortformer_pos: true }, 'shortformer_pos is true, which is not supported. It must be false.'],
      [{ use_local_attn: true }, 'use_local_attn is true, which is not supported. It must be false.'],
      [{ use_attn_scale: false }, 'use_attn_scale is false, which is not supported. It must be true.'],
      [{ attn_only: 'no' }, 'attn_only is "no". It must be true or false.'],
    ] // prettier-ignore
    for (const [fields, words] of wrong) {
      it(`with ${JSON.stringify(fields)} is refused`, async () => {
        const json = { ...(await recordConfig('gelu_1l')), ...fields }
        expect(await refusalOf(() => neel.readConfig(json)))
          .to.match(/^ConfigError: config\.json: /)
          .and.to.include(words)
      })
    }

    it('without a model_type is of this format only with all of its fields', async () => {
      const load = (config: Record<string, unknown>) => refusalOf(() => editedModel('gelu_1l', { config }))
      expect(await load({ act_fn: undefined })).to.match(/config\.json: the field 'model_type' is missing/)
      expect(await load({ d_vocab: null })).to.match(/config\.json: the field 'model_type' is missing/)
    })
  })

  it('refuses a checkpoint of other sizes, and one with something else in it', async () => {
    expect(await refusalOf(() => editedModel('gelu_1l', { config: { d_head: 4 } }))).to.match(
      /^ConfigError: loadModel: tensor 'blocks\.0\.attn\.W_Q' of the checkpoint has shape \[4,32,8\]\. Its config asks for \[4,32,4\]/,
    )
    expect(await refusalOf(() => editedModel('gelu_1l', { config: { attn_only: true } }))).to.match(
      /no place for: blocks\.0\.ln2/,
    )
    const more = (tensors: Tensors) => (tensors['blocks.0.mlp.W_gate'] = { shape: [1], values: Float32Array.of(1) })
    expect(await refusalOf(() => editedModel('gelu_1l', { edit: more }))).to.match(
      /no place for: blocks\.0\.mlp\.W_gate/,
    )
  })
})
