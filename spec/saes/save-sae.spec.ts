/** saveSae: what is written is what was loaded, bit for bit, in the words SAELens 6 uses. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { loadSae } from '../../saes/load-sae.js'
import { saveSae, type Sae } from '../../saes/index.js'
import { randomSae, randomTensor } from '../support/saes.js'
import { refusalOf } from '../support/refusal.js'
import { decodePlainly, withFolder } from '../support/weight-files.js'

const recorded = fileURLToPath(new URL('../reference/saes', import.meta.url))

const json = async (...parts: string[]) =>
  JSON.parse(await readFile(path.join(...parts), 'utf8')) as Record<string, unknown>
const floatsIn = async (...parts: string[]) =>
  Object.fromEntries([...decodePlainly(await readFile(path.join(...parts)))].map(([name, t]) => [name, { shape: t.shape, values: t.values }])) // prettier-ignore

/** The folders of one version of SAELens. */
const idsOf = async (version: string) => (await readdir(path.join(recorded, version))).map((id) => `${version}/${id}`)

function weightsOf(sae: Sae): Record<string, number[]> {
  return Object.fromEntries(Object.keys(sae.weightShapes()).map((name) => [name, [...sae.weight(name).dataSync()]]))
}

/** Latents of inputs drawn from a seed. */
function encoded(sae: Sae): number[] {
  const x = randomTensor([2, 3, sae.config.dIn], 5)
  const acts = sae.encode(x)
  const values = [...acts.dataSync()]
  x.dispose()
  acts.dispose()
  return values
}

