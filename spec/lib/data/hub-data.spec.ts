/** Data sets of the hub, from a server on this machine that speaks its protocol; the cache is Python's. */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { loadData } from '../../../lib/data/load-data.js'
import type { DataOptions } from '../../../lib/data/row-rules.js'
import { HubServer, type Repository } from '../../support/hub-server.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { expectResumable, rowsOf } from '../../support/token-data.js'
import { keptEnvironment } from '../../support/environment.js'

const jsonl = (...texts: string[]) => Buffer.from(texts.map((text) => JSON.stringify({ text })).join('\n'))
const python = process.env['TFJS_LENS_PYTHON'] ?? 'python3'

describe('lib/data: data sets of the hub', () => {
  let server: HubServer
  let cacheDir: string
  let options: DataOptions
  let repository: Repository
  const restore = keptEnvironment()

  before(async () => {
    await pocket()
    server = await HubServer.start()
    const parquet = await readFile(new URL('../../reference/data/texts.parquet', import.meta.url))
    const files = new Map([
      ['README.md', Buffer.from('# data')],
      ['data/train-00000-of-00002.parquet', parquet],
      ['data/train-00001-of-00002.parquet', parquet],
      ['data/test-00000-of-00001.parquet', parquet],
    ])
    repository = { files, commit: 'c'.repeat(40) }
    server.add('datasets/org/stories', repository)
    const byLanguage = new Map([
      ['en/c4-train.00000.json', jsonl('One.', 'Two.')],
      ['de/c4-train.00000.json', jsonl('Eins.')],
    ])
    server.add('datasets/org/c4', { files: byLanguage, commit: 'd'.repeat(40) })
  })
  after(() => server.close())

  beforeEach(async () => {
    for (const name of Object.keys(process.env)) if (/^(HF|HUGGING)/.test(name)) delete process.env[name]
    cacheDir = await mkdtemp(path.join(tmpdir(), 'tfjs-lens-data-'))
    process.env['HF_HOME'] = path.join(cacheDir, 'home') // no token of this machine
    options = { endpoint: server.url, cacheDir, retryDelay: 1, layout: 'documents', rows: 2, onProgress: false }
    server.seen()
  })
  afterEach(async () => {
    restore()
    await rm(cacheDir, { recursive: true })
  })

  const texts = async (name: string, more: DataOptions = {}) => {
    const model = await pocket()
    const data = await loadData(model, name, { ...options, ...more })
    return (await rowsOf(data)).map((row) => model.toString(row.slice(1)))
  }
  const whole = ['Once.', 'Grüße aus 東京 🎉', 'A fourth\nline.', 'Fifth.']

  it('are fetched file by file as they are reached, into the folders that Python uses', async () => {
    expect(await texts('org/stories', { limit: 2 })).to.deep.equal(whole.slice(0, 2))
    const file = `/datasets/org/stories/resolve/${'c'.repeat(40)}/data/train-00000-of-00002.parquet`
    expect(server.seen()).to.deep.equal(['GET /api/datasets/org/stories/revision/main', `HEAD ${file}`, `GET ${file}`])
    expect(readdirSync(cacheDir)).to.include('datasets--org--stories')
    expect(await texts('org/stories')).to.deep.equal([...whole, ...whole])
    expect(await texts('org/stories', { split: 'test' })).to.deep.equal(whole)
  })

  it('go on where they stopped, and say which commit they are', async () => {
    const data = await loadData(await pocket(), 'org/stories', options)
    await expectResumable(data)
    expect(data.about).to.include({ source: 'org/stories', commit: 'c'.repeat(40) })
  })

  it('need no network once they are in the cache', async () => {
    await texts('org/stories')
    server.seen()
    expect(await texts('org/stories', { localFilesOnly: true })).to.deep.equal([...whole, ...whole])
    expect(server.seen()).to.deep.equal([])
  })

  it('have configurations', async () => {
    expect(await texts('org/c4', { config: 'en' })).to.deep.equal(['One.', 'Two.'])
    expect(await texts('org/c4', { files: 'de/*.json' })).to.deep.equal(['Eins.'])
    expect(await refusalOf(() => texts('org/c4'))).to.equal(
      "FileError: loadData: 'org/c4' has several configurations (de, en). Name one by config, or files by files.",
    )
  })

  it('are refused in words where they are not there or may not be read', async () => {
    expect(await refusalOf(() => texts('org/nothing'))).to.equal(
      `FileError: open org/nothing: there is no data set 'org/nothing' at ${server.url}. Check its name.`,
    )
    server.token = 'secret'
    try {
      expect(await refusalOf(() => texts('org/stories'))).to.include(
        `the data set is private or gated: set HF_TOKEN or pass accessToken. The terms of a gated data set are accepted at ${server.url}/datasets/org/stories.`,
      )
      expect(await texts('org/stories', { accessToken: 'secret', limit: 1 })).to.deep.equal(['Once.'])
    } finally {
      server.token = undefined
    }
  })

  it("are found in our cache by Python's huggingface_hub, offline", async function () {
    const run = promisify(execFile)
    const code =
      'import sys, huggingface_hub as h; print(h.hf_hub_download(sys.argv[1], sys.argv[2], repo_type="dataset", cache_dir=sys.argv[3], local_files_only=True))'
    if (
      await run(python, ['-c', 'import huggingface_hub']).then(
        () => false,
        () => true,
      )
    )
      return this.skip()
    await texts('org/stories', { limit: 1 })
    const file = 'data/train-00000-of-00002.parquet'
    const { stdout } = await run(python, ['-c', code, 'org/stories', file, cacheDir])
    expect((await readFile(stdout.trim())).equals(repository.files.get(file)!)).to.equal(true)
  })
})
