/** The hub as a source, against a server on this machine that speaks its protocol and fails on request. */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import type { DownloadEvent } from '../../../../lib/weights/hub/download-events.js'
import { hubSource, type HubSourceOptions } from '../../../../lib/weights/hub/hub.js'
import { HubServer, repositoryOf, type Fault } from '../../../support/hub-server.js'
import { refusalOf } from '../../../support/refusal.js'
import { keptEnvironment } from '../../../support/environment.js'
import { withTypeScript } from '../../../support/loader.js'

const gpt2 = fileURLToPath(new URL('../../../reference/models/gpt2', import.meta.url))
const repository = repositoryOf(gpt2, {
  'onnx/config.json': '{"deep": true}',
  'a%20b #?.txt': 'odd',
  '.gitattributes': '',
})
const { commit } = repository
const weights = repository.files.get('model.safetensors')!
const python = process.env['TFJS_LENS_PYTHON'] ?? 'python3'

describe('lib/weights/hub/hub', () => {
  let server: HubServer
  let cacheDir: string
  let restore: () => void
  let options: HubSourceOptions

  before(async () => {
    server = await HubServer.start()
    server.add('org/name', repository)
    server.add('org/name', repository, 'refs/pr/1')
    server.renamed.set('name', 'org/name')
  })
  after(() => server.close())

  beforeEach(async () => {
    restore = keptEnvironment()
    for (const name of Object.keys(process.env)) if (/^(HF|HUGGING|XDG_CACHE)/.test(name)) delete process.env[name]
    cacheDir = await mkdtemp(path.join(tmpdir(), 'tfjs-lens-hub-'))
    process.env['HF_HOME'] = path.join(cacheDir, 'home') // no token of this machine
    options = { endpoint: server.url, cacheDir, retryDelay: 1 }
    server.faults.length = 0
    server.token = undefined
    server.seen()
  })
  afterEach(async () => {
    restore()
    await rm(cacheDir, { recursive: true })
  })

  const open = (more: HubSourceOptions = {}, id = 'org/name') => hubSource(id, { ...options, ...more })
  const inCache = (...parts: string[]) => path.join(cacheDir, 'models--org--name', ...parts)
  const shown = () => (existsSync(inCache('snapshots')) ? readdirSync(inCache('snapshots', commit)).sort() : [])
  const blobs = () => (existsSync(inCache('blobs')) ? readdirSync(inCache('blobs')) : [])
  const fail = (fault: Fault) => void server.faults.push(fault)

  describe('a sound hub', () => {
    it('gives the files byte for byte, each fetched once and when it is asked for', async () => {
      const source = await open()
      expect(server.seen()).to.deep.equal(['GET /api/models/org/name/revision/main'])
      expect(await source.list()).to.deep.equal([...repository.files.keys()].filter((file) => file[0] !== '.').sort())
      expect(await source.has('model.safetensors')).to.equal(true)
      expect(await source.has('nothing.json')).to.equal(false)
      expect(server.seen()).to.deep.equal([])
      for (let twice = 0; twice < 2; twice++) {
        const file = await source.open('model.safetensors')
        expect([file.name, file.size]).to.deep.equal(['org/name/model.safetensors', weights.length])
        expect(Buffer.from(await file.read(0, file.size)).equals(weights)).to.equal(true)
        await file.close()
      }
      const at = `/org/name/resolve/${commit}/model.safetensors`
      expect(server.seen()).to.deep.equal([`HEAD ${at}`, `GET ${at}`])
      expect(shown()).to.deep.equal(['model.safetensors'])
      expect(await source.sha256('model.safetensors')).to.equal(blobs()[0])
    })

    it('gives files in folders and with odd names', async () => {
      const source = await open()
      expect(await source.readText('onnx/config.json')).to.equal('{"deep": true}')
      expect(await source.readText('a%20b #?.txt')).to.equal('odd')
    })

    it('follows a repository to its new name', async () => {
      const source = await open({}, 'name')
      expect(await source.readText('config.json')).to.equal(String(repository.files.get('config.json')))
    })

    it('opens a second time with one request for a branch, and with none for a commit', async () => {
      const first = await open()
      await first.readText('config.json')
      expect(await first.has('nothing.json')).to.equal(false)
      server.seen()
      for (const revision of ['main', commit]) {
        const source = await open({ revision })
        expect(await source.readText('config.json')).to.include('"gpt2"')
        expect(await source.has('nothing.json')).to.equal(false)
      }
      expect(server.seen()).to.deep.equal(['GET /api/models/org/name/revision/main'])
    })

    it('takes a revision with slashes, and keeps what it stands for', async () => {
      await (await open({ revision: 'refs/pr/1' })).readText('config.json')
      expect(readFileSync(inCache('refs', 'refs', 'pr', '1'), 'utf8')).to.equal(commit)
      expect(server.seen()[0]).to.equal('GET /api/models/org/name/revision/refs%2Fpr%2F1')
    })

    it('fetches a commit without being told its files', async () => {
      const source = await open({ revision: commit })
      expect(await source.readText('config.json')).to.include('"gpt2"')
      expect(server.seen()[0]).to.equal(`HEAD /org/name/resolve/${commit}/config.json`)
      expect(await source.has('vocab.json')).to.equal(true)
      expect(server.seen()).to.deep.equal([`GET /api/models/org/name/revision/${commit}`])
    })

    it('fetches a file once when two ask for it at the same time', async () => {
      const both = await Promise.all([open(), open()])
      server.seen()
      const hashes = await Promise.all(both.map((source) => source.sha256('model.safetensors')))
      expect(hashes[0]).to.equal(hashes[1])
      expect(server.seen().filter((request) => request.startsWith('GET'))).to.have.length(1)
    })

    it('tells of downloads as transformers.js does', async () => {
      fail({ at: /GET .storage/, slow: 60 })
      const events: DownloadEvent[] = []
      const source = await open({ onProgress: (event) => void events.push(event) })
      await source.sha256('model.safetensors')
      await source.sha256('model.safetensors')
      const of = { name: 'org/name', file: 'model.safetensors' }
      expect(events.slice(0, 2)).to.deep.equal([
        { status: 'initiate', ...of },
        { status: 'download', ...of },
      ])
      expect(events.at(-1)).to.deep.equal({ status: 'done', ...of })
      const steps = events.filter((event) => event.status === 'progress')
      expect(events).to.have.length(steps.length + 3)
      expect(steps.length).to.be.greaterThan(2)
      for (const [i, step] of steps.entries()) {
        expect(step.total).to.equal(weights.length)
        expect(step.progress).to.equal((100 * step.loaded) / weights.length)
        expect(step.loaded).to.be.greaterThan(steps[i - 1]?.loaded ?? 0)
      }
      expect(steps.at(-1)!.loaded).to.equal(weights.length)
    })

    it('sends the token to the hub and to nobody else', async () => {
      server.token = 'a-token'
      const source = await open({ accessToken: 'a-token' })
      expect(await source.sha256('model.safetensors')).to.have.length(64)
      const stored = server.requests.filter((request) => request.path.startsWith('/storage'))
      expect(stored.map(({ authorization }) => authorization)).to.deep.equal([undefined])
    })
  })

  describe('the environment', () => {
    it('names endpoint, token and cache as for Python', async () => {
      server.token = 'from-the-environment'
      process.env['HF_ENDPOINT'] = `${server.url}/`
      process.env['HF_TOKEN'] = server.token
      process.env['HF_HOME'] = path.join(cacheDir, 'home')
      await (await hubSource('org/name')).readText('config.json')
      expect(existsSync(path.join(cacheDir, 'home/hub/models--org--name/refs/main'))).to.equal(true)
      process.env['HF_HUB_CACHE'] = path.join(cacheDir, 'other')
      await (await hubSource('org/name')).readText('config.json')
      expect(existsSync(path.join(cacheDir, 'other/models--org--name/refs/main'))).to.equal(true)
    })

    it('has the token that was stored by logging in', async () => {
      server.token = 'stored'
      mkdirSync(path.join(cacheDir, 'home'))
      writeFileSync(path.join(cacheDir, 'home/token'), 'stored\n')
      await open()
      expect(server.requests.map(({ authorization }) => authorization)).to.deep.equal(['Bearer stored'])
      process.env['HF_HUB_DISABLE_IMPLICIT_TOKEN'] = '1'
      expect(await refusalOf(open)).to.include('the hub answered 401')
    })
  })

  describe('without a network', () => {
    let nowhere = ''
    before(async () => {
      const gone = await HubServer.start()
      nowhere = gone.url
      await gone.close()
    })
    const ways: Record<string, [way: () => HubSourceOptions, why: string]> = {
      localFilesOnly: [() => ({ localFilesOnly: true }), 'localFilesOnly is set'],
      HF_HUB_OFFLINE: [() => ({}), 'HF_HUB_OFFLINE is set'],
      'no hub in reach': [() => ({ endpoint: nowhere }), 'http://HOST cannot be reached (connect ECONNREFUSED HOST)'],
    }
    for (const [title, [wayOf, whyNot]] of Object.entries(ways)) {
      it(`(${title}) the cache is used, and what it lacks is refused`, async () => {
        await (await open()).readText('config.json')
        server.seen()
        const way = wayOf()
        const why = whyNot.replaceAll('HOST', new URL(nowhere).host)
        if (title === 'HF_HUB_OFFLINE') process.env['HF_HUB_OFFLINE'] = '1'
        for (const revision of ['main', commit]) {
          const source = await open({ ...way, revision })
          expect(await source.readText('config.json')).to.include('"gpt2"')
          expect(await source.has('vocab.json')).to.equal(false)
          expect(await source.list()).to.deep.equal(['config.json'])
          expect(source.id).to.equal('org/name (offline copy)')
          const right = 'Load it once with the hub in reach, or name a folder that has it.'
          expect(await refusalOf(() => source.open('vocab.json'))).to.equal(
            `FileError: open org/name/vocab.json: ${why}, and revision '${revision}' of it is not in the cache (${inCache()}). ${right}`,
          )
        }
        expect(await refusalOf(() => open({ ...way, revision: 'v2' }))).to.equal(
          `FileError: open org/name: ${why}, and revision 'v2' of it is not in the cache (${inCache()}). Load it once with the hub in reach, or name a folder that has it.`,
        )
        expect(server.seen()).to.deep.equal([])
      })
    }

    it('says that the name of the hub is not known', async () => {
      const notFound = Object.assign(new Error('getaddrinfo ENOTFOUND hub.invalid'), { code: 'ENOTFOUND' })
      let calls = 0
      const noNetwork = () => {
        calls++
        return Promise.reject(new TypeError('fetch failed', { cause: notFound }))
      }
      expect(await refusalOf(() => open({ endpoint: 'https://hub.invalid', fetch: noNetwork }))).to.include(
        'open org/name: https://hub.invalid cannot be reached (getaddrinfo ENOTFOUND hub.invalid), and revision',
      )
      expect(calls).to.equal(1)
    })
  })

  describe('a hub that fails', () => {
    const get = (source: Promise<{ sha256(file: string): Promise<string> }>, file = 'model.safetensors') =>
      source.then((opened) => opened.sha256(file))
    const storage = /GET .storage/
    const url = () => server.url

    /** Nothing is shown and, unless a part is kept, nothing is there; then the fault is gone and all is well. */
    async function recovers(kept: number | undefined): Promise<void> {
      expect(shown()).to.deep.equal([])
      const left = blobs()
      expect(left.every((name) => name.endsWith('.incomplete'))).to.equal(true)
      expect(left.map((name) => readFileSync(inCache('blobs', name)).length)).to.deep.equal(kept ? [kept] : [])
      server.faults.length = 0
      server.token = undefined
      server.requests.length = 0
      expect(await get(open())).to.equal(blobs()[0])
      const ranges = server.requests.map(({ range }) => range).filter(Boolean)
      expect(ranges[0]).to.equal(kept ? `bytes=${kept}-` : undefined)
      expect(readFileSync(inCache('snapshots', commit, 'model.safetensors')).equals(weights)).to.equal(true)
      expect(readdirSync(inCache('snapshots', commit))).to.deep.equal(['model.safetensors'])
    }

    it('with 401 and no token: says how to give one', async () => {
      server.token = 'secret'
      expect(await refusalOf(() => get(open()))).to.equal(
        `FileError: open org/name: the hub answered 401 (Invalid username or password.). If the name is right, the model is private or gated: set HF_TOKEN or pass accessToken. The terms of a gated model are accepted at ${url()}/org/name.`,
      )
      expect(server.seen()).to.have.length(1)
      await recovers(undefined)
    })

    it('with 401 for a file and a wrong token: says so', async () => {
      const source = await open({ accessToken: 'wrong' })
      server.token = 'secret'
      expect(await refusalOf(() => source.readText('config.json'))).to.equal(
        `FileError: fetch org/name/config.json: the hub answered 401 (Invalid username or password.). The token that was sent gives no access: check it, and that its owner may read this model. The terms of a gated model are accepted at ${url()}/org/name.`,
      )
      await recovers(undefined)
    })

    it('with 404 for the repository, the revision and the file', async () => {
      expect(await refusalOf(() => open({}, 'org/nothing'))).to.equal(
        `FileError: open org/nothing: there is no model 'org/nothing' at ${url()}. Check its name.`,
      )
      expect(await refusalOf(() => open({ revision: 'v9' }))).to.equal(
        "FileError: open org/name: 'org/name' has no revision 'v9'. Name a branch, a tag or a commit.",
      )
      const source = await open()
      expect(await refusalOf(() => source.open('model.safetensor'))).to.equal(
        "FileError: open: 'org/name' has no file 'model.safetensor'. Did you mean 'model.safetensors'?",
      )
      expect(await refusalOf(() => get(open({ revision: commit }), 'none.json'))).to.equal(
        `FileError: fetch org/name/none.json: 'org/name' has no such file at revision '${commit}'. See its list of files.`,
      )
      expect(existsSync(inCache())).to.equal(false)
    })

    it('with 500 once: tries again', async () => {
      fail({ at: /api/, status: 500, times: 1 })
      fail({ at: /HEAD/, status: 503, times: 1 })
      fail({ at: storage, status: 500, times: 3 })
      expect(await get(open())).to.have.length(64)
      expect(server.requests.filter(({ path }) => path.startsWith('/storage'))).to.have.length(4)
    })

    it('with 500 always: gives up after four tries', async () => {
      fail({ at: /api/, status: 500 })
      expect(await refusalOf(() => get(open()))).to.equal(
        `FileError: open org/name: ${url()} answered 500, 4 times, and revision 'main' of it is not in the cache (${inCache()}). Load it once with the hub in reach, or name a folder that has it.`,
      )
      expect(server.seen()).to.have.length(4)
      await recovers(undefined)
    })

    it('with 500 for the weights alone: names them', async () => {
      fail({ at: storage, status: 500 })
      expect(await refusalOf(() => get(open()))).to.include(`open org/name/model.safetensors: ${url()} answered 500`)
      await recovers(undefined)
    })

    it('with a cut connection: goes on where it was cut', async () => {
      fail({ at: storage, dropAfter: 100_000, times: 1 })
      fail({ at: storage, dropAfter: 5_000, times: 1 })
      expect(await get(open())).to.equal(blobs()[0])
      const ranges = server.requests.filter(({ path }) => path.startsWith('/storage')).map(({ range }) => range)
      expect(ranges).to.deep.equal([undefined, 'bytes=100000-', 'bytes=105000-'])
    })

    it('with a connection that is always cut at once: keeps what came', async () => {
      fail({ at: storage, dropAfter: 100_000, times: 1 })
      fail({ at: storage, dropAfter: 0 })
      expect(await refusalOf(() => get(open()))).to.match(
        /^FileError: fetch org\/name\/model.safetensors: only 100000 of its 211728 bytes came \(.+\)\. They are kept: try again, and it goes on from there\.$/,
      )
      await recovers(100_000)
    })

    it('with half a file', async () => {
      fail({ at: storage, endAt: weights.length / 2 })
      expect(await refusalOf(() => get(open()))).to.equal(
        'FileError: fetch org/name/model.safetensors: only 105864 of its 211728 bytes came (the hub has no more of it). They are kept: try again, and it goes on from there.',
      )
      await recovers(105_864)
    })

    it('with half of a small file', async () => {
      const source = await open()
      fail({ at: /GET .api.resolve-cache/, endAt: 100 })
      expect(await refusalOf(() => source.readText('config.json'))).to.include('only 100 of its 755 bytes came')
      expect(shown()).to.deep.equal([])
      server.faults.length = 0
      expect(await source.readText('config.json')).to.equal(String(repository.files.get('config.json')))
    })

    it('with a size that is too small', async () => {
      fail({ at: /HEAD/, sizeError: -10 })
      expect(await refusalOf(() => get(open()))).to.equal(
        'FileError: fetch org/name/model.safetensors: more than its 211718 bytes came. Nothing of it was kept: try again.',
      )
      await recovers(undefined)
    })

    it('with a size that is too large', async () => {
      fail({ at: /HEAD/, sizeError: 10 })
      expect(await refusalOf(() => get(open()))).to.include('only 211728 of its 211738 bytes came')
      expect(shown()).to.deep.equal([])
      server.faults.length = 0
      expect(await get(open())).to.equal(blobs()[0]) // what came is all of it
    })

    it('with other bytes than their hash', async () => {
      fail({ at: storage, damage: true })
      expect(await refusalOf(() => get(open()))).to.match(
        /^FileError: fetch org\/name\/model.safetensors: its SHA-256 is [0-9a-f]{64}, where the hub says [0-9a-f]{64}\. Nothing of it was kept: try again\.$/,
      )
      await recovers(undefined)
    })

    it('with a hub that is none', async () => {
      const page = () => Promise.resolve(new Response('<html>Log in to this network</html>'))
      expect(await refusalOf(() => open({ fetch: page }))).to.equal(
        `FileError: open org/name: ${url()} does not answer as a Hugging Face hub. Check HF_ENDPOINT or endpoint.`,
      )
      expect(await refusalOf(() => get(open({ fetch: page, revision: commit })))).to.equal(
        `FileError: fetch org/name/model.safetensors: ${url()} gives no ETag for it. Is it a Hugging Face hub?`,
      )
    })

    it('with names that lead elsewhere', async () => {
      const answer = (sha: string, rfilename: string) => () =>
        Promise.resolve(Response.json({ sha, siblings: [{ rfilename }] }))
      expect(await refusalOf(() => open({ fetch: answer(commit, '../../x') }))).to.equal(
        "FileError: open org/name: it lists a file '../../x' (a '..'). Plain names are needed.",
      )
      expect(await refusalOf(() => open({ fetch: answer('../x', 'x') }))).to.include('does not answer as a')
      const etag = () => Promise.resolve(new Response(null, { headers: { etag: '"../../x"', 'content-length': '1' } }))
      expect(await refusalOf(() => get(open({ fetch: etag, revision: commit })))).to.include(
        `says '"../../x"' for its ETag`,
      )
      const source = await open()
      expect(await refusalOf(() => source.has('a/../../b'))).to.equal(
        "FileError: has: 'a/../../b' has a '..'. A plain name of a file in 'org/name' is needed.",
      )
    })
  })

  describe('wrong arguments', () => {
    for (const id of [
      '',
      '..',
      'a/b/c',
      'a/..',
      '../a',
      'a b/c',
      'a/b?x',
      'a/b#x',
      'a@b/c',
      '-a/b',
      'a--b/c',
      'a/b.git',
      'http://a/b',
      `a/${'b'.repeat(96)}`,
    ]) {
      it(`refuses the id '${id.slice(0, 20)}'`, async () => {
        expect(await refusalOf(() => open({}, id))).to.match(
          /^ArgumentError: hubSource: '.*' is no repository id\. 'org\/name' of/,
        )
        expect(server.seen()).to.deep.equal([])
      })
    }
    it('refuses revisions and endpoints that are none', async () => {
      for (const revision of ['', '../x', '/etc', 'a b', 'a?b', 'a#b', 'a\\b']) {
        expect(await refusalOf(() => open({ revision }))).to.include(
          'is no revision. Name a branch, a tag or a commit.',
        )
      }
      for (const endpoint of ['huggingface.co', 'file:///etc', '']) {
        expect(await refusalOf(() => open({ endpoint }))).to.include(
          `hubSource: the endpoint '${endpoint}' is no address.`,
        )
      }
    })
  })

  describe('the cache', () => {
    it('takes over what another process has left, but not what is being written', async () => {
      const source = await open()
      const etag = await source.sha256('model.safetensors')
      const blob = inCache('blobs', etag)
      const left: Record<string, [name: string, age: number, taken: boolean]> = {
        'of a process that is gone': [`${etag}.HOST-${goneProcess()}-0.incomplete`, 0, true],
        'of a process that runs': [`${etag}.HOST-${process.ppid}-0.incomplete`, 0, false],
        'of Python, just written': [`${etag}.incomplete`, 0, false],
        'of Python, long ago': [`${etag}.incomplete`, 3600, true],
        'of another machine, long ago': [`${etag}.00000000-1-0.incomplete`, 3600, true],
        'of another machine, just written': [`${etag}.00000000-1-0.incomplete`, 0, false],
      }
      for (const [title, [name, age, taken]] of Object.entries(left)) {
        rmSync(inCache(), { recursive: true })
        mkdirSync(path.dirname(blob), { recursive: true })
        const part = inCache('blobs', name.replace('HOST', await hostMark(etag)))
        writeFileSync(part, weights.subarray(0, 1000))
        utimesSync(part, Date.now() / 1000 - age, Date.now() / 1000 - age)
        server.requests.length = 0
        expect(await source.sha256('model.safetensors'), title).to.equal(etag)
        const { range } = server.requests.find(({ method, path }) => method === 'GET' && path.startsWith('/storage'))!
        expect(range, title).to.equal(taken ? 'bytes=1000-' : undefined)
        expect(existsSync(part), title).to.equal(!taken)
      }
    })

    it('starts again when what was left is of another file', async () => {
      const source = await open()
      const etag = await source.sha256('model.safetensors')
      rmSync(inCache(), { recursive: true })
      mkdirSync(inCache('blobs'), { recursive: true })
      writeFileSync(inCache('blobs', `${etag}.incomplete`), 'something else')
      utimesSync(inCache('blobs', `${etag}.incomplete`), 0, 0)
      expect(await refusalOf(() => source.sha256('model.safetensors'))).to.include('Nothing of it was kept: try again.')
      expect(await source.sha256('model.safetensors')).to.equal(etag)
    })

    it('is not harmed by processes that load at the same time', async () => {
      fail({ at: /GET .storage/, slow: 20 })
      const script = `
        import { hubSource } from ${JSON.stringify(new URL('../../../../lib/weights/hub/hub.ts', import.meta.url).href)}
        const source = await hubSource('org/name', ${JSON.stringify(options)})
        console.log(await source.sha256('model.safetensors'), (await source.readText('config.json')).length)`
      const run = () => promisify(execFile)(process.execPath, [...withTypeScript, '--input-type=module', '-e', script])
      const printed = (await Promise.all([run(), run(), run()])).map(({ stdout }) => stdout)
      const { length } = repository.files.get('config.json')!
      expect(new Set(printed)).to.deep.equal(new Set([`${blobs().find((name) => name.length === 64)} ${length}\n`]))
      expect(blobs().filter((name) => name.endsWith('.incomplete'))).to.deep.equal([])
      expect(shown()).to.deep.equal(['config.json', 'model.safetensors'])
    })

    it('is fetched again where a blob is gone', async () => {
      const source = await open()
      await source.readText('config.json')
      for (const blob of blobs()) rmSync(inCache('blobs', blob))
      expect(await source.readText('config.json')).to.include('"gpt2"')
    })

    it('that cannot be written to is named', async () => {
      writeFileSync(path.join(cacheDir, 'file'), '')
      const source = await open({ cacheDir: path.join(cacheDir, 'file') })
      expect(await refusalOf(() => source.readText('config.json'))).to.match(
        /^FileError: write .*file.models--org--name.*: ENOTDIR.*set HF_HUB_CACHE or cacheDir to another folder\.$/,
      )
    })
  })

  describe(`Python's huggingface_hub (${python})`, function () {
    this.timeout(120_000)

    before(function () {
      try {
        execFileSync(python, ['-c', 'import huggingface_hub'], { stdio: 'ignore' })
      } catch {
        console.error(`skipped: ${python} has no huggingface_hub; TFJS_LENS_PYTHON names another Python`)
        this.skip()
      }
    })

    const runPython = async (code: string, more: NodeJS.ProcessEnv) => {
      const env = { ...process.env, HF_HUB_CACHE: cacheDir, HF_HUB_DISABLE_PROGRESS_BARS: '1', ...more }
      return JSON.parse((await promisify(execFile)(python, ['-c', code], { env })).stdout) as unknown
    }

    it('reads our cache offline, and finds no fault with it', async () => {
      const source = await open()
      for (const file of ['config.json', 'model.safetensors', 'onnx/config.json']) await source.sha256(file)
      await source.has('nothing.json')
      const code = `
import hashlib, json, huggingface_hub as hub
sha = lambda file, **more: hashlib.sha256(open(hub.hf_hub_download('org/name', file, **more), 'rb').read()).hexdigest()
cache = hub.scan_cache_dir()
print(json.dumps({
  'files': [sha('config.json'), sha('model.safetensors', revision='main'), sha('onnx/config.json', revision='${commit}')],
  'absent': hub.try_to_load_from_cache('org/name', 'nothing.json') is hub._CACHED_NO_EXIST,
  'warnings': [str(warning) for warning in cache.warnings],
  'repos': [[repo.repo_id, repo.nb_files, [[rev.commit_hash, sorted(rev.refs)] for rev in repo.revisions]] for repo in cache.repos],
}))`
      expect(await runPython(code, { HF_HUB_OFFLINE: '1', HF_ENDPOINT: 'http://127.0.0.1:9' })).to.deep.equal({
        files: await Promise.all(
          ['config.json', 'model.safetensors', 'onnx/config.json'].map((file) => source.sha256(file)),
        ),
        absent: true,
        warnings: [],
        repos: [['org/name', 3, [[commit, ['main']]]]],
      })
    })

    it('fills a cache from the same server that we read offline', async () => {
      const code = `
import json, huggingface_hub as hub
for file in ['config.json', 'model.safetensors']: hub.hf_hub_download('org/name', file)
print(json.dumps(hub.file_exists('org/name', 'nothing.json')))`
      expect(await runPython(code, { HF_ENDPOINT: server.url })).to.equal(false)
      server.seen()
      const source = await open({ localFilesOnly: true })
      expect(await source.readText('config.json')).to.equal(String(repository.files.get('config.json')))
      expect(await source.sha256('model.safetensors')).to.have.length(64)
      expect(server.seen()).to.deep.equal([])
    })
  })

  /** The number of a process that has ended. */
  function goneProcess(): number {
    return Number(execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }))
  }

  /** How this machine marks its parts: seen while one is written. */
  async function hostMark(etag: string): Promise<string> {
    const folder = await mkdtemp(path.join(tmpdir(), 'tfjs-lens-mark-'))
    try {
      const { PartFile } = await import('../../../../lib/weights/hub/part.js')
      const part = await PartFile.open(path.join(folder, etag))
      const [name] = readdirSync(folder)
      await part.discard()
      return /\.([0-9a-f]{8})-/.exec(name!)![1]!
    } finally {
      await rm(folder, { recursive: true })
    }
  }
})
