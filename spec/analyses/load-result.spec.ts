/** Saved results: each class comes back equal from its file, and what is no result is refused with words. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { savedKinds } from '../../analyses/load-result.js'
import * as lens from '../support/doors.js'
import type { Result, SavedRecord, TokenData } from '../support/doors.js'
import type { Sae } from '../../saes/index.js'
import { givenRows } from '../support/given-rows.js'
import { pocket } from '../support/pocket.js'
import { refusalOf } from '../support/refusal.js'
import { embeddedSae } from '../support/saes.js'

const { loadResult, logitDiff, logProb } = lens
const prompts = [
  'Carl and Eva were good friends. When Carl and Eva went to the hill, Eva gave a stone to',
  'Kate and Emma were good friends. When Kate and Emma went to the lake, Emma gave a hat to',
]
const quiet = { onProgress: () => undefined }

/** What every kind is made of here. */
interface Material {
  readonly model: lens.HookedModel
  readonly residual: lens.HookedModel
  /** The same with the error term. */
  readonly spliced: lens.HookedModel
  readonly attention: lens.HookedModel
  readonly sae: Sae
  readonly data: TokenData
}

type Saved = Result | SavedRecord | lens.Table

const headAblation = (model: lens.HookedModel) =>
  lens.ablation(model, prompts, { metric: logitDiff([' Carl', ' Kate'], [' Eva', ' Emma']), target: 'heads' })

const byLoss = (view: lens.HookedModel, { config }: Sae) =>
  lens.latentsByLoss(view, prompts, { maxima: new Float32Array(config.dSae), limit: 3, ...quiet })

/** A maker for each class, or for each analysis that fills a Result with data of its own. */
const makers: Record<string, (given: Material) => Promise<Saved>> = {
  Result: async ({ model }) => new lens.Result({ ...(await headAblation(model)) }),
  EffectResult: ({ model }) => headAblation(model),
  AnswerRanks: ({ model }) => lens.answerRanks(model, prompts, { edited: model.stopAt(4), answer: [' Carl', ' Kate'] }),
  LatentDensity: ({ residual, data }) => lens.latentDensity(residual, data, quiet),
  LatentStatistics: ({ residual }) => lens.latentStatistics(residual, { latents: [3, 12, 700], ...quiet }),
  'LatentStatistics of latentProperties': ({ residual }) => lens.latentProperties(residual),
  RankedLatents: async ({ residual }) =>
    lens.latentsBy(await lens.latentStatistics(residual, { latents: [3, 12, 700], ...quiet }), 'std'),
  ReconstructionLoss: ({ model, sae }) => lens.reconstructionLoss(model.withSaes(sae, { errorTerm: true }), prompts),
  TopLatents: ({ residual }) => lens.topLatents(residual, prompts, { k: 2 }),
  Enrichment: ({ residual }) =>
    lens.enrichment(
      residual,
      { few: [5, 6, 7], more: [1, 2, 3, 300] },
      { latents: [3, 12], permutations: 20, ...quiet },
    ),
  LatentsByLoss: ({ spliced, sae }) => byLoss(spliced, sae),
  PositionAblation: async ({ spliced, sae }) => {
    const [latent] = (await byLoss(spliced, sae)).latents
    return lens.positionAblation(spliced, prompts, { target: lens.latents(sae, latent!), limit: 3, ...quiet })
  },
  Comparison: async ({ model }) => {
    const [a, b] = await Promise.all(
      [prompts.slice(0, 1), prompts].map((some) =>
        lens.ablation(model, some, { metric: logProb(' Carl'), target: 'mlp_out' }),
      ),
    )
    return lens.compare(a!, b!, { names: ['one', 'two'] })
  },
  Table: async () =>
    Promise.resolve(
      new lens.Table(
        ['token', { name: 'n', align: 'left', format: { digits: 2, exponent: false } }],
        [
          [' 😀\n', NaN],
          ['x', -Infinity],
          [null, 0.1],
          ['y', null],
        ],
        { title: 'of cells', note: 'a note' },
      ),
    ),
  GenerationAccuracy: ({ model }) =>
    lens.generationAccuracy(
      model,
      [
        { text: 'Carl and Eva were', answer: ' good' },
        { text: 'The', answer: ' x' },
      ],
      {
        sample: false,
      },
    ),
  LatentMaxima: ({ residual }) => lens.latentMaxima(residual, prompts, { latents: [3, 560] }),
  LatentPeaks: ({ residual, data }) => lens.latentPeaks(residual, data, { k: 2, dropLast: 1, ...quiet }),
  LogitLens: ({ model }) => lens.logitLens(model, prompts, { answer: [' Carl', ' Kate'] }),
  MaxActivating: ({ residual, data }) =>
    lens.maxActivating(residual, data, { latents: [5, 12, 560], k: 3, buffer: 2, ...quiet }),
  'MaxActivating with sources': ({ attention, data }) =>
    lens.maxActivating(attention, data, { k: 2, buffer: 2, dfa: true, ...quiet }),
  SaeEvaluation: ({ model, sae, data }) => lens.evaluateSae(model, data, { sae, ...quiet }),
  TopLogits: ({ residual }) => lens.topLogits(residual, { latents: [560, 3], k: 4 }),
}

