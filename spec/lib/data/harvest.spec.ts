/** Harvests: shards equal runWithCache, are whole or not there, go on after a kill, and are read back. */
import { spawn } from 'node:child_process'
import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { ActivationData } from '../../../lib/data/activation-data.js'
import { harvest, type HarvestOptions } from '../../../lib/data/harvest.js'
import { harvestedActivations } from '../../../lib/data/harvested-activations.js'
import { loadData } from '../../../lib/data/load-data.js'
import { modelActivations } from '../../../lib/data/model-activations.js'
import type { DataOptions } from '../../../lib/data/row-rules.js'
import type { DataPosition, TokenData } from '../../../lib/data/token-data.js'
import type { HookedModel } from '../../../lib/model.js'
import { SafetensorsFile } from '../../../lib/weights/formats/safetensors.js'
import { folderSource } from '../../../lib/weights/source.js'
import { pocketText } from '../../../models/index.js'
import { batchesOf } from '../../support/token-data.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import { embeddedSae } from '../../support/saes.js'
import { withTypeScript } from '../../support/loader.js'

const resid = 'blocks.1.hook_resid_pre'
const z = 'blocks.0.attn.hook_z'

interface Harvested {
  readonly tokens: number[]
  readonly rows: number[]
  readonly positions: number[]
  readonly [hook: string]: number[]
}

/** All shards of a harvest, joined. */
async function readAll(folder: string): Promise<Harvested> {
  const joined: Record<string, number[]> = {}
  for (const name of (await readdir(folder)).filter((each) => each.endsWith('.safetensors')).sort()) {
    const file = await SafetensorsFile.open(await (await folderSource(folder)).open(name))
    for (const tensor of file.infos.keys()) {
      const { values } = await file.read(tensor)
      joined[tensor] = [...(joined[tensor] ?? []), ...values]
    }
    await file.close()
  }
  return joined as unknown as Harvested
}

