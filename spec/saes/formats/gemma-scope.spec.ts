/** Gemma Scope's params.npz: what path and repository say, and files that are not its. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { folderSource } from '../../../lib/weights/source.js'
import { gemmaScopeFacts, openGemmaScope } from '../../../saes/formats/gemma-scope.js'
import type { SaeFacts } from '../../../saes/formats/sae-files.js'
import { openSaeLensFolder } from '../../../saes/formats/saelens.js'
import { npy, npz } from '../../support/npy-files.js'
import { readToEnd, type ReadSae } from '../../support/saes.js'
import { refusalOf } from '../../support/refusal.js'
import { floats } from '../../support/torch-files.js'
import { withFolder } from '../../support/weight-files.js'

const recorded = fileURLToPath(new URL('../../reference/saes', import.meta.url))
const hook = { hookName: 'blocks.1.hook_resid_post' }
const array = (...shape: number[]) => {
  const count = shape.reduce((a, b) => a * b)
  return npy({ shape, data: floats(...Array.from({ length: count }, (_, i) => i + 1)) })
}
/** Of 4 numbers and 6 latents. */
const sound = { W_enc: array(4, 6), W_dec: array(6, 4), b_enc: array(6), b_dec: array(4), threshold: array(6) }

async function read(place: string, content: Uint8Array, facts: SaeFacts = {}): Promise<ReadSae> {
  let result: ReadSae | undefined
  await withFolder({ [`${place}/params.npz`]: content }, async (folder) => {
    result = await readToEnd(openGemmaScope(await folderSource(folder, 'FOLDER'), `${place}/params.npz`, facts))
  })
  return result!
}