describe('saveSae', () => {
  it('writes an SAE of SAELens 6 as it was: the same config and the same numbers', async () => {
    const ids = await idsOf('sae_lens_6')
    expect(ids).to.have.length.at.least(20)
    await withFolder({}, async (folder) => {
      for (const id of ids) {
        using sae = await loadSae(recorded, id)
        await saveSae(sae, path.join(folder, id))
        const [was, is] = [await json(recorded, id, 'cfg.json'), await json(folder, id, 'cfg.json')]
        // settings of the training loss alone, which a loaded SAE has no use for
        if (was['architecture'] === 'batchtopk')
          for (const key of ['decoder_init_norm', 'aux_loss_coefficient', 'topk_threshold_lr']) delete was[key]
        expect({ ...is, dtype: was['dtype'] }, id).to.deep.equal(was)
        expect(await floatsIn(folder, id, 'sae_weights.safetensors'), id).to.deep.equal(
          await floatsIn(recorded, id, 'sae_weights.safetensors'),
        )
        expect((await readdir(path.join(folder, id))).sort()).to.deep.equal(['cfg.json', 'sae_weights.safetensors'])
      }
    })
  })

  it('gives back the same SAE, whatever layout it came from', async () => {
    const hookName = 'blocks.0.mlp.hook_post'
    const others: [string, object][] = [
      ['gemma_scope/layer_1/width_tiny/average_l0_8', { hookName: 'blocks.1.hook_resid_post' }],
      ['hook_z_kk', {}],
      ['torch_pt/25.pt', { hookName, modelName: 'tiny', contextSize: 24, processing: { foldLn: false } }],
      ['torch_pt/final_sparse_autoencoder_tiny-gpt2-ref_blocks.1.hook_resid_pre_96.pt', {}],
      ['encoder_runs/tiny-gpt2-ref/189_giddy_water', {}],
    ]
    const older = [
      ...(await idsOf('sae_lens_3')),
      ...(await idsOf('sae_lens_5')),
      ...(await idsOf('sae_lens_runner_cfg')),
    ]
    const all = [...older.map((id): [string, object] => [id, {}]), ...others]
    await withFolder({}, async (folder) => {
      for (const [id, facts] of all) {
        using sae = await loadSae(recorded, id, facts)
        await saveSae(sae, path.join(folder, id))
        using back = await loadSae(folder, id)
        const [{ metadata: _, activation, ...was }, { metadata: __, ...is }] = [sae.config, back.config]
        // standard with top-k is the top-k SAE, under the name it has today
        const now = activation === 'topk' ? { architecture: 'topk' } : activation ? { activation } : {}
        expect(is, id).to.deep.equal({ prependBos: true, ...was, ...now })
        const acts = [sae, back].map((one) => encoded(one))
        expect(acts[1], id).to.deep.equal(acts[0])
        expect(weightsOf(back), id).to.deep.equal(weightsOf(sae))
        expect(back.logSparsity, id).to.deep.equal(sae.logSparsity)
      }
    })
  })

  it('keeps what the config said of the training, and says which version can read it', async () => {
    using sae = await loadSae(recorded, 'sae_lens_5/v5_standard')
    await withFolder({}, async (folder) => {
      await saveSae(sae, folder)
      const { metadata } = (await json(folder, 'cfg.json')) as { metadata: Record<string, unknown> }
      expect(metadata).to.deep.equal({
        sae_lens_version: '6.5.3',
        sae_lens_training_version: '5.11.0',
        dataset_path: 'tiny/templates',
        seqpos_slice: [null],
        model_name: 'tiny-gpt2-ref',
        hook_name: 'blocks.1.hook_resid_pre',
        hook_head_index: null,
        context_size: 24,
        prepend_bos: true,
        neuronpedia_id: 'tiny-gpt2-ref/1-ref-0',
        model_from_pretrained_kwargs: {},
      })
      expect((await readdir(folder)).sort()).to.include('sparsity.safetensors')
    })
  })

  it('writes what SAELens 6 has no keys for with those of version 5', async () => {
    await withFolder({}, async (folder) => {
      const [scaled, squashed] = ['v5_scaling_factor', 'v5_tanh_relu']
      for (const id of [scaled!, squashed!]) {
        using sae = await loadSae(recorded, `sae_lens_5/${id}`)
        await saveSae(sae, path.join(folder, id))
      }
      const config = await json(folder, scaled!, 'cfg.json')
      expect(config['finetuning_scaling_factor']).to.equal(true)
      expect(config).to.not.have.any.keys('metadata', 'sae_lens_version')
      expect(await floatsIn(folder, scaled!, 'sae_weights.safetensors')).to.include.keys('scaling_factor')
      expect((await json(folder, squashed!, 'cfg.json'))['activation_fn_str']).to.equal('tanh-relu')
    })
  })

  it('refuses a folder that holds an SAE, unless it is to be replaced, and leaves nothing of the old one', async () => {
    await withFolder({ 'notes.txt': 'kept' }, async (folder) => {
      using old = await loadSae(recorded, 'sae_lens_5/v5_standard')
      await saveSae(old, folder)
      using sae = randomSae()
      const before = await readFile(path.join(folder, 'cfg.json'), 'utf8')
      expect((await refusalOf(() => saveSae(sae, folder))).replace(folder, 'FOLDER')).to.equal(
        "ArgumentError: saveSae: 'FOLDER' holds an SAE already. Name another folder, or pass overwrite: true to replace it.",
      )
      expect(await readFile(path.join(folder, 'cfg.json'), 'utf8')).to.equal(before)
      await saveSae(sae, folder, { overwrite: true })
      expect((await readdir(folder)).sort()).to.deep.equal(['cfg.json', 'notes.txt', 'sae_weights.safetensors'])
      using back = await loadSae(folder)
      expect(weightsOf(back)).to.deep.equal(weightsOf(sae))
    })
    using sae = randomSae()
    expect(await refusalOf(() => saveSae(sae, ''))).to.match(/^ArgumentError: saveSae: the folder is ''/)
    expect(await refusalOf(() => saveSae(sae, 'here', { overwrites: true } as object))).to.equal(
      "ArgumentError: saveSae: there is no option 'overwrites'. Did you mean 'overwrite'? The options are overwrite.",
    )
  })

  it('says so when it cannot write, and when the SAE was disposed', async () => {
    await withFolder({}, async (folder) => {
      const file = path.join(folder, 'file')
      await writeFile(file, '')
      const sae = randomSae()
      expect(await refusalOf(() => saveSae(sae, path.join(file, 'sae')))).to.match(
        /^FileError: saveSae: cannot replace/,
      )
      sae.dispose()
      expect(await refusalOf(() => saveSae(sae, path.join(folder, 'sae')))).to.match(/^ArgumentError: .*was disposed/)
      expect(await readdir(folder)).to.deep.equal(['file'])
    })
  })
})
