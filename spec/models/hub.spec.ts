/** loadModel from the hub, against a server on this machine that speaks its protocol. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { HookedModel } from '../../lib/model.js'
import { encodeSafetensors, SafetensorsFile } from '../../lib/weights/formats/safetensors.js'
import { folderSource } from '../../lib/weights/source.js'
import { loadModel, type LoadOptions } from '../../models/load-model.js'
import type { LoadEvent } from '../../models/index.js'
import { knownModel, shortNames } from '../../models/names.js'
import { expectClose } from '../support/close.js'
import { HubServer, repositoryOf, type Repository } from '../support/hub-server.js'
import { refusalOf } from '../support/refusal.js'

const folderOf = (record: string) => fileURLToPath(new URL(`../reference/models/${record}`, import.meta.url))

/** Some files of a repository. */
const only = ({ files, commit }: Repository, pattern: RegExp): Repository => ({
  files: new Map([...files].filter(([file]) => pattern.test(file))),
  commit,
})

/** Logits of the same tokens are the same numbers. */
function expectSame(model: HookedModel, other: HookedModel): void {
  expect(model.weights.names).to.deep.equal(other.weights.names)
  expect(model.tokenizer?.vocabSize).to.equal(other.tokenizer?.vocabSize)
  tf.tidy(() => expectClose(model.run([[5, 1, 4, 1, 3]]), other.run([[5, 1, 4, 1, 3]]), 0))
}

