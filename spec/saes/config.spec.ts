/** cfg.json of every version of SAELens, and what is wrong with one. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { ConfigError } from '../../lib/errors/errors.js'
import { readSaeConfig } from '../../saes/index.js'

const config = { d_in: 48, d_sae: 96, hook_name: 'blocks.1.hook_resid_pre' }

/** What is read of these fields beside those that must be there. */
const read = (fields: object) => readSaeConfig({ ...config, ...fields }, 'mine/cfg.json')

async function readRecorded(folder: string) {
  const path = fileURLToPath(new URL(`../reference/saes/${folder}/cfg.json`, import.meta.url))
  return readSaeConfig(JSON.parse(await readFile(path, 'utf8')), folder)
}

describe('readSaeConfig', () => {
  const usual = {
    architecture: 'standard',
    dIn: 48,
    dSae: 96,
    hookName: 'blocks.1.hook_resid_pre',
    applyBDecToInput: true,
    normalization: 'none',
    flattenHeads: false,
    hasScalingFactor: false,
    processing: {},
    modelName: 'tiny-gpt2-ref',
    contextSize: 24,
  }

  it('reads the layouts of SAELens 1, 3, 5 and 6', async () => {
    expect(await readRecorded('sae_lens_runner_cfg/blocks.1.hook_resid_pre')).to.deep.equal(usual)
    expect(await readRecorded('sae_lens_3/v3_standard')).to.deep.equal({
      ...usual,
      prependBos: true,
      modelName: 'gpt2-small',
      neuronpediaId: 'gpt2-small/1-res-jb',
    })
    const heads = { hookName: 'blocks.1.attn.hook_z', flattenHeads: true }
    const z = { ...usual, ...heads, prependBos: true }
    expect(await readRecorded('sae_lens_5/v5_attn_z')).to.deep.equal({ ...z, neuronpediaId: 'tiny-gpt2-ref/1-ref-8' })
    expect(await readRecorded('sae_lens_6/standard_attn_z')).to.deep.equal({
      ...z,
      neuronpediaId: 'tiny-gpt2-ref/1-ref-8',
    })
    const layerNorm = await readRecorded('sae_lens_6/standard_resid_pre_layer_norm')
    expect(layerNorm).to.include({ normalization: 'layer_norm', applyBDecToInput: false })
  })

  it('fills in what an old config leaves out', () => {
    const { modelName: _name, contextSize: _size, ...least } = usual
    expect(read({})).to.deep.equal(least)
    expect(readSaeConfig({ d_in: 48, d_sae: 96, hook_point: config.hook_name }, 'mine')).to.deep.equal(least)
    expect(read({ neuronpedia_id: null, normalize_activations: null, hook_head_index: null })).to.deep.equal(least)
  })

  it('flattens heads at hook_z, unless the config speaks of it', () => {
    const z = { hook_name: 'blocks.1.attn.hook_z' }
    expect(read(z).flattenHeads).to.equal(true)
    expect(read({ ...z, reshape_activations: 'none' }).flattenHeads).to.equal(false)
    expect(read({ reshape_activations: 'hook_z' }).flattenHeads).to.equal(true)
    expect(read({ hook_name: 'blocks.1.hook_zebra' }).flattenHeads).to.equal(false)
  })

  it('reads the normalization as a name, or as true or false of old', () => {
    expect(read({ normalize_activations: true }).normalization).to.equal('expected_average_only_in')
    expect(read({ normalize_activations: false }).normalization).to.equal('none')
    expect(read({ normalize_activations: 'constant_norm_rescale' }).normalization).to.equal('constant_norm_rescale')
  })

  it('reads which weight processing is spoken of, and only that', () => {
    const kwargs = { fold_ln: true, center_unembed: false, n_ctx: 128 }
    expect(read({ model_from_pretrained_kwargs: kwargs }).processing).to.deep.equal({
      foldLn: true,
      centerUnembed: false,
    })
    const metadata = { hook_name: config.hook_name, model_from_pretrained_kwargs: { center_writing_weights: true } }
    expect(read({ metadata }).processing).to.deep.equal({ centerWritingWeights: true })
    expect(read({ model_from_pretrained_kwargs: null }).processing).to.deep.equal({})
  })

  it('reads what follows the encoder, with the k it keeps', () => {
    const { activation, k } = read({ activation_fn_str: 'relu' })
    expect([activation, k]).to.deep.equal([undefined, undefined])
    const kwargs = { activation_fn_kwargs: { k: 8 } }
    expect(read({ activation_fn_str: 'topk', ...kwargs })).to.include({
      architecture: 'standard',
      activation: 'topk',
      k: 8,
    })
    expect(read({ activation_fn: 'tanh-relu' })).to.include({ architecture: 'standard', activation: 'tanh-relu' })
    const topk = read({ architecture: 'topk', activation_fn_str: 'topk', ...kwargs, k: 9 })
    expect([topk.architecture, topk.activation, topk.k]).to.deep.equal(['topk', undefined, 9])
    expect(read({ architecture: 'topk', d_sae: 200 }).k).to.equal(100)
  })

  it('reads where a transcoder writes, in the config or its metadata', () => {
    const outputs = { hookNameOut: 'blocks.1.hook_mlp_out', dOut: 32 }
    const hook = { hook_name_out: 'blocks.1.hook_mlp_out' }
    expect(read({ architecture: 'transcoder', d_out: 32, ...hook })).to.include(outputs)
    const metadata = { hook_name: config.hook_name, ...hook }
    expect(read({ architecture: 'skip_transcoder', d_out: 32, metadata })).to.include(outputs)
    expect(read({ d_out: 32, ...hook })).to.not.have.any.keys('hookNameOut', 'dOut')
  })

  const refusals: [what: string, json: unknown, message: string][] = [
    [
      'no d_in',
      { ...config, d_in: undefined },
      "mine: the field 'd_in' is missing. It must be a whole number above 0.",
    ],
    [
      'no d_sae',
      { ...config, d_sae: undefined, dsae: 96 },
      "the field 'd_sae' is missing. It must be a whole number above 0. Did you mean 'dsae'?",
    ],
    ['no hook', { d_in: 48, d_sae: 96 }, "mine: the field 'hook_name' is missing. It must be a string."],
    ['no hook in the metadata', { ...config, metadata: {} }, "mine (metadata): the field 'hook_name' is missing."],
    ['a size as text', { ...config, d_in: '48' }, 'mine: d_in is "48". It must be a whole number above 0.'],
    ['no size', { ...config, d_sae: 0 }, 'mine: d_sae is 0. It must be a whole number above 0.'],
    ['a broken size', { ...config, d_sae: 1.5 }, 'mine: d_sae is 1.5. It must be a whole number above 0.'],
    [
      'a flag as text',
      { ...config, apply_b_dec_to_input: 'yes' },
      'apply_b_dec_to_input is "yes". It must be true or false.',
    ],
    [
      'an activation it does not have',
      { ...config, activation_fn_str: 'gelu' },
      "mine: activation_fn_str is 'gelu', which a standard SAE does not have. Supported: relu, tanh-relu, topk.",
    ],
    [
      'an activation of another kind',
      { ...config, architecture: 'gated', activation_fn_str: 'topk' },
      "mine: activation_fn_str is 'topk', which a gated SAE does not have. Supported: relu.",
    ],
    [
      'more kept than there are',
      { ...config, architecture: 'topk', k: 97 },
      'mine: k is 97, but there are 96 latents.',
    ],
    [
      'a transcoder that says not where it writes',
      { ...config, architecture: 'transcoder', d_out: 48 },
      "the field 'hook_name_out' is missing. It must be a string. Did you mean 'hook_name'?",
    ],
    ['a hook as number', { ...config, hook_name: 3 }, 'hook_name is 3. It must be a string.'],
    [
      'an unknown normalization',
      { ...config, normalize_activations: 'layernorm' },
      "normalize_activations is 'layernorm', which is not supported. It must be 'none' or 'expected_average_only_in' or 'constant_norm_rescale' or 'layer_norm'. Did you mean 'layer_norm'?",
    ],
    ['an unknown reshape', { ...config, reshape_activations: 'hook_q' }, "It must be 'none' or 'hook_z'."],
    ['a flag of processing as text', { ...config, model_from_pretrained_kwargs: { fold_ln: 'no' } }, 'fold_ln is "no"'],
    ['a list', [], 'mine: the file holds []. It must be a JSON object.'],
    ['nothing', null, 'mine: the file holds null. It must be a JSON object.'],
  ]
  for (const [what, json, message] of refusals) {
    it(`refuses ${what}`, () => {
      expect(() => readSaeConfig(json, 'mine')).to.throw(ConfigError, message)
    })
  }

  it('refuses an SAE of a single head, also head 0, in every layout', () => {
    const metadata = { hook_name: config.hook_name, hook_head_index: 0 }
    for (const fields of [{ hook_head_index: 0 }, { hook_point_head_index: 3 }, { metadata }]) {
      expect(() => read(fields)).to.throw(
        ConfigError,
        'mine/cfg.json: the SAE reads a single head (hook_head_index). Only SAEs of a whole hook point are supported.',
      )
    }
  })
})
