/** Releases by name: what each says of its SAEs, and how they come from the hub. */
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import type { DownloadEvent } from '../../../lib/weights/hub/download-events.js'
import { loadSae, type LoadSaeOptions } from '../../../saes/load-sae.js'
import { saeReleases } from '../../../saes/index.js'
import { findInRelease, findRelease } from '../../../saes/releases/index.js'
import { expectClose } from '../../support/close.js'
import { HubServer, type Repository } from '../../support/hub-server.js'
import { refusalOf } from '../../support/refusal.js'
import { rowsOf } from '../../support/saes.js'
import { keptEnvironment } from '../../support/environment.js'

const recorded = fileURLToPath(new URL('../../reference/saes', import.meta.url))
const file = (name: string) => readFileSync(path.join(recorded, name))

/** A repository with recorded files under other names. */
function repository(files: Readonly<Record<string, string>>): Repository {
  const contents = new Map(Object.entries(files).map(([name, from]) => [name, from.startsWith('{') ? Buffer.from(from) : file(from)])) // prettier-ignore
  return {
    files: contents,
    commit: createHash('sha1')
      .update([...contents.keys()].join())
      .digest('hex'),
  }
}
const folder = (name: string, from: string) => ({
  [`${name}/cfg.json`]: `${from}/cfg.json`,
  [`${name}/sae_weights.safetensors`]: `${from}/sae_weights.safetensors`,
})

const layers = (n: number) => Array.from({ length: n }, (_, i) => i)

describe('saeReleases', () => {
  it('lists every release once, each with its model and ids', () => {
    const releases = saeReleases()
    expect(new Set(releases.map(({ name }) => name)).size).to.equal(releases.length)
    for (const { name, model, ids, repository } of releases) {
      expect(new Set(ids).size, name).to.equal(ids.length)
      expect(ids.length, name).to.be.greaterThan(0)
      expect(model, name).to.match(/^[\w./-]+$/)
      expect(repository ?? 'pocket/x', name).to.match(/^[\w.-]+\/[\w.-]+$/)
    }
  })

  const of = (name: string) => saeReleases().find((release) => release.name === name)!
  const pathOf = (name: string, id: string) => findInRelease(findRelease(name)!, id).path
  const factsOf = (name: string, id: string) => findInRelease(findRelease(name)!, id).facts

  it('knows those of GPT-2 small, and the weights they want', () => {
    const residual = of('gpt2-small-res-jb')
    expect(residual.ids).to.deep.equal([
      ...layers(12).map((l) => `blocks.${l}.hook_resid_pre`),
      'blocks.11.hook_resid_post',
    ])
    expect(residual.repository).to.equal('jbloom/GPT2-Small-SAEs-Reformatted')
    expect(residual.processing).to.deep.equal({ centerWritingWeights: true })
    expect(factsOf('gpt2-small-res-jb', 'blocks.11.hook_resid_post').neuronpediaId).to.equal('gpt2-small/12-res-jb')
    expect(of('gpt2-small-hook-z-kk').processing).to.include({ foldValueBiases: false })
    expect(pathOf('gpt2-small-hook-z-kk', 'blocks.10.hook_z')).to.equal(
      'gpt2-small_L10_Hcat_z_lr1.20e-03_l11.30e+00_ds24576_bs4096_dc1.00e-05_rsanthropic_rie25000_nr4_v9.pt',
    )
    expect(of('gpt2-small-resid-post-v5-32k').ids).to.have.length(12)
    expect(pathOf('gpt2-small-resid-post-v5-32k', 'blocks.5.hook_resid_post')).to.equal('v5_32k_layer_5.pt/')
    expect(pathOf('gpt2-small-mlp-out-v5-128k', 'blocks.5.hook_mlp_out')).to.equal('v5_128k_layer_5')
  })

  it('resolves the canonical SAEs of Gemma Scope, and takes any other folder as it is', () => {
    const residual = of('gemma-scope-2b-pt-res-canonical')
    expect(residual.ids.filter((id) => id.includes('width_16k'))).to.have.length(26)
    expect(residual.ids.filter((id) => id.includes('width_65k'))).to.have.length(26)
    const counts = Object.fromEntries(['2b-pt-mlp', '2b-pt-att', '9b-pt-res', '9b-pt-mlp', '9b-pt-att', '9b-it-res'].map((name) => [name, of(`gemma-scope-${name}-canonical`).ids.length])) // prettier-ignore
    expect(counts).to.deep.equal({
      '2b-pt-mlp': 52,
      '2b-pt-att': 52,
      '9b-pt-res': 90,
      '9b-pt-mlp': 84,
      '9b-pt-att': 84,
      '9b-it-res': 6,
    })
    const id = 'layer_20/width_16k/canonical'
    expect(pathOf('gemma-scope-2b-pt-res-canonical', id)).to.equal('layer_20/width_16k/average_l0_71')
    expect(pathOf('gemma-scope-2b-pt-res', id)).to.equal('layer_20/width_16k/average_l0_71')
    expect(pathOf('gemma-scope-2b-pt-res-canonical', 'layer_12/width_1m/canonical')).to.equal('layer_12/width_1m/average_l0_107') // prettier-ignore
    expect(pathOf('gemma-scope-9b-it-res-canonical', id)).to.equal('layer_20/width_16k/average_l0_91')
    expect(factsOf('gemma-scope-9b-it-res-canonical', id).neuronpediaId).to.equal('gemma-2-9b-it/20-gemmascope-res-16k')
    expect(of('gemma-scope-9b-it-res-canonical').model).to.equal('gemma-2-9b-it')
    const other = 'layer_0/width_16k/average_l0_13'
    expect(pathOf('gemma-scope-2b-pt-res', other)).to.equal(other)
    expect(() => pathOf('gemma-scope-2b-pt-res-canonical', other)).to.throw(/has no SAE 'layer_0\/width_16k\/average_l0_13'/) // prettier-ignore
  })
})

