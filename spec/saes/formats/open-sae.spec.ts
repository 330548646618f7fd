/** Which layout a folder, a file or an id has, and what is said of those that have none. */
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { folderSource } from '../../../lib/weights/source.js'
import { openSae } from '../../../saes/formats/open-sae.js'
import { readToEnd } from '../../support/saes.js'
import { refusalOf } from '../../support/refusal.js'
import { withFolder } from '../../support/weight-files.js'

const recorded = fileURLToPath(new URL('../../reference/saes', import.meta.url))
const facts = { hookName: 'blocks.0.hook_resid_pre' }
const read = async (folder: string, id: string) => readToEnd(openSae(await folderSource(path.join(recorded, folder), 'SOURCE'), id, facts)) // prettier-ignore

/** What is said of an id in a folder with these empty files. */
async function refusal(files: readonly string[], id: string): Promise<string> {
  let said = ''
  await withFolder(Object.fromEntries(files.map((file) => [file, ''])), async (folder) => {
    said = await refusalOf(async () => openSae(await folderSource(folder, 'SOURCE'), id, facts))
  })
  return said
}

const KNOWN =
  'Known layouts: SAELens (cfg.json, sae_weights.safetensors), Gemma Scope (params.npz), torch.save (.pt, .pth).'

describe('openSae', () => {
  it('tells the layouts apart by what is there, whether a folder, a file or its name without ending is named', async () => {
    const run = 'tiny-gpt2-ref/54_serene_plasma'
    const places: [string, string[], string][] = [
      [
        '',
        ['sae_lens_6/gated_resid_pre', 'sae_lens_6/gated_resid_pre/', 'sae_lens_6/gated_resid_pre/cfg.json'],
        'gated',
      ],
      ['sae_lens_5/v5_topk', ['', 'cfg.json', 'sae_weights.safetensors'], 'topk'],
      ['gemma_scope', ['layer_1/width_tiny/average_l0_8', 'layer_1/width_tiny/average_l0_8/params.npz'], 'jumprelu'],
      ['gemma_scope/layer_1/width_tiny/average_l0_8', ['', 'params_compressed.npz'], 'jumprelu'],
      ['encoder_runs', [run, `${run}.pt`], 'standard'],
      ['hook_z_kk', [''], 'standard'],
    ]
    for (const [folder, ids, kind] of places) {
      const sizes = new Set<string>()
      for (const id of ids) {
        const { config } = await read(folder, id)
        expect(config.architecture, `${folder}/${id}`).to.equal(kind)
        sizes.add(`${config.dIn} ${config.dSae}`)
      }
      expect(sizes.size).to.equal(1)
    }
  })

  it('takes a folder for what it holds, even when its name ends as a file does', async () => {
    const said = await refusal(['v5_32k_layer_0.pt/cfg.json', 'v5_32k_layer_0.pt/sae_weights.safetensors'], 'v5_32k_layer_0.pt') // prettier-ignore
    expect(said).to.include('v5_32k_layer_0.pt/cfg.json') // which is empty
  })

  it('refuses ids that lead elsewhere', async () => {
    for (const id of ['../sae_lens_6', 'a/../../b', '/etc/passwd', 'a\\b', 'a\0b', 'C:/x', './x'])
      expect(await refusalOf(() => read('sae_lens_5', id))).to.match(
        /^ArgumentError: loadSae: the id '.*' has .*\. Name a folder or file inside 'SOURCE'\.$/,
      )
  })

  it('says what a folder holds that is no SAE, or more than one', async () => {
    expect(await refusal(['a.txt', 'b/c.bin'], '')).to.equal(
      `FileError: loadSae: 'SOURCE' holds a.txt, b/c.bin, no SAE. ${KNOWN}`,
    )
    expect(await refusal([], '')).to.equal(`FileError: loadSae: 'SOURCE' holds nothing, no SAE. ${KNOWN}`)
    expect(await refusal(['a.txt', 'b/c.bin'], 'b')).to.include("'b' in 'SOURCE' holds b/c.bin, no SAE.")
    expect(await refusal(['a.txt'], 'a.txt')).to.equal(`FileError: loadSae: 'a.txt' in 'SOURCE' is no file of an SAE. ${KNOWN}`) // prettier-ignore
    const many = ['25.pt', '47.pt', '25_cfg.json', 'res/a/cfg.json', 'res/a/sae_weights.safetensors', 'l/w/params.npz']
    expect(await refusal(many, '')).to.equal(
      "FileError: loadSae: 'SOURCE' is not one SAE but holds 25, 47, l/w, res/a. Give the id of one of them.",
    )
    expect(await refusal(many, 'res')).to.include("'res' in 'SOURCE' is not one SAE but holds res/a.")
  })

  it('names the nearest where an id is not there', async () => {
    const files = ['25.pt', 'res/blocks.0/sae_weights.safetensors', 'layer_1/width_16k/average_l0_10/params.npz']
    expect(await refusal(files, 'res/blocks.1')).to.equal(
      "FileError: loadSae: 'SOURCE' has no SAE 'res/blocks.1'. Did you mean 'res/blocks.0'?",
    )
    expect(await refusal(files, 'layer_1/width_16k/average_l0_11')).to.include("Did you mean 'layer_1/width_16k/average_l0_10'?") // prettier-ignore
    expect(await refusal(files, 'something else altogether, far away')).to.include('It holds 25, layer_1/width_16k/average_l0_10, res/blocks.0.') // prettier-ignore
  })

  it('says which part of a folder is missing', async () => {
    expect(await refusal(['x/sae_weights.safetensors'], 'x')).to.match(/^FileError: .*no file 'x\/cfg\.json'/)
    expect(await refusal(['x/cfg.json'], 'x')).to.match(/^FileError: .*x\/cfg\.json/)
  })
})
