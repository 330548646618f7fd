/** loadSae: names, folders, and everything that may be wrong with them. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { allProcessing } from '../../lib/weights/process.js'
import { encodeSafetensors } from '../../lib/weights/formats/safetensors.js'
import { embeddedSaes, JumpReluSae, StandardSae } from '../../saes/index.js'
import { loadSae } from '../../saes/load-sae.js'
import { expectClose, tolerances } from '../support/close.js'
import { randomTensor, rowsOf } from '../support/saes.js'
import { refusalOf } from '../support/refusal.js'
import { seededRandom, withFolder } from '../support/weight-files.js'

const recorded = fileURLToPath(new URL('../reference/saes', import.meta.url))
const config = { d_in: 4, d_sae: 6, hook_name: 'blocks.0.hook_resid_pre' }

type Tensors = Record<string, { shape: number[]; values: Float32Array | Int32Array }>

/** Weights of a sound standard SAE of 4 numbers and 6 latents. */
function sound(): Tensors {
  const next = seededRandom(3)
  const make = (...shape: number[]) => ({
    shape,
    values: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => next() - 0.5),
  })
  return { W_enc: make(4, 6), b_enc: make(6), W_dec: make(6, 4), b_dec: make(4) }
}

/** The refusal of a folder with these tensors. The root hook sees to it that nothing is left of the attempt. */
async function refusalOfFolder(tensors: Tensors, json: object = config, cut = 0): Promise<string> {
  const bytes = encodeSafetensors(tensors)
  const files = {
    'sae/cfg.json': JSON.stringify(json),
    'sae/sae_weights.safetensors': bytes.slice(0, bytes.length - cut),
  }
  let refusal = ''
  await withFolder(files, async (folder) => {
    refusal = (await refusalOf(() => loadSae(folder, 'sae'))).replaceAll(folder, 'FOLDER')
  })
  return refusal
}