describe('loadSae from the hub', () => {
  let server: HubServer
  let cacheDir: string
  let restore: () => void
  let options: LoadSaeOptions

  before(async () => {
    server = await HubServer.start()
    const residual = folder('blocks.1.hook_resid_pre', 'sae_lens_runner_cfg/blocks.1.hook_resid_pre')
    server.add('jbloom/GPT2-Small-SAEs-Reformatted', repository(residual))
    const stem = 'gpt2-small_L1_Hcat_z_lr1.20e-03_l18.00e-01_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v5'
    const recordedStem = 'hook_z_kk/tiny-gpt2-ref_L1_Hcat_z_lr1.20e-03_l11.00e+00_ds96_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9' // prettier-ignore
    server.add(
      'ckkissane/attn-saes-gpt2-small-all-layers',
      repository({ [`${stem}.pt`]: `${recordedStem}.pt`, [`${stem}_cfg.json`]: `${recordedStem}_cfg.json` }),
    )
    const params = 'gemma_scope/layer_1/width_tiny/average_l0_8/params.npz'
    server.add(
      'google/gemma-scope-2b-pt-res',
      repository({
        'layer_1/width_16k/average_l0_102/params.npz': params,
        'layer_1/width_16k/average_l0_10/params.npz': params,
        'embedding/width_4k/average_l0_6/params.npz': params,
      }),
    )
    server.add(
      'NeelNanda/sparse_autoencoder',
      repository({ '25.pt': 'torch_pt/25.pt', '25_cfg.json': '{"d_mlp": 192, "dict_mult": 1, "seq_len": 128}' }),
    )
    const averaged = folder('sae_group_gpt2_blocks.3.hook_mlp_out_24576:v0', 'sae_lens_6/standard_resid_mid_average')
    server.add('tommmcgrath/gpt2-small-mlp-out-saes', repository(averaged))
    server.add(
      'jbloom/GPT2-Small-OAI-v5-32k-resid-post-SAEs',
      repository(folder('v5_32k_layer_5.pt', 'sae_lens_5/v5_standard_with_topk')),
    )
    server.add('org/saes', repository(folder('deep/one', 'sae_lens_6/topk_resid_post')))
    server.add('org/saes', repository(folder('deep/two', 'sae_lens_6/gated_resid_pre')), 'v2')
  })
  after(() => server.close())

  beforeEach(async () => {
    restore = keptEnvironment()
    for (const name of Object.keys(process.env)) if (/^(HF|HUGGING|XDG_CACHE)/.test(name)) delete process.env[name]
    cacheDir = await mkdtemp(path.join(tmpdir(), 'tfjs-lens-hub-'))
    process.env['HF_HOME'] = path.join(cacheDir, 'home') // no token of this machine
    options = { endpoint: server.url, cacheDir, retryDelay: 1 }
  })
  afterEach(async () => {
    restore()
    await rm(cacheDir, { recursive: true })
  })

  it('loads gpt2-small-res-jb, whose config does not say which weights it wants', async () => {
    const config = JSON.parse(await readFile(path.join(recorded, 'sae_lens_runner_cfg/blocks.1.hook_resid_pre/cfg.json'), 'utf8')) as object // prettier-ignore
    expect(config).to.not.have.property('model_from_pretrained_kwargs')
    using sae = await loadSae('gpt2-small-res-jb', 'blocks.1.hook_resid_pre', options)
    expect(sae.label).to.equal('gpt2-small-res-jb/blocks.1.hook_resid_pre')
    expect(sae.config.processing).to.deep.equal({ centerWritingWeights: true })
    expect(sae.config.neuronpediaId).to.equal('gpt2-small/1-res-jb')
    using local = await loadSae(recorded, 'sae_lens_runner_cfg/blocks.1.hook_resid_pre')
    expectClose(sae.W_enc, local.W_enc, 0)
  })

  it('loads gpt2-small-hook-z-kk by layer, of the unprocessed model', async () => {
    using sae = await loadSae('gpt2-small-hook-z-kk', 'blocks.1.hook_z', options)
    expect(sae.config).to.include({ hookName: 'blocks.1.attn.hook_z', modelName: 'gpt2-small', contextSize: 128 })
    expect(sae.config.processing).to.include({ foldValueBiases: false })
    expect(sae.config.flattenHeads).to.equal(true)
  })

  it('loads Gemma Scope by the canonical id, by another folder, and from the repository itself', async () => {
    const wanted = { hookName: 'blocks.1.hook_resid_post', modelName: 'gemma-2-2b', applyBDecToInput: false }
    const names: [string, string][] = [
      ['gemma-scope-2b-pt-res-canonical', 'layer_1/width_16k/canonical'],
      ['gemma-scope-2b-pt-res', 'layer_1/width_16k/average_l0_10'],
      ['google/gemma-scope-2b-pt-res', 'layer_1/width_16k/average_l0_102'],
      ['google/gemma-scope-2b-pt-res', 'layer_1/width_16k/canonical'],
    ]
    for (const [release, id] of names) {
      using sae = await loadSae(release, id, options)
      expect(sae.config).to.include(wanted)
      const known = /canonical|102/.test(id)
      expect(sae.config.neuronpediaId).to.equal(known ? 'gemma-2-2b/1-gemmascope-res-16k' : undefined)
    }
    using embedding = await loadSae('gemma-scope-2b-pt-res', 'embedding/width_4k/average_l0_6', options)
    expect(embedding.hookName).to.equal('hook_embed')
  })

  it('loads the replications for gelu-1l by run, whose config names no hook point', async () => {
    for (const id of ['25', 'run1']) {
      using sae = await loadSae('gelu-1l', id, options)
      expect(sae.config).to.include({ hookName: 'blocks.0.mlp.hook_post', modelName: 'gelu-1l', contextSize: 128 })
    }
  })

  it('folds the average scale of the inputs into weights that were saved without it', async () => {
    const factor = 1.8958522157897557
    using sae = await loadSae('gpt2-small-mlp-tm', 'blocks.3.hook_mlp_out', options)
    using raw = await loadSae(recorded, 'sae_lens_6/standard_resid_mid_average')
    expect([sae.config.normalization, raw.config.normalization]).to.deep.equal(['none', 'expected_average_only_in'])
    const times = (rows: number[][], by: number) => rows.flat().map((x) => x * by)
    expectClose(rowsOf(sae.W_enc).flat(), times(rowsOf(raw.W_enc), factor), { atol: 0, rtol: 1e-6 })
    expectClose(rowsOf(sae.W_dec).flat(), times(rowsOf(raw.W_dec), 1 / factor), { atol: 0, rtol: 1e-6 })
  })

  it("loads OpenAI's, whose folders are named as files, also without a sparsity", async () => {
    using sae = await loadSae('gpt2-small-resid-post-v5-32k', 'blocks.5.hook_resid_post', options)
    expect([sae.config.normalization, sae.config.activation]).to.deep.equal(['layer_norm', 'topk'])
    using same = await loadSae('jbloom/GPT2-Small-OAI-v5-32k-resid-post-SAEs', 'v5_32k_layer_5.pt', options)
    expectClose(same.W_enc, sae.W_enc, 0)
    // of a repository that no table knows the name must be tried as a file's first
    server.add('org/files', repository(folder('x.pt', 'sae_lens_6/topk_resid_post')))
    for (let time = 0; time < 2; time++) {
      using other = await loadSae('org/files', 'x.pt', options)
      expect(other.config.architecture).to.equal('topk')
    }
    expect(await refusalOf(() => loadSae('org/files', 'y.pt', options))).to.match(
      /has no SAE 'y\.pt'\. Did you mean 'x\.pt'/,
    )
    expect(await refusalOf(() => loadSae('org/files', 'y.pt/', options))).to.match(/has no SAE 'y\.pt'/)
    expect(await refusalOf(() => loadSae('org/files', 'z.pt/', options))).to.match(/has no SAE 'z\.pt'/)
    expect(await refusalOf(() => loadSae('org/files', 'z.pt', options))).to.match(/has no SAE 'z\.pt'/)
  })

  it('loads any folder of any repository, at any revision, and again without the hub', async () => {
    using one = await loadSae('org/saes', 'deep/one', options)
    expect([one.label, one.config.architecture]).to.deep.equal(['org/saes/deep/one', 'topk'])
    const events: DownloadEvent[] = []
    using two = await loadSae('org/saes', 'deep/two', { ...options, revision: 'v2', onProgress: (e) => events.push(e) })
    expect(two.config.architecture).to.equal('gated')
    expect(events.filter(({ status }) => status === 'done').map((e) => (e as { file: string }).file)).to.deep.equal([
      'deep/two/cfg.json',
      'deep/two/sae_weights.safetensors',
    ])
    server.seen()
    using again = await loadSae('org/saes', 'deep/one', { ...options, localFilesOnly: true })
    expectClose(again.W_enc, one.W_enc, 0)
    expect(server.seen()).to.deep.equal([])
    expect(await refusalOf(() => loadSae('org/saes', 'deep/one', { cacheDir: path.join(cacheDir, 'other'), localFilesOnly: true }))).to.match(/^FileError: .*localFilesOnly is set/) // prettier-ignore
  })

  it('needs a token where the hub does', async () => {
    server.token = 'hf_secret'
    try {
      expect(await refusalOf(() => loadSae('org/saes', 'deep/one', options))).to.match(/^FileError: /)
      using sae = await loadSae('org/saes', 'deep/one', { ...options, accessToken: 'hf_secret' })
      expect(sae.config.dSae).to.equal(96)
    } finally {
      server.token = undefined
    }
  })

  it('names the nearest release and id, before it asks the hub for anything but a list', async () => {
    server.seen()
    expect(await refusalOf(() => loadSae('gpt2-small-res-jbb', 'blocks.1.hook_resid_pre', options))).to.match(
      /^ArgumentError: .*no release, folder or file 'gpt2-small-res-jbb'.*Did you mean 'gpt2-small-res-jb'\?$/,
    )
    expect(await refusalOf(() => loadSae('gpt2-small-res-jb', 'blocks.12.hook_resid_pre', options))).to.match(
      /^ArgumentError: loadSae: the release 'gpt2-small-res-jb' has no SAE .*Did you mean 'blocks\.1\d?\.hook_resid_pre'\?$/,
    )
    expect(await refusalOf(() => loadSae('gpt2-small-res-jb', options))).to.match(/needs the id of an SAE\. It has blocks\.0/) // prettier-ignore
    expect(await refusalOf(() => loadSae('gemma-scope-2b-pt-res-canonical', 'layer_26/width_16k/canonical', options))).to.match(/Did you mean 'layer_/) // prettier-ignore
    expect(server.seen()).to.deep.equal([])
    expect(await refusalOf(() => loadSae('org/saes', 'deep/on', options))).to.equal(
      "FileError: loadSae: 'org/saes' has no SAE 'deep/on'. Did you mean 'deep/one'?",
    )
    expect(await refusalOf(() => loadSae('gemma-scope-2b-pt-res', 'layer_1/width_16k/average_l0_101', options))).to.match(/Did you mean 'layer_1\/width_16k\/average_l0_10\d?'\?$/) // prettier-ignore
    expect(server.seen().filter((one) => one.includes('/resolve/'))).to.deep.equal([])
  })

  it('checks what the caller says of the SAE', async () => {
    const wrong = { ...options, processing: { foldLayerNorm: true } as object }
    expect(await refusalOf(() => loadSae('org/saes', 'deep/one', wrong))).to.equal(
      "ArgumentError: loadSae: there is no processing flag 'foldLayerNorm'. Did you mean 'foldLn'?",
    )
    using sae = await loadSae('org/saes', 'deep/one', { ...options, hookName: 'blocks.2.hook_resid_pre', processing: { foldLn: true } }) // prettier-ignore
    expect([sae.hookName, sae.config.processing]).to.deep.equal(['blocks.2.hook_resid_pre', { foldLn: true }])
  })
})
