import { expect } from 'chai'
import { ArgumentError, ShapeError } from '../../../../lib/errors/errors.js'
import { areas, percentileAreas } from '../../../../lib/report/figure/areas.js'
import type { JsonObject } from '../../../../lib/report/result/json.js'

const hundred = Float32Array.from({ length: 101 }, (_, i) => i)
const names = (data: readonly JsonObject[]) => data.map(({ name }) => name)

describe('figure-areas', () => {
  it('draws the percentiles of each group, the areas between them darkest about the median', () => {
    const groups = [1, 2, 4].map((factor) => ({ name: `layer ${factor}`, values: hundred.map((i) => i * factor) }))
    const { data, layout } = percentileAreas({ groups, percentiles: [90, 10, 50, 25, 75] })
    expect(names(data)).to.deep.equal(['10 %', '25 %', '50 %', '75 %', '90 %'])
    // Of 0 to 100 the p-th percentile is p.
    for (const trace of data) {
      const percentile = parseInt(trace.name as string)
      expect(trace.y).to.deep.equal([percentile, percentile * 2, percentile * 4])
    }
    expect(data.map(({ fill }) => fill)).to.deep.equal([undefined, ...Array<string>(4).fill('tonexty')])
    const shades = data.slice(1).map(({ fillcolor }) => Number(/([\d.]+)\)$/.exec(fillcolor as string)![1]))
    expect(shades[0]).to.be.closeTo(shades[3]!, 1e-9)
    expect(shades[1]).to.be.closeTo(shades[2]!, 1e-9)
    expect(shades[1]).to.be.above(shades[0]!)
    expect((layout.xaxis as JsonObject).ticktext).to.deep.equal(['layer 1', 'layer 2', 'layer 4'])
  })

  it('takes percentiles that are known, at places that are numbers, on a logarithmic axis', () => {
    const percentiles = [0, 100].map((percentile) => ({ percentile, y: [1 + percentile, 10 + percentile] }))
    const { data, layout } = areas({ percentiles, x: [3, 12], log: true })
    expect(data.map(({ x, y }) => [x, y])).to.deep.equal([[[3, 12], [1, 10]], [[3, 12], [101, 110]]]) // prettier-ignore
    expect((layout.yaxis as JsonObject).type).to.equal('log')
  })

  it('leaves a gap where there are no values, and fills no area across it', () => {
    const values = [[1], [2], [], [NaN], [5], [6]]
    const groups = values.map((list, i) => ({ name: String(i), values: list }))
    const { data, layout } = percentileAreas({ groups, percentiles: [25, 75] })
    const [one, two] = [[1, 2, null, null, null, null], [null, null, null, null, 5, 6]] // prettier-ignore
    expect(data.map(({ y }) => y)).to.deep.equal([one, one, two, two])
    expect(data.map(({ fill }) => fill)).to.deep.equal([undefined, 'tonexty', undefined, 'tonexty'])
    expect(data.map(({ showlegend }) => showlegend)).to.deep.equal([true, true, false, false])
    expect((layout.meta as JsonObject).note).to.equal('1 value left out (NaN or infinite); no values: 2, 3')
  })

  it('shows a place between gaps by points', () => {
    const percentiles = [25, 75].map((percentile) => ({ percentile, y: [1, NaN, 3, NaN, 5, 6] }))
    const { data } = areas({ percentiles })
    expect(data.map(({ mode }) => mode)).to.deep.equal([
      ...['lines+markers', 'lines+markers', 'lines+markers', 'lines+markers'],
      ...['lines', 'lines'],
    ])
  })

  it('makes a gap of a place where one percentile cannot stand on a logarithmic axis', () => {
    const percentiles = [
      { percentile: 1, y: [-1, 1, 1] },
      { percentile: 50, y: [2, 2, 2] },
    ]
    expect(areas({ percentiles, log: true }).data.map(({ y }) => y)).to.deep.equal([[null, 1, 1], [null, 2, 2]]) // prettier-ignore
  })

  it('refuses percentiles that are none, and lists of different lengths', () => {
    const group = { name: 'a', values: [1] }
    expect(() => percentileAreas({ groups: [group], percentiles: [50, 101] })).to.throw(
      ArgumentError,
      'percentileAreas: a percentile is 101. It must lie between 0 and 100.',
    )
    expect(() => areas({ percentiles: [{ percentile: NaN, y: [] }] })).to.throw(ArgumentError, 'a percentile is NaN')
    expect(() => areas({ percentiles: [{ percentile: 5, y: [1, 2] }], labels: ['a'] })).to.throw(
      ShapeError,
      'areas: percentile 5 has 2 values, but there are 1 places. Give one for each.',
    )
    expect(() => percentileAreas({ groups: [group], x: [1, 2] })).to.throw(ShapeError, 'percentileAreas: x has 2')
    expect(percentileAreas({ groups: [] }).data).to.deep.equal([])
  })
})