describe('loadSae', () => {
  it('loads each embedded SAE by release and id', async () => {
    expect(embeddedSaes().map((name) => name.join('/'))).to.have.members([
      ...[0, 1, 2, 3].map((l) => `pocket-res/blocks.${l}.hook_resid_pre`),
      'pocket-res/blocks.3.hook_resid_post',
      ...[0, 1, 2, 3].map((l) => `pocket-z/blocks.${l}.hook_z`),
      ...[1, 3].map((l) => `pocket-mlp/blocks.${l}.mlp.hook_post`),
      'pocket-scope/layer_2/width_768/canonical',
    ])
    for (const [release, id] of embeddedSaes()) {
      using sae = await loadSae(release, id)
      expect(sae.label).to.equal(`${release}/${id}`)
      expect(sae.config.processing).to.deep.equal(allProcessing)
      if (release === 'pocket-scope') {
        expect(sae).to.be.instanceOf(JumpReluSae)
      } else {
        expect(sae).to.be.instanceOf(StandardSae)
        expect(sae.logSparsity).to.have.length(sae.config.dSae)
        expect(Math.max(...sae.logSparsity!)).to.be.at.most(0)
      }
      const norms = rowsOf(sae.W_dec).map((row) => Math.sqrt(row.reduce((sum, v) => sum + v * v, 0)))
      // rows of norm 1 before they were stored as float16, which has 11 bits
      expectClose(
        norms,
        norms.map(() => 1),
        2 ** -10,
        sae.label,
      )
    }
  })

  it('loads a folder, by its path or as release and id, with every weight in its place', async () => {
    const tensors = sound()
    const files = { 'a/cfg.json': JSON.stringify(config), 'a/sae_weights.safetensors': encodeSafetensors(tensors) }
    await withFolder(files, async (folder) => {
      for (const names of [[folder, 'a'], [path.join(folder, 'a')]] as [string, string?][]) {
        using sae = await loadSae(...names)
        expect(sae.label).to.equal(`${folder}/a`)
        for (const [name, { shape, values }] of Object.entries(tensors)) {
          expect(sae.weight(name).shape).to.deep.equal(shape)
          expectClose(sae.weight(name), values, 0, name)
        }
      }
    })
  })

  it('loads a file by its path, what it does not say given as options', async () => {
    const file = path.join(recorded, 'torch_pt/25.pt')
    const hookName = 'blocks.0.mlp.hook_post'
    using given = await loadSae(file, { hookName })
    using alike = await loadSae(file, undefined, { hookName })
    using original = await loadSae(recorded, 'sae_lens_6/standard_mlp_post')
    expect([given.label, given.hookName, alike.hookName]).to.deep.equal([file, hookName, hookName])
    for (const name of ['W_enc', 'b_enc', 'W_dec', 'b_dec'])
      expectClose(given.weight(name), original.weight(name), 0, name)
    expect((await refusalOf(() => loadSae(file, 'x'))).replace(file, 'FILE')).to.equal(
      "ArgumentError: loadSae: 'FILE' is a file, so it has no SAE 'x'. Name the file alone.",
    )
    expect(await refusalOf(() => loadSae(file))).to.match(/^ConfigError: .*Give the option hookName/)
    const tensors = sound()
    const files = { 'a/cfg.json': JSON.stringify(config), 'a/sae_weights.safetensors': encodeSafetensors(tensors) }
    await withFolder(files, async (folder) => {
      using sae = await loadSae(path.join(folder, 'a/cfg.json'))
      expectClose(sae.W_enc, tensors['W_enc']!.values, 0)
    })
  })

  it('takes weights that are stored as integers', async () => {
    const values = Int32Array.of(0, 1, -2, 3, 4, 5)
    const tensors = { ...sound(), b_enc: { shape: [6], values } }
    const files = { 'cfg.json': JSON.stringify(config), 'sae_weights.safetensors': encodeSafetensors(tensors) }
    await withFolder(files, async (folder) => {
      using sae = await loadSae(folder)
      expect(sae.weight('b_enc').dtype).to.equal('float32')
      expectClose(sae.weight('b_enc'), values, 0)
    })
  })

  it('widens bfloat16 to what was stored', async () => {
    using wide = await loadSae(recorded, 'sae_lens_6/standard_resid_pre')
    using narrow = await loadSae(recorded, 'sae_lens_6/standard_resid_pre_bfloat16')
    // bfloat16 keeps 8 bits: half a unit in the last place is 2^-9 of the value
    expectClose(narrow.W_enc, wide.W_enc, { atol: 0, rtol: 2 ** -8 })
    const x = randomTensor([2, 48], 1)
    const acts = narrow.encode(x)
    expect(acts.shape).to.deep.equal([2, 96])
    acts.dispose()
    x.dispose()
  })

  it('refuses an unknown release, naming the nearest', async () => {
    expect(await refusalOf(() => loadSae('pocket-ress', 'blocks.0.hook_resid_pre'))).to.equal(
      "ArgumentError: loadSae: there is no release, folder or file 'pocket-ress'. Name a folder or file of an SAE, a repository 'org/name' of the Hugging Face hub, or one of saeReleases(), such as pocket-res or gpt2-small-res-jb. Did you mean 'pocket-res'?",
    )
    for (const name of ['toString', '__proto__', ''])
      expect(await refusalOf(() => loadSae(name)), name).to.match(
        /^ArgumentError: loadSae: there is no release, folder or file/,
      )
  })

  it('refuses an unknown id, naming the nearest', async () => {
    expect(await refusalOf(() => loadSae('pocket-mlp', 'blocks.1.mlp.hook_pots'))).to.equal(
      "ArgumentError: loadSae: the release 'pocket-mlp' has no SAE 'blocks.1.mlp.hook_pots'. It has blocks.1.mlp.hook_post, blocks.3.mlp.hook_post. Did you mean 'blocks.1.mlp.hook_post'?",
    )
    expect(await refusalOf(() => loadSae('pocket-mlp'))).to.match(
      /^ArgumentError: loadSae: .*'pocket-mlp'.*blocks\.1\.mlp\.hook_post, blocks\.3\.mlp\.hook_post\./,
    )
    expect(await refusalOf(() => loadSae(recorded, 'sae_lens_6/gated_resid_per'))).to.match(
      /^FileError: .* has no SAE 'sae_lens_6\/gated_resid_per'\. Did you mean 'sae_lens_6\/gated_resid_pre'\?/,
    )
  })

  it('refuses kinds it does not compute, by their name', async () => {
    const weights = sound()
    for (const architecture of ['gatedd', 'constructor', 'crosscoder'])
      expect(await refusalOfFolder(weights, { ...config, architecture })).to.include(
        `is a '${architecture}' SAE, which is not`,
      )
    expect(await refusalOfFolder(weights, { ...config, architecture: 'standart' })).to.include(
      "Did you mean 'standard'?",
    )
  })

  it('refuses options that it does not have, and kinds that have the name of another', async () => {
    expect(await refusalOf(() => loadSae('pocket-scope', { hookname: 'blocks.0.hook_resid_pre' } as object))).to.match(
      /^ArgumentError: loadSae: there is no option 'hookname'\. Did you mean 'hookName'\?/,
    )
    expect(await refusalOf(() => loadSae('pocket-scope', { kinds: { topk: JumpReluSae } }))).to.equal(
      "ArgumentError: loadSae: kinds has 'topk', which is a kind of SAE already. Name yours otherwise.",
    )
  })

  it('refuses tensors that are missing, left over or of another shape', async () => {
    const { W_dec: _left, ...missing } = sound()
    expect(await refusalOfFolder(missing)).to.equal(
      "FileError: loadSae: 'FOLDER/sae' has no tensor 'W_dec'. Its config asks for one of shape [6,4].",
    )
    const threshold = { shape: [6], values: new Float32Array(6) }
    expect(await refusalOfFolder({ ...sound(), threshold, b_gate: threshold })).to.equal(
      "FileError: loadSae: 'FOLDER/sae' has tensors that a standard SAE has no place for: threshold, b_gate.",
    )
    const { W_enc, W_dec, ...others } = sound()
    expect(await refusalOfFolder({ ...others, W_enc: W_dec!, W_dec: W_enc! })).to.equal(
      "ConfigError: loadSae: W_enc of 'FOLDER/sae' has shape [6,4]. Its config asks for [4,6].",
    )
    expect(await refusalOfFolder(sound(), { ...config, d_sae: 7 })).to.include('Its config asks for [4,7].')
  })

  it('refuses numbers that are none and files that end early', async () => {
    const tensors = sound()
    tensors['W_dec']!.values[5] = NaN
    expect(await refusalOfFolder(tensors)).to.match(/^FileError: .*W_dec.*NaN/)
    for (const cut of [1, 100, 280])
      expect(await refusalOfFolder(sound(), config, cut), `${cut} bytes cut off`).to.match(/^FileError: .*sae_weights/)
  })

  it('refuses a folder whose config lacks a field', async () => {
    expect(await refusalOfFolder(sound(), { ...config, d_sae: undefined })).to.equal(
      "ConfigError: FOLDER/sae/cfg.json: the field 'd_sae' is missing. It must be a whole number above 0. Did you mean 'd_in'?",
    )
    const head = { ...config, hook_head_index: 2 }
    expect(await refusalOfFolder(sound(), head)).to.include('the SAE reads a single head')
  })

  it('can load the reference SAE of another program as it lies on disk', async () => {
    const folder = path.join(recorded, 'sae_lens_runner_cfg/blocks.1.hook_resid_pre')
    using old = await loadSae(folder)
    using standard = await loadSae(recorded, 'sae_lens_5/v5_standard')
    expectClose(old.W_enc, standard.W_enc, 0)
    const json = JSON.parse(await readFile(path.join(folder, 'cfg.json'), 'utf8')) as { hook_point: string }
    expect(old.hookName).to.equal(json.hook_point)
    const x = randomTensor([3, 48], 4)
    const [a, b] = [old.encode(x), standard.encode(x)]
    expectClose(a, b, tolerances.layer)
    for (const tensor of [x, a, b]) tensor.dispose()
  })
})
