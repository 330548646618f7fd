import { expect } from 'chai'
import { ArgumentError, ShapeError } from '../../../../lib/errors/errors.js'
import { boxPlot } from '../../../../lib/report/figure/box.js'
import type { JsonObject } from '../../../../lib/report/result/json.js'
import { random } from '../../../../lib/stats/random.js'

describe('figure-box', () => {
  it("gives plotly the numbers of its boxes, and the outliers as points of their group's place", () => {
    const { data, layout } = boxPlot({
      groups: [
        { name: 'a', values: [1, 2, 3, 4, 100], labels: ['one', 'two', 'three', 'four', ' <b>'] },
        { name: ' b', values: [5] },
      ],
    })
    expect(data[0]).to.deep.include({ type: 'box', x: [0, 1], q1: [2, 5], median: [3, 5], q3: [4, 5] })
    expect(data[0]).to.deep.include({ lowerfence: [1, 5], upperfence: [4, 5], y: [[1, 100], [5, 5]] }) // prettier-ignore
    expect(data[1]).to.deep.include({ type: 'scatter', x: [0], y: [100], text: ['·&lt;b&gt;'] })
    expect((layout.xaxis as JsonObject).ticktext).to.deep.equal(['a', '·b'])
    expect(layout.annotations).to.equal(undefined) // nothing is left out
  })

  it('stays small however many numbers there are, and keeps the farthest outliers', () => {
    const { normal } = random(2)
    const values = Float32Array.from({ length: 24_576 }, () => normal() ** 3)
    const figure = boxPlot({ groups: [{ name: 'layer', values }, { name: 'again', values }], outliers: 30 }) // prettier-ignore
    expect(JSON.stringify(figure).length).to.be.below(6000)
    const { x, y } = figure.data[1] as { x: number[]; y: number[] }
    expect(x.filter((place) => place === 0)).to.have.length(30)
    const sorted = [...values].sort((a, b) => a - b)
    const drawn = y.slice(0, 30)
    const near = (expected: number) => drawn.some((value) => Math.abs(value - expected) < Math.abs(expected) * 1e-6)
    expect(near(sorted[0]!) && near(sorted.at(-1)!), 'both ends').to.equal(true)
    expect(drawn.filter((value) => value < 0)).to.have.length(15)
    const [q1, q3] = [0.25, 0.75].map((q) => sorted[Math.round(q * 24_575)]!) as [number, number]
    const fence = 1.5 * (q3 - q1)
    const all = sorted.filter((value) => value < q1 - fence || value > q3 + fence).length * 2
    const note = (figure.layout.meta as JsonObject).note as string
    expect(note).to.match(/^60 of [\d,]+ outliers drawn$/)
    expect(Number(note.split(' ')[2]!.replace(',', ''))).to.be.closeTo(all, all * 0.01) // by rounded quartiles
  })

  it('gives what one side does not need to the other', () => {
    const values = [0, 0, 0, 1, 1, 1, -90, ...Array.from({ length: 9 }, (_, i) => 100 + i)]
    const near = [...Array.from({ length: 60 }, () => [0, 1]).flat(), ...values]
    const { y } = boxPlot({ groups: [{ name: 'a', values: near }], outliers: 6 }).data[1] as { y: number[] }
    expect(y).to.deep.equal([-90, 108, 106, 104, 102, 100])
    const none = boxPlot({ groups: [{ name: 'a', values: near }], outliers: 0 })
    expect(none.data[1]!.y).to.deep.equal([])
    expect((none.layout.meta as JsonObject).note).to.equal('0 of 10 outliers drawn')
  })

  it('says what it cannot draw: NaN, infinities, groups of no values, and on a log axis what is not above 0', () => {
    const groups = [
      { name: 'a', values: [NaN, 1, 10, Infinity, 0, -1] },
      { name: 'b', values: [-1] },
    ]
    const plain = boxPlot({ groups })
    expect((plain.layout.meta as JsonObject).note).to.equal('2 values left out (NaN or infinite)')
    expect(plain.data[0]!.median).to.deep.equal([0.5, -1])
    const log = boxPlot({ groups, log: true })
    const note = '5 values left out (NaN or infinite, or not above 0 on a log axis); no values: b'
    expect((log.layout.meta as JsonObject).note).to.equal(note)
    expect((log.layout.annotations as JsonObject[])[0]!.text).to.equal(note)
    expect(log.data[0]).to.deep.include({ x: [0], median: [5.5] })
    expect(log.layout.yaxis).to.deep.include({ type: 'log', range: [-0.04, 1.04] }) // plotly takes powers of ten
    expect(JSON.stringify(log.data)).to.not.match(/null|NaN/)
  })

  it('refuses labels and numbers of outliers that do not fit', () => {
    const group = { name: 'a', values: [1, 2], labels: ['x'] }
    expect(() => boxPlot({ groups: [group] })).to.throw(
      ShapeError,
      "boxPlot: 'a' has 2 values, but there are 1 labels. Give one for each.",
    )
    expect(() => boxPlot({ groups: [], outliers: -1 })).to.throw(
      ArgumentError,
      'boxPlot: outliers is -1. It must be a whole number from 0.',
    )
    expect(boxPlot({ groups: [] }).data[0]!.x).to.deep.equal([])
  })
})
