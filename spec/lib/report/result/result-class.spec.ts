/** A class of results: what an analysis adds to the numbers has a type, and comes back from files. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { z } from 'zod'
import { loadSaved } from '../../../../lib/report/result/load-saved.js'
import { Result } from '../../../../lib/report/result/result.js'
import { readResult } from '../../../../lib/report/result/result-json.js'
import { numberField } from '../../../../lib/report/result/saved.js'
import { refusalOf } from '../../../support/refusal.js'

class Losses extends Result<{ readonly recovered: number }> {
  static override readonly format: string = 'own-losses'
  static readonly extraSchema = z.object({ recovered: numberField })
  static override fromJSON(value: unknown): Losses {
    return new Losses(readResult(value, Losses))
  }
  get recovered(): number {
    return this.extra.recovered
  }
}

const provenance = { library: 'tfjs-lens', backend: 'cpu', model: 'none', modelFiles: {}, processing: {} }

const losses = (recovered: number) =>
  new Losses({
    kind: 'losses',
    title: 'losses',
    unit: 'nats',
    values: Float32Array.of(1, NaN, -0),
    axes: [{ name: 'condition', labels: ['a', 'b', 'c'] }],
    provenance,
    extra: { recovered },
  })

describe('a class of results', () => {
  let folder: string
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'result-class-'))))
  after(() => rm(folder, { recursive: true }))

  for (const ending of ['json', 'parquet']) {
    it(`comes back from .${ending} with what it adds`, async () => {
      for (const recovered of [0.5, NaN]) {
        const path = join(folder, `losses.${ending}`)
        await losses(recovered).write(path)
        const again = await loadSaved(path, [Result, Losses])
        expect(again).to.be.instanceOf(Losses)
        expect(again).to.deep.include({ recovered, title: 'losses' })
        expect((again as Losses).values).to.deep.equal(
          losses(recovered).values.map((x) => (ending === 'json' ? x + 0 : x)),
        )
      }
    })
  }

  it('is refused where what it adds is wrong, or the class is unknown', async () => {
    const json = JSON.parse(JSON.stringify(losses(1))) as object
    expect(await refusalOf(() => Losses.fromJSON({ ...json, extra: { recovered: 'all' } }))).to.include(
      "field 'extra.recovered'",
    )
    const path = join(folder, 'unknown.parquet')
    await losses(1).write(path)
    expect(await refusalOf(() => loadSaved(path, [Result]))).to.include("rows of a 'own-losses'")
  })

  it('is a plain result once a part is taken', () => {
    expect(losses(1).mean('condition')).to.not.be.instanceOf(Losses)
    expect(losses(1).mean('condition').extra).to.deep.equal({})
  })
})