describe('lib/data/harvest', () => {
  let model: HookedModel
  let data: TokenData
  let folder: string
  const load = (options: DataOptions = {}) =>
    loadData(model, pocketText('test'), { positions: 32, rows: 4, limit: 26, ...options })
  const run = (options: Partial<HarvestOptions> = {}, view = model, of = data) =>
    harvest(view, of, { hooks: [resid, z], folder, shardTokens: 300, ...options })

  before(async () => {
    model = await pocket()
    data = await load()
  })
  beforeEach(async () => {
    folder = path.join(await mkdtemp(path.join(tmpdir(), 'tfjs-lens-harvest-')), 'acts')
  })
  afterEach(() => rm(path.dirname(folder), { recursive: true }))

  it('writes what runWithCache gives, with each token and its place, in shards of whole batches', async () => {
    const told: number[] = []
    const result = await run({ onProgress: (done) => told.push(done) })
    expect(result).to.deep.equal({
      folder,
      tokens: 832,
      shards: 4,
      hooks: { [z]: [8, 16], [resid]: [128] },
      ended: true,
    })
    expect(told).to.deep.equal([128, 256, 384, 512, 640, 768, 832])
    const all = await readAll(folder)
    let at = 0
    for (const { tokens, firstRow } of await batchesOf(data)) {
      using cache = model.runWithCache(tokens, { names: [resid, z] })
      const count = tokens.batch * tokens.positions
      expect(all.tokens.slice(at, at + count)).to.deep.equal(tokens.rows.flat())
      expect(all.rows[at]).to.equal(firstRow)
      expect(all.positions.slice(at, at + 34)).to.deep.equal(Array.from({ length: 34 }, (_, i) => i % 32))
      for (const hook of [resid, z]) {
        expect(all[hook]!.slice(128 * at, 128 * (at + count))).to.deep.equal([...cache.get(hook).dataSync()])
      }
      at += count
    }
    expect(all.tokens).to.have.length(at)
  })

  it('leaves out padding, and special tokens on request', async () => {
    const padded = await load({ layout: 'documents', between: 'eos' })
    const batches = await batchesOf(padded)
    const real = batches.flatMap(({ tokens }) =>
      tokens.rows.flatMap((row, b) => row.filter((_, p) => tokens.mask?.[b]![p] !== 0)),
    )
    expect(batches.some(({ tokens }) => tokens.mask)).to.equal(true)
    const cases: [HarvestOptions['exclude'], number[]][] = [
      ['none', real],
      [
        'bos',
        batches.flatMap(({ tokens }) =>
          tokens.rows.flatMap((row, b) => row.filter((_, p) => p > 0 && tokens.mask?.[b]![p] !== 0)),
        ),
      ],
      ['special', real.filter((id) => id !== 0)],
      [[real[3]!, 0], real.filter((id) => id !== 0 && id !== real[3])],
    ]
    for (const [i, [exclude, expected]] of cases.entries()) {
      await run({ exclude: exclude!, folder: `${folder}${i}` }, model, padded)
      expect((await readAll(`${folder}${i}`)).tokens, String(exclude)).to.deep.equal(expected)
    }
  })

  it('goes on behind its last shard, to the same numbers as without a stop', async () => {
    await run({ folder: `${folder}-whole` })
    const first = await run({ tokens: 200 })
    expect([first.tokens, first.ended]).to.deep.equal([256, false])
    expect(await run({ tokens: 200 })).to.deep.equal(first)
    const stop = new AbortController()
    const aborted = run({
      shardTokens: 100,
      signal: stop.signal,
      onProgress: (done) => {
        if (done >= 500) stop.abort(new Error('enough'))
      },
    })
    expect(String(await aborted.catch((error: unknown) => error))).to.equal('Error: enough')
    const manifest = JSON.parse(await readFile(`${folder}/manifest.json`, 'utf8')) as { tokens: number }
    expect(manifest.tokens).to.equal(512)
    expect((await run()).tokens).to.equal(832)
    expect(await readAll(folder)).to.deep.equal(await readAll(`${folder}-whole`))
    const written = (await stat(`${folder}/manifest.json`)).mtimeMs
    expect((await run()).ended).to.equal(true)
    expect((await stat(`${folder}/manifest.json`)).mtimeMs).to.equal(written)
  })

  it('goes on after its process was killed', async function () {
    this.timeout(60_000)
    const code = `
      import { harvest, loadData, loadModel, pocketText } from './spec/support/doors.js'
      const model = await loadModel()
      const data = await loadData(model, pocketText('test'), { positions: 32, rows: 4, limit: 26 })
      const onProgress = (done) => { if (done > 400) process.kill(process.pid, 'SIGKILL') }
      await harvest(model, data, { hooks: ['${resid}', '${z}'], folder: ${JSON.stringify(folder)}, shardTokens: 300, onProgress })`
    const root = fileURLToPath(new URL('../../..', import.meta.url))
    const child = spawn(process.execPath, [...withTypeScript, '--input-type=module', '-e', code], { cwd: root })
    const signal = await new Promise((resolve) => child.on('exit', (_, how) => resolve(how)))
    expect(signal).to.equal('SIGKILL')
    expect(await readdir(folder)).to.deep.equal(['activations-00000.safetensors', 'manifest.json'])
    // as if it had been killed while it wrote
    await writeFile(`${folder}/.01234567-89ab-cdef-0123-456789abcdef.tmp`, 'half')
    await writeFile(`${folder}/activations-00001.safetensors`, 'not in the manifest yet')
    await run()
    await run({ folder: `${folder}-whole` })
    expect(await readdir(folder)).to.deep.equal(await readdir(`${folder}-whole`))
    expect(await readAll(folder)).to.deep.equal(await readAll(`${folder}-whole`))
  })

  describe('refuses', () => {
    const wrong = (options: Partial<HarvestOptions>, view?: HookedModel, of?: TokenData) =>
      refusalOf(() => run(options, view, of))

    it('a folder with a harvest of something else, and says what differs', async () => {
      await run({ tokens: 1 })
      const before = await readAll(folder)
      const held = `MismatchError: harvest: '${folder}' holds another harvest: `
      const right = '. Name another folder, or ask for the same.'
      expect(await wrong({ exclude: 'bos' })).to.equal(`${held}exclude is none there and bos here${right}`)
      expect(await wrong({ hooks: resid })).to.equal(`${held}hooks.${z} is [8,16] there and missing here${right}`)
      expect(await wrong({}, model, await load({ rows: 5 }))).to.equal(`${held}data.rows is 4 there and 5 here${right}`)
      const hooked = model.withHooks({ hook_embed: () => undefined })
      expect(await wrong({}, hooked)).to.equal(`${held}changed is missing there and ["hook_embed"] here${right}`)
      expect(await readAll(folder)).to.deep.equal(before)
    })

    it('a folder with a harvest of the same SAE with another error term', async () => {
      using sae = await embeddedSae('pocket-res/blocks.1.hook_resid_pre')
      await run({ tokens: 1 }, model.withSaes(sae))
      expect(await wrong({}, model.withSaes(sae, { errorTerm: true }))).to.match(
        /holds another harvest: saes is .* there and .*"errorTerm":true.* here/,
      )
      await run({ tokens: 1 }, model.withSaes(sae)) // the same goes on
    })

    it('a folder with other files, one that cannot be written to, and lost or cut shards', async () => {
      await mkdir(folder)
      await writeFile(`${folder}/thesis.tex`, '')
      expect(await wrong({})).to.equal(
        `FileError: harvest: '${folder}' holds thesis.tex and no harvest. Name an empty or a new folder.`,
      )
      await rm(`${folder}/thesis.tex`)
      expect(await wrong({ folder: `${folder}/manifest` + '/x'.repeat(3000) })).to.match(
        /^FileError: harvest: no folder/,
      )
      await writeFile(`${folder}-file`, '')
      expect(await wrong({ folder: `${folder}-file` })).to.match(/^FileError: harvest: no folder '.*-file' \(EEXIST/)
      await run({ tokens: 1 })
      const shard = `${folder}/activations-00000.safetensors`
      await truncate(shard, 1000)
      expect(await wrong({})).to.match(
        /has 1000 bytes, and had \d+ when it was written\. Delete the folder and start over\.$/,
      )
      await rm(shard)
      expect(await wrong({})).to.match(/^FileError: open: '.*' has no file 'activations-00000\.safetensors'/)
      await writeFile(`${folder}/manifest.json`, '{"format": "other"}')
      expect(await wrong({})).to.match(/manifest\.json: format is not as it should be/)
    })

    it('to go on where writing fails, with nothing half-written', async () => {
      await run({ tokens: 1 })
      const onProgress = () => {
        if (!existsSync(`${folder}-away`)) renameSync(folder, `${folder}-away`)
        writeFileSync(folder, 'a file where the folder was')
      }
      expect(await wrong({ onProgress })).to.match(
        /^FileError: write: cannot write '.*activations-00001\.safetensors' \((ENOTDIR|EEXIST).*Name a file in a folder you can write to\.$/,
      )
      expect(await readdir(`${folder}-away`)).to.deep.equal(['activations-00000.safetensors', 'manifest.json'])
      await rm(folder)
      await rename(`${folder}-away`, folder)
      expect((await run()).tokens).to.equal(832)
    })

    it('hooks, numbers and memory that cannot be taken, before anything is written', async () => {
      const before = tf.memory().numTensors
      expect(await wrong({ hooks: 'blocks.9.hook_resid_pre' })).to.match(
        /^HookError: harvest: no hook point 'blocks\.9/,
      )
      expect(await wrong({ hooks: 'blocks.0.attn.hook_pattern' })).to.equal(
        "ArgumentError: harvest: 'blocks.0.attn.hook_pattern' of shape [B,H,P,P] has no activation of a single token. Use points of shape [B,P,…].",
      )
      expect(await wrong({}, model.stopAt(1))).to.match(/^HookError: .*'blocks\.1\.hook_resid_pre' is never reached/)
      expect(await wrong({ exclude: 'pad' as 'bos' })).to.equal(
        `ArgumentError: harvest: exclude is "pad". It must be 'none', 'bos', 'special' or a list of token ids.`,
      )
      expect(await wrong({ tokens: 0 })).to.equal(
        'ArgumentError: harvest: tokens is 0. It must be a whole number from 1 up.',
      )
      expect(await wrong({ memory: 2 ** 18 })).to.equal(
        'ArgumentError: harvest: shardTokens is 300, 0.3 MiB at these hook points. Within memory (0.3 MiB) lie 253.',
      )
      expect(tf.memory().numTensors).to.equal(before)
      expect(await readdir(path.dirname(folder))).to.deep.equal([])
      expect(await wrong({ memory: 2 ** 19 })).to.equal(
        'ArgumentError: harvest: a shard of 300 tokens and a batch of 128 take 0.5 MiB, more than memory (0.5 MiB). ' +
          'Give the data fewer rows, take fewer hooks or shardTokens, or allow more memory.',
      )
    })
  })

  describe('is read back', () => {
    async function collect(from: ActivationData, at?: DataPosition) {
      const out: { rows: number[]; next: DataPosition }[] = []
      for await (const { rows, next } of from.batches(at)) {
        expect(rows.shape[1]).to.equal(from.width)
        out.push({ rows: [...rows.dataSync()], next })
        rows.dispose()
      }
      return out
    }
    const rowsIn = (batches: { rows: number[] }[], width: number) =>
      batches
        .flatMap(({ rows }) =>
          Array.from({ length: rows.length / width }, (_, i) => rows.slice(i * width, (i + 1) * width).join()),
        )
        .sort()

    it('in order, heads flattened, as the model itself gives it', async () => {
      await run()
      for (const hook of [resid, z]) {
        const harvested = await harvestedActivations(folder, { hook, rows: 100 })
        expect(harvested.width).to.equal(128)
        const batches = await collect(harvested)
        expect(batches.flatMap((batch) => batch.rows)).to.deep.equal((await readAll(folder))[hook])
        const direct = await collect(await modelActivations(model, data, { hook, rows: 100 }))
        expect(direct.map((batch) => batch.rows)).to.deep.equal(batches.map((batch) => batch.rows))
      }
    })

    it('mixed: every row once, in an order of the seed, resumable', async () => {
      await run()
      const options = { hook: resid, rows: 50, shuffle: { seed: 2, bufferRows: 200 } }
      const plain = rowsIn(await collect(await harvestedActivations(folder, { hook: resid, rows: 50 })), 128)
      const sources = [await harvestedActivations(folder, options), await modelActivations(model, data, options)]
      for (const source of sources) {
        const whole = await collect(source)
        expect(rowsIn(whole, 128)).to.deep.equal(plain)
        for (const i of [0, 3, 8, whole.length - 2, whole.length - 1]) {
          const rest = await collect(source, JSON.parse(JSON.stringify(whole[i]!.next)) as DataPosition)
          expect(rest, `after batch ${i}`).to.deep.equal(whole.slice(i + 1))
        }
      }
      const [a, b] = await Promise.all(
        [2, 3].map(async (seed) =>
          collect(await harvestedActivations(folder, { ...options, shuffle: { seed, bufferRows: 200 } })),
        ),
      )
      expect(a![0]!.rows).to.not.deep.equal(b![0]!.rows)
    })

    it('without special tokens, from both', async () => {
      await run()
      const all = await readAll(folder)
      const special = all.tokens.filter((id) => id === 0).length
      const count = async (source: ActivationData) =>
        (await collect(source)).reduce((sum, { rows }) => sum + rows.length / 128, 0)
      for (const [exclude, left] of [
        ['special', 832 - special],
        ['bos', 832 - 26],
        ['none', 832],
      ] as const) {
        expect(await count(await harvestedActivations(folder, { hook: resid, exclude, rows: 90 }))).to.equal(left)
        expect(await count(await modelActivations(model, data, { hook: resid, exclude, rows: 90 }))).to.equal(left)
      }
      expect(special).to.be.greaterThan(26)
    })

    it('and refused where it is not there', async () => {
      await run({ tokens: 1 })
      expect(
        await refusalOf(() => harvestedActivations(folder, { hook: resid, row: 90 } as { hook: string })),
      ).to.include("harvestedActivations: there is no option 'row'. Did you mean 'rows'?")
      expect(await refusalOf(() => harvestedActivations(folder, { hook: 'blocks.1.hook_resid_pe' }))).to.equal(
        `HookError: harvestedActivations: '${folder}' has no 'blocks.1.hook_resid_pe'. It holds ${z}, ${resid}. Did you mean '${resid}'?`,
      )
      expect(await refusalOf(() => harvestedActivations(path.dirname(folder), { hook: resid }))).to.match(
        /^FileError: open .*: there is no manifest\.json\. Name the folder of a harvest\.$/,
      )
      expect(await refusalOf(() => modelActivations(model, data, { hook: 'blocks.9.hook_z' }))).to.match(
        /^HookError: modelActivations/,
      )
    })
  })
})