describe('models/index: the hub', () => {
  let server: HubServer
  let cacheDir: string
  let options: LoadOptions

  before(async () => {
    server = await HubServer.start()
    const extra = { 'pytorch_model.bin': 'not needed', 'onnx/model.onnx': 'not needed', 'README.md': 'not needed' }
    server.add('openai-community/gpt2', repositoryOf(folderOf('gpt2'), extra))
    server.renamed.set('gpt2', 'openai-community/gpt2')
    server.add('someone/sharded', repositoryOf(folderOf('gpt2_sharded'), extra))
    const gelu = repositoryOf(folderOf('gelu_1l'))
    server.add('NeelNanda/GELU_1L512W_C4_Code', only(gelu, /config.json$|pth$/))
    server.add('NeelNanda/gpt-neox-tokenizer-digits', only(gelu, /^tokenizer|special/))
    server.add('someone/without-weights', only(gelu, /json$/))
  })
  after(() => server.close())

  beforeEach(async () => {
    cacheDir = await mkdtemp(path.join(tmpdir(), 'tfjs-lens-hub-'))
    options = { endpoint: server.url, cacheDir, retryDelay: 1, accessToken: 'of nobody' }
    server.faults.length = 0
    server.requests.length = 0
  })
  afterEach(() => rm(cacheDir, { recursive: true }))

  const filesFetched = () =>
    server.seen().flatMap((request) => /^GET .*\/resolve\/[^/]+\/(.*)$/.exec(request)?.[1] ?? [])
  const tokenizerFiles = ['tokenizer_config.json', 'special_tokens_map.json', 'tokenizer.json']

  it('gives the same model as the folder, fetching what is needed alone', async () => {
    using local = await loadModel(folderOf('gpt2'))
    using remote = await loadModel('gpt2-small', options)
    expectSame(remote, local)
    expect(remote.name).to.equal('gpt2')
    // Each is asked for where it was before, and redirected.
    const fetched = [...new Set(filesFetched())]
    expect(fetched).to.deep.equal(['config.json', ...tokenizerFiles, 'model.safetensors'])
    expect(readdirSync(cacheDir)).to.deep.equal(['models--gpt2'])
  })

  it('gives the same model in shards, then from the cache, then without a network', async () => {
    using local = await loadModel(folderOf('gpt2_sharded'))
    using remote = await loadModel('someone/sharded', options)
    expectSame(remote, local)
    const shards = [1, 2].map((n) => `model-0000${n}-of-00002.safetensors`)
    expect([...new Set(filesFetched())]).to.deep.equal([
      'config.json',
      ...tokenizerFiles,
      'model.safetensors.index.json',
      ...shards,
    ])
    using cached = await loadModel('someone/sharded', options)
    expectSame(cached, local)
    expect(server.seen()).to.deep.equal(['GET /api/models/someone/sharded/revision/main'])
    const { commit } = server.repositories.get('someone/sharded')!.get('main')!
    using byCommit = await loadModel('someone/sharded', { ...options, revision: commit })
    using offline = await loadModel('someone/sharded', { ...options, localFilesOnly: true })
    expectSame(byCommit, local)
    expectSame(offline, local)
    expect(server.seen()).to.deep.equal([])
    const hashes = await fileHashes(remote)
    expect(Object.keys(hashes)).to.deep.equal(shards)
    expect(await fileHashes(offline)).to.deep.equal(hashes)
  })

  it('takes the tokenizer from where config.json says', async () => {
    using local = await loadModel(folderOf('gelu_1l'))
    using remote = await loadModel('gelu-1l', options)
    expectSame(remote, local)
    expect(remote.name).to.equal('GELU_1L512W_C4_Code')
    expect(readdirSync(cacheDir).sort()).to.deep.equal([
      'models--NeelNanda--GELU_1L512W_C4_Code',
      'models--NeelNanda--gpt-neox-tokenizer-digits',
    ])
  })

  it('gives tiny-stories-2L-33M the context that TransformerLens gives it', async () => {
    const repository = await withPositions(folderOf('gpt_neo'), 600)
    for (const name of ['TinyStories-2Layers-33M', 'TinyStories-33M']) server.add(`roneneldan/${name}`, repository)
    for (const name of ['tiny-stories-2L-33M', 'roneneldan/TinyStories-2Layers-33M']) {
      using model = await loadModel(name, options)
      expect(model.config.nCtx).to.equal(512)
    }
    using other = await loadModel('tiny-stories-33M', options)
    expect(other.config.nCtx).to.equal(600)
  })

  it('tells of downloads, of tensors and of the end', async () => {
    const events: LoadEvent[] = []
    using _model = await loadModel('gpt2', { ...options, onProgress: (event) => void events.push(event) })
    const starts = events.flatMap((event) => (event.status === 'initiate' ? event.file : []))
    expect(starts).to.deep.equal(['config.json', ...tokenizerFiles, 'model.safetensors'])
    const ends = events.flatMap((event) => (event.status === 'done' ? event.file : []))
    expect(ends).to.deep.equal(starts)
    const loads = events.filter((event) => event.status === 'load')
    expect(loads.at(-1)!.progress).to.equal(100)
    expect(loads).to.have.length(loads.at(-1)!.total)
    expect(events.at(-1)).to.deep.equal({ status: 'ready', name: 'gpt2' })
  })

  it('refuses what does not arrive as it should, leaves nothing half there, and works a second time', async () => {
    const faults: [words: string, fault: HubServer['faults'][number]][] = [
      ['the hub answered 403. The token that was sent gives no access', { at: /GET .storage/, status: 403 }],
      ['answered 500, 4 times', { at: /HEAD .*model-00002/, status: 500 }],
      ['only 12844 of its 25688 bytes came', { at: /GET .storage/, endAt: 12844 }],
      ['more than its', { at: /HEAD .*model-00002/, sizeError: -1 }],
      ['where the hub says', { at: /GET .storage/, damage: true }],
    ]
    using local = await loadModel(folderOf('gpt2_sharded'))
    for (const [words, fault] of faults) {
      await rm(cacheDir, { recursive: true })
      using first = await loadModel('someone/sharded', options) // everything but the second shard
      expectSame(first, local)
      const folder = path.join(cacheDir, 'models--someone--sharded')
      const { commit } = server.repositories.get('someone/sharded')!.get('main')!
      const shard = path.join(folder, 'snapshots', commit, 'model-00002-of-00002.safetensors')
      const { 'model-00002-of-00002.safetensors': sha256 } = await fileHashes(first)
      await rm(shard)
      await rm(path.join(folder, 'blobs', sha256!))
      server.faults.push(fault)
      const before = tf.memory().numTensors
      const refusal = await refusalOf(() => loadModel('someone/sharded', options))
      expect(refusal).to.include(words)
      expect(refusal).to.match(/^FileError: (fetch|open) someone\/sharded\/model-00002-of-00002.safetensors: /)
      expect(tf.memory().numTensors).to.equal(before)
      expect(readdirSync(path.dirname(shard))).to.not.include(path.basename(shard))
      expect(readdirSync(path.join(folder, 'blobs'))).to.not.include(sha256)
      server.faults.length = 0
      using second = await loadModel('someone/sharded', options)
      expectSame(second, local)
    }
  })

  it('refuses repositories that hold no model, and says which', async () => {
    const refusal = (name: string) => refusalOf(() => loadModel(name, options))
    expect(await refusal('someone/nothing')).to.equal(
      `FileError: open someone/nothing: there is no model 'someone/nothing' at ${server.url}. Check its name.`,
    )
    expect(await refusal('NeelNanda/gpt-neox-tokenizer-digits')).to.match(
      /^FileError: open: 'NeelNanda\/gpt-neox-tokenizer-digits' has no file 'config.json'\. It holds /,
    )
    expect(await refusal('someone/without-weights')).to.include(
      "openCheckpoint: no weights in 'someone/without-weights'",
    )
    expect(await refusal('someone/a--b')).to.match(/^ArgumentError: hubSource: 'someone\/a--b' is no repository id\./)
  })

  describe('names', () => {
    const stand: Record<string, string> = {
      gpt2: 'gpt2',
      'gpt2-small': 'gpt2',
      'GPT2-XL': 'gpt2-xl',
      'gemma-2-2b': 'google/gemma-2-2b',
      'gemma-2b-it': 'google/gemma-2b-it',
      'tiny-stories-1M': 'roneneldan/TinyStories-1M',
      'tiny-stories-instruct-2L-33M': 'roneneldan/TinyStories-Instruct-2Layers-33M',
      'gelu-4l': 'NeelNanda/GELU_4L512W_C4_Code',
      'solu-12l': 'NeelNanda/SoLU_12L1536W_C4_Code',
      'attn-only-2l': 'NeelNanda/Attn_Only_2L512W_C4_Code',
      'pythia-70m-deduped-v0': 'EleutherAI/pythia-70m-deduped-v0',
      'gpt-neo-125m': 'EleutherAI/gpt-neo-125M',
      'qwen2-0.5b-instruct': 'Qwen/Qwen2-0.5B-Instruct',
      'llama-2-7b': 'meta-llama/Llama-2-7b-hf',
      'smollm-135m': 'HuggingFaceTB/SmolLM-135M',
      tinyllama: 'TinyLlama/TinyLlama-1.1B-Chat-v1.0',
      'stanford-gpt2-medium-e': 'stanford-crfm/eowyn-gpt2-medium-x777',
      'eleutherai/PYTHIA-12B': 'EleutherAI/pythia-12b',
    }
    for (const [name, repository] of Object.entries(stand)) {
      it(`${name} is ${repository}`, () => expect(knownModel(name)?.repository).to.equal(repository))
    }

    it('each stand for one sound repository id', async () => {
      const lower = shortNames.map((name) => name.toLowerCase())
      expect(lower.filter((name, i) => lower.indexOf(name) !== i)).to.deep.equal([])
      expect(knownModel('toString')).to.equal(undefined)
      for (const name of shortNames) {
        const refusal = await refusalOf(() => loadModel(name, { ...options, localFilesOnly: true }))
        expect(refusal).to.include(`open ${knownModel(name)!.repository}: localFilesOnly is set, and revision 'main'`)
      }
    })
  })
})

async function fileHashes(model: HookedModel): Promise<Readonly<Record<string, string>>> {
  return (await model.provenance()).modelFiles
}

/** A GPT-Neo of which only the number of positions is another, with zeros for the further ones. */
async function withPositions(folder: string, positions: number): Promise<Repository> {
  const file = await SafetensorsFile.open(await (await folderSource(folder)).open('model.safetensors'))
  const tensors: Parameters<typeof encodeSafetensors>[0] = {}
  for (const name of file.infos.keys()) {
    const { shape, values } = await file.read(name)
    const isPositions = name.endsWith('wpe.weight')
    const all = new Float32Array(isPositions ? positions * shape[1]! : values.length)
    all.set(values)
    tensors[name] = { shape: isPositions ? [positions, shape[1]!] : shape, values: all }
  }
  await file.close()
  const config = JSON.parse(await readFile(path.join(folder, 'config.json'), 'utf8')) as object
  const files = new Map([
    ['config.json', Buffer.from(JSON.stringify({ ...config, max_position_embeddings: positions }))],
    ['model.safetensors', Buffer.from(encodeSafetensors(tensors))],
  ])
  return { files, commit: 'a'.repeat(40) }
}
