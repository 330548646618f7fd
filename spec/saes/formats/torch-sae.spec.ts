/** SAEs in files of torch.save: what says which hook they read, and which files are refused. */
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { folderSource } from '../../../lib/weights/source.js'
import type { SaeFacts } from '../../../saes/formats/sae-files.js'
import { openSaeLensFolder } from '../../../saes/formats/saelens.js'
import { openTorchSae } from '../../../saes/formats/torch-sae.js'
import { readToEnd, type ReadSae } from '../../support/saes.js'
import { refusalOf } from '../../support/refusal.js'
import { bytes, call, dict, floats, int, name, str, tensor, torchStream, torchZip, tuple } from '../../support/torch-files.js' // prettier-ignore
import { withFolder } from '../../support/weight-files.js'

const recorded = fileURLToPath(new URL('../../reference/saes', import.meta.url))
const read = async (file: string, facts: SaeFacts = {}) =>
  readToEnd(openTorchSae(await folderSource(path.dirname(path.join(recorded, file))), path.basename(file), facts))

const part = (key: string, ...shape: number[]) => {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, n) => product * n, 1))
  return tensor({ key, count: shape.reduce((a, b) => a * b), shape, strides })
}
/** Weights of 2 numbers and 3 latents. */
const weights = { W_enc: part('0', 2, 3), b_enc: part('1', 3), W_dec: part('2', 3, 2), b_dec: part('3', 2) }
const storages = { 0: floats(1, 2, 3, 4, 5, 6), 1: floats(1, 2, 3), 2: floats(6, 5, 4, 3, 2, 1), 3: floats(7, 8) }
const file = (value: Uint8Array = dict(weights)) => torchZip(value, storages)

/** What is made of `x.pt` in a folder with these files. */
async function readFolder(files: Record<string, string | Uint8Array>, facts: SaeFacts = {}): Promise<ReadSae> {
  let result: ReadSae | undefined
  await withFolder({ 'x.pt': file(), ...files }, async (folder) => {
    result = await readToEnd(openTorchSae(await folderSource(folder, 'FOLDER'), 'x.pt', facts))
  })
  return result!
}
const configIn = async (json: object, where: string, facts: SaeFacts = {}) =>
  (await readFolder({ [where]: JSON.stringify(json) }, facts)).config
const hook = { hookName: 'blocks.0.mlp.hook_post' }