describe('openGemmaScope', () => {
  it('reads the numbers of the SAE that the file was made of, stored and deflated', async () => {
    const source = await folderSource(recorded)
    const original = await readToEnd(openSaeLensFolder(source, 'sae_lens_6/jumprelu_resid_post/'))
    for (const file of ['params.npz', 'params_compressed.npz']) {
      const place = `gemma_scope/layer_1/width_tiny/average_l0_8/${file}`
      const { config, tensors } = await readToEnd(openGemmaScope(source, place, hook))
      expect(config).to.include({ architecture: 'jumprelu', applyBDecToInput: false, normalization: 'none', ...hook })
      expect(config).to.include({ dIn: 48, dSae: 96, contextSize: 1024, prependBos: true })
      for (const [name, tensor] of original.tensors) expect(tensors.get(name), name).to.deep.equal(tensor)
      expect(tensors.size).to.equal(original.tensors.size)
    }
  })

  it('knows hook point and model from the repository in the path', async () => {
    const sites = {
      'gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71': ['gemma-2-2b', 'blocks.20.hook_resid_post'],
      'models--google--gemma-scope-9b-pt-mlp/x/layer_3/width_16k/average_l0_9': ['gemma-2-9b', 'blocks.3.hook_mlp_out'],
      'gemma-scope-2b-pt-att/layer_0/width_65k/average_l0_75': ['gemma-2-2b', 'blocks.0.attn.hook_z'],
      'gemma-scope-9b-it-res/layer_31/width_16k/average_l0_76': ['gemma-2-9b-it', 'blocks.31.hook_resid_post'],
      'gemma-scope-27b-pt-res/layer_10/width_131k/average_l0_106': ['gemma-2-27b', 'blocks.10.hook_resid_post'],
    }
    for (const [place, [model, hookName]] of Object.entries(sites)) {
      const { config } = await read(place, npz(sound))
      expect([config.modelName, config.hookName, config.flattenHeads]).to.deep.equal([
        model,
        hookName,
        /att/.test(place),
      ])
      expect(config.processing).to.deep.equal({
        foldLn: false,
        centerWritingWeights: false,
        centerUnembed: false,
        foldValueBiases: false,
      })
    }
    expect(gemmaScopeFacts('gemma-scope-2b-pt-resolved/layer_1/')).to.deep.equal({})
    expect(gemmaScopeFacts('somewhere/layer_1/width_1k')).to.deep.equal({})
  })

  it('reads transcoders across the MLP', async () => {
    const { config } = await read('gemma-scope-2b-pt-transcoders/layer_3/width_16k/average_l0_54', npz(sound))
    expect(config).to.include({ architecture: 'jumprelu_transcoder', dOut: 4, applyBDecToInput: false })
    expect([config.hookName, config.hookNameOut]).to.deep.equal([
      'blocks.3.ln2.hook_normalized',
      'blocks.3.hook_mlp_out',
    ])
  })

  it('rescales SAEs of the embedding, which hook_embed has times √d_model', async () => {
    const { config, tensors } = await read('gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6', npz(sound))
    expect(config.hookName).to.equal('hook_embed')
    expect([...tensors.get('W_enc')!.values].slice(0, 3)).to.deep.equal([0.5, 1, 1.5])
    expect([...tensors.get('W_dec')!.values].slice(0, 3)).to.deep.equal([2, 4, 6])
    expect([...tensors.get('b_dec')!.values]).to.deep.equal([1, 2, 3, 4])
  })

  it('takes the names of early files, and says more about the SAE where the caller does', async () => {
    const { W_enc, W_dec, ...others } = sound
    const facts = { ...hook, contextSize: 128, prependBos: false, processing: { foldLn: true } }
    const { config, tensors } = await read('layer_1', npz({ w_enc: W_enc, w_dec: W_dec, ...others }), facts)
    expect([...tensors.keys()].sort()).to.deep.equal(['W_dec', 'W_enc', 'b_dec', 'b_enc', 'threshold'])
    expect(config).to.include({ contextSize: 128, prependBos: false })
    expect(config.processing).to.deep.equal({ foldLn: true })
  })

  it('asks for the hook point where the path names no repository', async () => {
    expect(await refusalOf(() => read('layer_7/width_1k/average_l0_9', npz(sound)))).to.equal(
      "ConfigError: loadSae: FOLDER/layer_7/width_1k/average_l0_9/params.npz does not say which hook point the SAE reads, and its path names no Gemma Scope repository. Give the option hookName, such as 'blocks.7.hook_resid_post' (res), 'blocks.7.hook_mlp_out' (mlp), 'blocks.7.attn.hook_z' (att).",
    )
  })

  it('refuses files with other arrays, with objects, with lying headers, and those that end early', async () => {
    const { threshold: _, ...four } = sound
    const bad: [Uint8Array, RegExp][] = [
      [npz(four), /params\.npz holds W_enc, W_dec, b_enc, b_dec, and no threshold\. A file of Gemma Scope holds/],
      [npz({ ...sound, W_enc: array(24) }), /The matrices W_enc \[d_in,d_sae\]/],
      [npz({ ...sound, b_dec: npy({ descr: '|O', shape: [1], data: floats(1) }) }), /objects are pickles, which may run code/], // prettier-ignore
      [npz({ ...sound, b_dec: npy({ shape: [1e9, 1e9], data: floats(1) }) }), /4 bytes of numbers\..* takes 4000000000000000000/], // prettier-ignore
      [npz({ ...sound, b_dec: npy({ shape: [4], data: floats(1, 2, Infinity, 4) }) }), /b_dec.*Infinity/],
      [npz(sound).slice(0, -1), /no zip directory/],
      [new TextEncoder().encode('not an archive'), /no zip directory/],
    ]
    for (const [content, says] of bad)
      expect(await refusalOf(() => read('layer_0', content, hook))).to.match(/^FileError: /).and.to.match(says) // prettier-ignore
    const deflated = await readFile(path.join(recorded, 'gemma_scope/layer_1/width_tiny/average_l0_8/params_compressed.npz')) // prettier-ignore
    const damaged = deflated.map((byte, i) => (i > 300 && i < 320 ? byte ^ 0xff : byte))
    expect(await refusalOf(() => read('layer_0', damaged, hook))).to.match(/^FileError: /)
  })
})