describe('saved results', () => {
  let folder: string
  let given: Material
  const saes: Sae[] = []
  const made = new Map<string, Saved>()

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'results-'))
    const model = await pocket()
    saes.push(await embeddedSae('pocket-res/blocks.2.hook_resid_pre'), await embeddedSae('pocket-z/blocks.1.hook_z'))
    const rows = prompts.map((prompt) => [...model.toTokens(prompt).rows[0]!].slice(0, 20))
    const [residual, attention] = saes.map((sae) => model.withSaes(sae)) as [lens.HookedModel, lens.HookedModel]
    given = {
      model,
      residual,
      spliced: model.withSaes(saes[0]!, { errorTerm: true }),
      attention,
      sae: saes[0]!,
      data: givenRows([...rows, ...rows.map((row) => [...row].reverse())], 2),
    }
    for (const [name, make] of Object.entries(makers)) made.set(name, await make(given))
  })
  after(async () => {
    saes.forEach((sae) => sae.dispose())
    await rm(folder, { recursive: true })
  })

  const at = (file: string) => join(folder, file)
  const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

  it('are of every exported class that has a JSON', () => {
    const classes = Object.values(lens).filter(
      (each): each is typeof Result =>
        typeof each === 'function' &&
        typeof (each.prototype as object | undefined) === 'object' &&
        'toJSON' in each.prototype,
    )
    // a training's history reloads by its own class, as analyses do not know those of saes
    const elsewhere: unknown[] = [lens.SavedRecord, lens.TrainingHistory]
    const concrete = classes.filter((each) => !elsewhere.includes(each))
    expect(concrete.map(({ name }) => name).sort()).to.deep.equal(savedKinds.map(({ name }) => name).sort())
    const covered = Object.keys(makers).map((name) => name.split(' ')[0]!)
    for (const { name } of savedKinds) expect([...covered, 'NotebookResults'], name).to.include(name)
    expect(new Set(savedKinds.map(({ format }) => format)).size).to.equal(savedKinds.length)
  })

  for (const name of Object.keys(makers)) {
    it(`come back equal: ${name}`, async () => {
      const before = made.get(name)!
      await before.write(at(`${name}.json`))
      const back = await loadResult(at(`${name}.json`))
      expect(back.constructor).to.equal(before.constructor)
      expect(withoutUndefined(back)).to.deep.equal(withoutUndefined(before))
      expect(json(back)).to.deep.equal(json(before))
      expect(String(back)).to.equal(String(before))
      if ('plot' in before) expect((back as Result).plot()).to.deep.equal(before.plot())
    })

    it(`have rows: ${name}`, async () => {
      const before = made.get(name)!
      await before.write(at(`${name}.csv`))
      await before.write(at(`${name}.parquet`))
      const { columns, length } = before.toRows()
      expect(length).to.be.greaterThan(0)
      const heads = (await readFile(at(`${name}.csv`), 'utf8')).split('\r\n')[0]!
      expect(heads.split(',')).to.deep.equal(columns.map((column) => column.name))
      for (const column of columns) expect(column.cells(0, length), column.name).to.have.length(length)
    })

    it(`compare with themselves: ${name}`, async () => {
      const before = made.get(name)!
      if (before instanceof lens.Table || before instanceof lens.Comparison) {
        expect(await refusalOf(() => lens.compare(before as never, before as never))).to.equal(
          `ArgumentError: compare: a ${before.constructor.name} holds no result. Give a Result, or what an analysis returned.`,
        )
        return
      }
      const { difference, unshared, differences, agreement } = lens.compare(
        before as lens.Comparable,
        before as lens.Comparable,
      )
      expect([...difference.values].filter((value) => value !== 0 && !Number.isNaN(value))).to.deep.equal([])
      expect([unshared, differences]).to.deep.equal([[], []])
      if (!Number.isNaN(agreement.pearson)) expect(agreement.pearson).to.be.closeTo(1, 1e-12)
    })
  }

  it('come back from Parquet, bit for bit', async () => {
    const before = made.get('LatentStatistics') as Result
    await before.write(at('s.parquet'))
    const back = await loadResult(at('s.parquet'), lens.Result)
    expect(withoutUndefined(back)).to.deep.equal(withoutUndefined(before))
    await made.get('TopLogits')!.write(at('t.parquet'))
    expect(await refusalOf(() => loadResult(at('t.parquet')))).to.equal(
      `FileError: loadResult: ${at('t.parquet')}: the Parquet file holds rows of a 'tfjs-lens-top-logits', not all of it. Load its .json file; only a Result reloads from Parquet.`,
    )
  })

  it('can be asked for as a class, also as one of another package', async () => {
    await made.get('TopLogits')!.write(at('t.json'))
    expect((await loadResult(at('t.json'), lens.TopLogits)).latents).to.have.length(2)
    expect(await refusalOf(() => loadResult(at('t.json'), lens.Result))).to.equal(
      `MismatchError: loadResult: ${at('t.json')} holds a TopLogits. A Result was asked for.`,
    )
    class Own extends lens.SavedRecord {
      static readonly format = 'my-own'
      readonly n: number
      constructor(n: number) {
        super()
        this.n = n
      }
      toJSON = () => ({ format: Own.format, n: this.n })
      toRows = () => new lens.Table(['n'], [[this.n]]).toRows()
      override toString = () => `Own ${this.n}`
      static fromJSON = (value: unknown) => new Own((value as Own).n)
    }
    await new Own(3).write(at('own.json'))
    expect((await loadResult(at('own.json'), Own)).n).to.equal(3)
    expect(await refusalOf(() => loadResult(at('own.json')))).to.include("no result has the format 'my-own'.")
  })

  describe('that are none', () => {
    /** The refusal of a file of this content, its path left out. */
    const refusal = async (content: string | Uint8Array, file = 'hostile.json') => {
      await writeFile(at(file), content)
      return (await refusalOf(() => loadResult(at(file)))).replaceAll(at(file), 'FILE')
    }
    const changed = (name: string, change: object) => JSON.stringify({ ...(json(made.get(name)) as object), ...change })

    it('are refused by what is wrong: missing, another form, cut off, no result', async () => {
      expect(await refusalOf(() => loadResult(at('none.json')))).to.match(
        /^FileError: loadResult: .*none\.json: cannot be read \(ENOENT.*\)\. Name a file that a result's write made\.$/,
      )
      expect(await refusalOf(() => loadResult(folder))).to.match(/cannot be read \(EISDIR/)
      expect(await refusal('a,b', 'x.csv')).to.equal(
        'FileError: loadResult: FILE: CSV holds the values alone. Load the .json or .parquet file of the result.',
      )
      const text = JSON.stringify(made.get('Result'))
      expect(await refusal(text.slice(0, -20))).to.match(
        /^FileError: loadResult: FILE: unexpected end at line 1, column \d+\. /,
      )
      expect(await refusal('')).to.include('unexpected end at line 1, column 1')
      for (const other of ['[]', '3', 'null', '{"values":[1]}', '{"format":3}']) {
        expect(await refusal(other)).to.equal(
          "FileError: loadResult: FILE: the JSON has no field 'format'. It must be a file that a result's write made.",
        )
      }
    })

    it('are refused for a format nobody has, with the nearest', async () => {
      expect(await refusal('{"format":"tfjs-lens-reslt"}')).to.match(
        /^FileError: loadResult: FILE: no result has the format 'tfjs-lens-reslt'\. Did you mean 'tfjs-lens-result'\? Known are tfjs-lens-result, /,
      )
      for (const name of ['__proto__', 'constructor', 'toString']) {
        expect(await refusal(JSON.stringify({ format: name }))).to.include(`no result has the format '${name}'`)
      }
      expect((await refusal(JSON.stringify({ format: 'x'.repeat(1e6) }))).length).to.be.lessThan(800)
    })

    it('are refused for fields of a wrong shape, each class its own', async () => {
      expect(await refusal(changed('Result', { values: ['1'] }))).to.match(/FILE: field 'values\.0' is wrong \(.*\)\. It must be what Result\.toJSON wrote, version 1\.$/) // prettier-ignore
      expect(await refusal(changed('Result', { version: 2 }))).to.include("FILE: field 'version' is wrong")
      expect(await refusal(changed('Result', { values: [1e39] }))).to.include("'values.0' is wrong (too large for a float32)") // prettier-ignore
      expect(await refusal(changed('Result', { shape: [1e9, 1e9, 1e9] }))).to.include('FILE: shape is [1000000000, 1000000000, 1000000000]. The labels of the axes make it [4, 8, 2].') // prettier-ignore
      const axis = { name: 'a', labels: ['x'] }
      expect(await refusal(changed('Result', { axes: [axis, axis], shape: [1, 1], values: [1] }))).to.include("FILE: two axes are named 'a'.") // prettier-ignore
      const wide = { labels: Array.from({ length: 2000 }, String) }
      const axes = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ ...wide, name }))
      expect(await refusal(changed('Result', { axes, shape: axes.map(() => 2000) }))).to.include('there are 64 values. Shape [2000, 2000, 2000, 2000, 2000] needs 32000000000000000.') // prettier-ignore
      expect(await refusal(changed('Comparison', { b: json(made.get('Result')) }))).to.include(
        'a and b have other axes',
      )
      expect(await refusal(changed('Comparison', { a: 3 }))).to.include('FILE: the value is wrong')
      expect(await refusal(changed('Table', { columns: [] }))).to.include('FILE: there are no columns.')
      expect(await refusal(changed('Table', { rows: [[1]] }))).to.include('FILE: row 0 has 1 cells. It must have 2')
      expect(await refusal(changed('GenerationAccuracy', { right: [] }))).to.include('FILE: there are 2 questions, 2 texts said and 0 verdicts.') // prettier-ignore
      expect(await refusal(changed('LatentMaxima', { extra: { positions: [1] } }))).to.include('FILE: there are 1 positions. The maxima are 4.') // prettier-ignore
      expect(await refusal(changed('LatentPeaks', { firing: [1] }))).to.include('FILE: firing has 1 entries for 768 latents. Each latent has one.') // prettier-ignore
      expect(await refusal(changed('LatentPeaks', { tokens: {} }))).to.match(/FILE: tokens has no position \d+ of prompt \d, where a latent is active\.$/) // prettier-ignore
      const uneven = { prompts: [0], positions: [], activations: [1] }
      expect(await refusal(changed('LatentPeaks', { peaks: Array(768).fill(uneven) }))).to.include('FILE: a latent has 1, 0, 1 prompts, positions and activations.') // prettier-ignore
      expect(await refusal(changed('LogitLens', { top: [[1], []] }))).to.include('FILE: the results and the top tokens have other shapes.') // prettier-ignore
      expect(await refusal(changed('MaxActivating', { examples: [] }))).to.include('FILE: there are 3 latents and 0 lists of examples.') // prettier-ignore
      expect(await refusal(changed('LatentStatistics', { extra: { saes: [{}] } }))).to.match(/FILE: field 'extra\.saes\.0\.hook' is wrong .* what LatentStatistics\.toJSON wrote/) // prettier-ignore
      expect(await refusal(changed('SaeEvaluation', { metrics: {} }))).to.include("FILE: field 'metrics.l0' is wrong")
      expect(await refusal(changed('TopLogits', { latents: [{ latent: 0.5, top: [], bottom: [] }] }))).to.include("FILE: field 'latents.0.latent' is wrong") // prettier-ignore
    })

    it('are refused for keys that would set a prototype, and for nesting without end', async () => {
      const text = JSON.stringify(made.get('Result'))
      const sentence = "FileError: loadResult: FILE: an object has the key '__proto__'. No result has such a key."
      expect(await refusal(text.replace('"extra":{', '"extra":{"\\u005f_proto__":{"polluted":1},'))).to.equal(sentence)
      expect(await refusal(text.replace('{', '{"__proto__":{"polluted":1},'))).to.equal(sentence)
      expect(({} as Record<string, unknown>)['polluted']).to.equal(undefined)
      const deep = `{"format":"tfjs-lens-result","extra":${'['.repeat(1e5)}${']'.repeat(1e5)}}`
      expect(await refusal(deep)).to.equal('FileError: loadResult: FILE: more than 100 levels of nesting. Results have a few.') // prettier-ignore
    })

    it('are refused as Parquet: cut off, changed, of others', async () => {
      await made.get('Result')!.write(at('whole.parquet'))
      const bytes = await readFile(at('whole.parquet'))
      expect(await refusal(bytes.subarray(0, bytes.length / 2), 'cut.parquet')).to.match(
        /^FileError: loadResult: FILE: not a sound Parquet file \(.*\)\. It is damaged or truncated\.$/,
      )
      expect(await refusal(bytes.subarray(0, 5), 'cut.parquet')).to.include('not a sound Parquet file')
      const damaged = Buffer.from(bytes)
      damaged.fill(0xff, 4, bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8)) // all columns, not the metadata
      expect(await refusal(damaged, 'damaged.parquet')).to.include('FILE: not a sound Parquet file')
      const renamed = Buffer.from(bytes.toString('latin1').replace('tfjs-lens-result', 'tfjs-lens-tables'), 'latin1')
      expect(await refusal(renamed, 'other.parquet')).to.include("holds rows of a 'tfjs-lens-tables'")
      const foreign = Buffer.from(bytes.toString('latin1').replaceAll('tfjs-lens', 'some-else'), 'latin1')
      expect(await refusal(foreign, 'foreign.parquet')).to.equal(
        'FileError: loadResult: FILE: the Parquet file holds no result. It must be one that Result.write made.',
      )
    })
  })
})

/** The same instances without properties that are there but undefined, which JSON leaves out. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined)
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  const entries = Object.entries(value).filter(([, each]) => each !== undefined)
  return Object.fromEntries(entries.map(([key, each]) => [key, withoutUndefined(each)]))
}