describe('openTorchSae', () => {
  it('reads four tensors in each form torch has had, given the hook point', async () => {
    const archive = await read('torch_pt/25.pt', hook)
    const stream = await read('torch_pt/25_legacy.pt', hook)
    expect(archive.config).to.include({
      architecture: 'standard',
      dIn: 192,
      dSae: 192,
      ...hook,
      applyBDecToInput: true,
    })
    expect(stream).to.deep.equal(archive)
    const original = await readToEnd(openSaeLensFolder(await folderSource(recorded), 'sae_lens_6/standard_mlp_post/'))
    expect(Object.fromEntries(archive.tensors)).to.deep.equal(Object.fromEntries(original.tensors))
    const mixed = await read('torch_pt/mixed_types.pt', hook)
    for (const { values } of mixed.tensors.values()) expect(values).to.be.instanceOf(Float32Array)
  })

  it('reads a config object of an unknown class as a record, and lets the caller say otherwise', async () => {
    const name = 'torch_pt/final_sparse_autoencoder_tiny-gpt2-ref_blocks.1.hook_resid_pre_96.pt'
    const { config, tensors } = await read(name)
    expect(config).to.include({ hookName: 'blocks.1.hook_resid_pre', dIn: 48, dSae: 96, contextSize: 24 })
    expect(config.modelName).to.equal('tiny-gpt2-ref')
    expect([...tensors.keys()]).to.deep.equal(['W_enc', 'b_enc', 'W_dec', 'b_dec'])
    const other = await read(name, { hookName: 'blocks.2.hook_resid_pre', processing: { foldLn: false } })
    expect([other.config.hookName, other.config.processing]).to.deep.equal([
      'blocks.2.hook_resid_pre',
      { foldLn: false },
    ])
  })

  it('reads a config that is a dict, one of its values a dict too', async () => {
    const kwargs = dict({ fold_ln: bytes([0x89]), hf_model: bytes('N') })
    const cfg = dict({ hook_point: str('blocks.3.hook_z'), d_in: int(2), d_sae: int(3), model_from_pretrained_kwargs: kwargs }) // prettier-ignore
    const { config } = await readFolder({ 'x.pt': file(dict({ cfg, state_dict: dict(weights) })) })
    expect(config).to.include({ hookName: 'blocks.3.hook_z', flattenHeads: true })
    expect(config.processing).to.deep.equal({ foldLn: false })
  })

  it('reads the layout of hook-z-kk', async () => {
    const stem = 'tiny-gpt2-ref_L1_Hcat_z_lr1.20e-03_l11.00e+00_ds96_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9'
    const { config } = await read(`hook_z_kk/${stem}.pt`)
    expect(config).to.include({
      hookName: 'blocks.1.attn.hook_z',
      flattenHeads: true,
      dIn: 48,
      dSae: 96,
      contextSize: 24,
    })
    expect(config).to.include({ modelName: 'tiny-gpt2-ref', prependBos: true, applyBDecToInput: true })
  })

  it('reads the configs of older trainers, which count the dictionary in multiples', async () => {
    const old = { d_mlp: 2, dict_mult: 1.5, seq_len: 128 }
    expect(await refusalOf(() => configIn(old, 'x_cfg.json', hook))).to.match(/dict_mult is 1\.5/)
    const wrong = await configIn({ d_mlp: 2, dict_mult: 8, seq_len: 128 }, 'x_cfg.json', hook)
    expect(wrong).to.include({ dIn: 2, dSae: 16, contextSize: 128, ...hook }) // the tensors are checked against it
    const sited = await configIn({ act_size: 2, dict_size: 3, site: 'mlp_out', layer: 1 }, 'x_cfg.json')
    expect(sited.hookName).to.equal('blocks.1.hook_mlp_out')
    expect((await configIn({ site: 'z', layer: 4 }, 'x_cfg.json')).hookName).to.equal('blocks.4.attn.hook_z')
  })

  it('reads encoder runs, whose folder is named after the model', async () => {
    const first = await read('encoder_runs/tiny-gpt2-ref/54_serene_plasma.pt')
    expect(first.config).to.include({ hookName: 'blocks.0.mlp.hook_post', dIn: 192, dSae: 192, modelName: 'tiny-gpt2-ref' }) // prettier-ignore
    const second = await read('encoder_runs/tiny-gpt2-ref/189_giddy_water.pt')
    expect(second.config.hookName).to.equal('blocks.2.mlp.hook_post')
    const named = await configIn({ layer: 0, act: 'hook_mlp_out', model: 'tiny-stories-2L-33M' }, 'x.json')
    expect(named).to.include({ modelName: 'tiny-stories-2L-33M', dIn: 2, dSae: 3 })
  })

  it('refuses SAEs of one head and layers that are none', async () => {
    expect(await refusalOf(() => configIn({ act_name: 'blocks.0.attn.hook_z', head: 3 }, 'x_cfg.json'))).to.equal(
      'ConfigError: FOLDER/x_cfg.json: the SAE reads a single head (head). Only SAEs of a whole hook point are supported.',
    )
    const run = { layer: 0, act: 'attn.hook_z', head_idx: 1 }
    expect(await refusalOf(() => configIn(run, 'x.json'))).to.match(/^ConfigError: .*single head \(head_idx\)/)
    for (const layer of [-1, 0.5, '1', undefined, null])
      expect(await refusalOf(() => configIn({ layer, act: 'mlp.hook_post' }, 'x.json'))).to.match(
        /^ConfigError: FOLDER\/x\.json: layer is .*\. It must be a whole number from 0 up\.$/,
      )
    expect(await refusalOf(() => configIn({ layer: 0 }, 'x.json'))).to.match(/^ConfigError: .*field 'act' is missing/)
  })

  it('asks for the hook point where nothing says it, before any number is read', async () => {
    expect(await refusalOf(() => readFolder({}))).to.equal(
      "ConfigError: loadSae: FOLDER/x.pt does not say which hook point the SAE reads, and no JSON file beside it does. Give the option hookName, such as 'blocks.0.mlp.hook_post'.",
    )
    expect(await refusalOf(() => configIn({ d_mlp: 2, dict_mult: 8 }, 'x_cfg.json'))).to.match(
      /Give the option hookName/,
    )
  })

  it('refuses files that call a function, naming it, whatever it would do', async () => {
    const calls: [Uint8Array, string][] = [
      [call(name('posix', 'system'), str('echo')), 'posix.system'],
      [call(name('builtins', 'eval'), str('1')), 'builtins.eval'],
      [call(name('torch', 'load'), str('x')), 'torch.load'],
      [call(name('constructor', 'constructor'), str('x')), 'constructor.constructor'],
    ]
    for (const [value, said] of calls) {
      for (const content of [dict({ ...weights, cfg: value }), dict({ cfg: value, state_dict: dict(weights) })]) {
        const empty = Object.fromEntries(Object.entries(storages).map(([key, c]) => [key, { count: c.length / 4, content: c }])) // prettier-ignore
        for (const made of [file(content), torchStream(content, empty)])
          expect(await refusalOf(() => readFolder({ 'x.pt': made }, hook))).to.equal(
            `FileError: read FOLDER/x.pt: the pickle calls '${said}'. Nothing is run: only tensors and plain values are read.`,
          )
      }
    }
    for (const [hostile, said] of [
      ['malicious_reduce', 'posix.system'],
      ['malicious_eval_legacy', '__builtin__.eval'],
    ])
      // prettier-ignore
      expect(await refusalOf(() => read(`torch_pt/${hostile}.pt`, hook))).to.include(`the pickle calls '${said}'`)
  })

  it('refuses what holds no SAE, saying what it holds', async () => {
    const { W_enc, ...others } = weights
    const bad: [Uint8Array, RegExp][] = [
      [dict(others), /loadSae: FOLDER\/x\.pt holds b_enc, W_dec, b_dec\. The matrices W_enc \[d_in,d_sae\] and W_dec/],
      [dict({ ...weights, W_enc: part('1', 3) }), /The matrices W_enc/],
      [dict({ ...weights, steps: int(3) }), /'steps' of FOLDER\/x\.pt is 3\. A state dict holds tensors only/],
      [bytes(']'), /holds \[\]\. A dict of tensors, the SAE's weights, is needed/],
      [bytes('}'), /A dict of tensors/],
      [W_enc, /A dict of tensors/],
      [bytes(name('my.model', 'Encoder'), ')', [0x81], dict({ W: W_enc }), 'b'), /holds an object of class my\.model Encoder\. A dict/], // prettier-ignore
      [tuple(int(1)), /A dict of tensors/],
    ]
    for (const [value, says] of bad)
      expect(await refusalOf(() => readFolder({ 'x.pt': file(value) }, hook))).to.match(/^FileError: /).and.to.match(says) // prettier-ignore
    const nan = torchZip(dict(weights), { ...storages, 1: floats(1, NaN, 2) })
    expect(await refusalOf(() => readFolder({ 'x.pt': nan }, hook))).to.match(/^FileError: .*b_enc.*NaN/)
    expect(await refusalOf(() => readFolder({ 'x.pt': file().slice(0, 300) }, hook))).to.match(/^FileError: /)
  })
})
