/** GPT-Neo: local and global layers, and every field of its config that changes what it computes. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { Architecture } from '../../lib/transformer/architecture.js'
import { Tokens } from '../../lib/tokens/tokens.js'
import { loadModel } from '../../models/load-model.js'
import { gptNeo } from '../../models/gpt-neo.js'
import { expectClose } from '../support/close.js'
import { recordLaws } from '../support/record-laws.js'
import { editedModel, recordConfig, recordFolder, recordTensors, type Tensors } from '../support/record-model.js'
import { refusalOf } from '../support/refusal.js'

const prompt = Array.from({ length: 20 }, (_, i) => (i * 31) % 200)

describe('models/gpt-neo', () => {
  recordLaws('gpt_neo', {
    architecture: gptNeo as Architecture,
    lacks: ['attn.hook_rot_q', 'mlp.hook_mid', 'ln1_post.hook_scale'],
    slopes: ['hook_embed', 'blocks.1.attn.hook_k', 'blocks.1.hook_q_input', 'blocks.3.mlp.hook_pre'],
  })

  /** How far behind each layer's queries look at most, and whether they look at all that is nearer. */
  async function reach(config: Record<string, unknown>): Promise<number[]> {
    using model = await editedModel('gpt_neo', { config })
    using cache = model.runWithCache([prompt], { names: /hook_pattern$/ })
    return Array.from({ length: model.config.nLayers }, (_, l) => {
      const head = tf.tidy(() =>
        cache.get('pattern', l).slice([0, 0, 0, 0], [1, 1, -1, -1]).squeeze([0, 1]).arraySync(),
      )
      const rows = head as number[][]
      const seen = rows.map((row, q) => row.flatMap((p, k) => (p > 0 ? [q - k] : [])).reverse())
      for (const [q, behind] of seen.entries()) {
        expect(behind).to.deep.equal(Array.from({ length: Math.min(q + 1, behind.length) }, (_, i) => i))
        expect(rows[q]!.reduce((a, b) => a + b)).to.be.closeTo(1, 1e-5) // float32 sums of a softmax
      }
      return Math.max(...seen.map((behind) => behind.length))
    })
  }

  it('looks back over the window, the query’s own position included, in local layers only', async () => {
    expect(await reach({})).to.deep.equal([20, 6, 20, 6])
    expect(await reach({ window_size: 1 })).to.deep.equal([20, 1, 20, 1])
    expect(await reach({ window_size: 20 })).to.deep.equal([20, 20, 20, 20])
    expect(await reach({ attention_layers: ['local', 'local', 'global', 'global'] })).to.deep.equal([6, 6, 20, 20])
  })

  it('counts the window in positions, so padding in front moves it along', async () => {
    using model = await loadModel(recordFolder('gpt_neo'))
    const [pad, row] = [[0, 0, 0], prompt.slice(0, 12)]
    const mask = [...pad, ...row.map(() => 1)]
    tf.tidy(() => {
      const padded = model.run(new Tokens([[...pad, ...row]], [mask], 'left'))
      expectClose(padded.slice([0, 3, 0], [-1, -1, -1]), model.run([row]), 2e-4) // the record's atol for these logits
    })
  })

  it('reads attention_types where there are no attention_layers', async () => {
    const attention_types = [[['global', 'local'], 1], [['local'], 2]] // prettier-ignore
    expect(await reach({ attention_layers: undefined, attention_types })).to.deep.equal([20, 6, 6, 6])
  })

  it('gives the same numbers from pytorch_model.bin', async () => {
    using safe = await loadModel(recordFolder('gpt_neo'))
    using bin = await loadModel(recordFolder('gpt_neo_bin'))
    tf.tidy(() => expectClose(bin.run([prompt]), safe.run([prompt]), 0))
  })

  it('takes names without the prefix, a head of its own, and another width of the MLP', async () => {
    const short = (tensors: Tensors) => {
      for (const [name, tensor] of Object.entries(tensors)) {
        delete tensors[name]
        tensors[name.replace('transformer.', '')] = tensor
      }
    }
    using plain = await editedModel('gpt_neo')
    using renamed = await editedModel('gpt_neo', { edit: short })
    tf.tidy(() => expectClose(renamed.run([prompt]), plain.run([prompt]), 0))

    const twice = (tensors: Tensors) => {
      const { shape, values } = tensors['transformer.wte.weight']!
      tensors['lm_head.weight'] = { shape, values: Float32Array.from(values, (x) => 2 * x) }
    }
    using headed = await editedModel('gpt_neo', { edit: twice, process: false })
    using tied = await editedModel('gpt_neo', { process: false })
    tf.tidy(() => expectClose(headed.run([prompt]), tied.run([prompt]).mul(2), 1e-5)) // exact but for one rounding

    const half = (tensors: Tensors) => {
      for (const [name, { shape, values }] of Object.entries(tensors)) {
        if (!/mlp\.c_(fc|proj)\./.test(name) || name.endsWith('c_proj.bias')) continue
        const cut = shape.map((n) => (n === 128 ? 64 : n))
        tensors[name] = { shape: cut, values: values.slice(0, values.length / 2) }
      }
    }
    using narrow = await editedModel('gpt_neo', { edit: half, config: { intermediate_size: 64 } })
    expect(narrow.config.dMlp).to.equal(64)
    expect(narrow.copyWeight('blocks.0.mlp.W_in')).to.satisfy((W: tf.Tensor) => {
      W.dispose()
      return W.shape.join() === '32,64'
    })
  })

  describe('config.json', () => {
    const wrong: [Record<string, unknown>, string][] = [
      [{ hidden_size: undefined }, "the field 'hidden_size' is missing. It must be a whole number above 0."],
      [{ num_heads: 5 }, 'hidden_size 32 is not a multiple of num_heads 5. Heads must have equal sizes.'],
      [{ window_size: 0 }, 'window_size is 0. It must be a whole number above 0.'],
      [{ num_layers: 3 }, `attention_layers is ["global","local","global","local"]. It must name 'global' or 'local' for each of the 3 layers.`],
      [{ attention_layers: ['global', 'sparse', 'global', 'local'] }, `It must name 'global' or 'local' for each of the 4 layers.`],
      [{ attention_layers: undefined, attention_types: undefined }, 'attention_types is missing. It must name'],
      [{ attention_layers: undefined, attention_types: [[['global'], 1e12]], num_layers: 4.5 }, 'num_layers is 4.5'],
      [{ attention_layers: undefined, attention_types: [['global', 4]] }, 'attention_types is [["global",4]]. It must name'],
      [{ attention_layers: undefined, attention_types: [[['global', 'local'], 3]] }, 'It must name'],
      [{ activation_function: 'relu' }, "activation_function is 'relu', which is not supported."],
    ] // prettier-ignore
    for (const [fields, words] of wrong) {
      it(`with ${JSON.stringify(fields)} is refused`, async () => {
        const json = { ...(await recordConfig('gpt_neo')), ...fields }
        expect(await refusalOf(() => gptNeo.readConfig(json)))
          .to.match(/^ConfigError: config\.json: /)
          .and.to.include(words)
      })
    }
  })

  it('refuses a checkpoint with a layer too few or a tensor too many', async () => {
    const tensors = await recordTensors('gpt_neo')
    const last = Object.keys(tensors).filter((name) => name.includes('.h.3.'))
    const cut = (all: Tensors) => last.forEach((name) => delete all[name])
    expect(await refusalOf(() => editedModel('gpt_neo', { edit: cut }))).to.match(
      /^FileError: loadModel: the checkpoint has no tensor 'transformer\.h\.3\.ln_1\.weight'/,
    )
    const config = { num_layers: 3, attention_layers: ['global', 'local', 'global'] }
    expect(await refusalOf(() => editedModel('gpt_neo', { config }))).to.match(
      /tensors that its config has no place for/,
    )
  })
})
