import { expect } from 'chai'
import { ArgumentError, ShapeError } from '../../../../lib/errors/errors.js'
import { animatedScatter } from '../../../../lib/report/figure/animated.js'
import { percentileAreas } from '../../../../lib/report/figure/areas.js'
import { boxPlot } from '../../../../lib/report/figure/box.js'
import { groups } from '../../../../lib/report/figure/groups.js'
import { bars, heatmap, histogram, lines, scatter, type Figure } from '../../../../lib/report/figure/figure.js'
import type { JsonObject } from '../../../../lib/report/result/json.js'

const hostile = ['</script><script>alert(1)</script>', ' <b>"&\'', '\n\u202e', '%{x}', '😀']

const axis = (figure: Figure, name: 'xaxis' | 'yaxis') => figure.layout[name] as JsonObject
const trace = (figure: Figure) => figure.data[0]!

/** All strings of a figure, wherever they stand. */
function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(strings) : []
}

describe('figure', () => {
  const every: Record<string, Figure> = {
    heatmap: heatmap({
      z: hostile.map(() => [1, -2, NaN, 4, 5]),
      x: hostile,
      y: hostile,
      title: hostile[0],
      unit: hostile[0],
    }),
    bars: bars({ y: [1, -2, NaN, 4, 5], labels: hostile, title: hostile[1], xTitle: hostile[0], unit: hostile[0] }),
    scatter: scatter({
      x: [1, 2, 3, 4, Infinity],
      y: [1, 2, 3, 4, 5],
      labels: hostile,
      xTitle: hostile[0],
      identityLine: true,
    }),
    lines: lines({ series: hostile.map((name) => ({ name, y: [1, 2, 3, 4, 5] })), labels: hostile, unit: hostile[0] }),
    histogram: histogram({ values: [1, 2, NaN], bins: 4, title: hostile[0], xTitle: hostile[0] }),
    logScatter: scatter({ x: [1, 10, 0], y: [1, NaN, 3], log: 'xy', identityLine: true, labels: hostile.slice(0, 3) }),
    groups: groups({ groups: hostile.map((name) => ({ name, x: [1], y: [2], labels: [name], called: [0] })), threshold: 1 }), // prettier-ignore
    boxes: boxPlot({
      groups: hostile.map((name, i) => ({ name, values: i > 3 ? [] : [1, 2, NaN] })),
      unit: hostile[0],
    }),
    areas: percentileAreas({ groups: hostile.map((name, i) => ({ name, values: i ? [1, NaN] : [] })), unit: hostile[0] }), // prettier-ignore
    animated: animatedScatter({
      frames: hostile.map((name) => ({ name, x: [1, NaN], y: [2, 3], labels: [name, name] })),
      frameTitle: hostile[0],
      xTitle: hostile[3],
    }),
  }

  for (const [kind, figure] of Object.entries(every)) {
    it(`${kind}: is plain JSON, with null for what is no number`, () => {
      const copy = JSON.parse(JSON.stringify(figure)) as Figure
      expect(JSON.parse(JSON.stringify(copy))).to.deep.equal(copy)
      const numbers = JSON.stringify(figure, (_, value: unknown) => {
        return typeof value === 'number' && !Number.isFinite(value) ? 'not finite' : value
      })
      expect(numbers).to.not.include('not finite')
    })

    it(`${kind}: holds no tag, line break or bidi control of a label`, () => {
      const { meta: _meta, ...layout } = figure.layout // plain data, which plotly does not show
      const tags = strings([figure.data, layout, figure.frames]).flatMap(
        (text) => text.match(/<[^>]*>?|[\n\u202e]/g) ?? [],
      )
      expect(tags.filter((tag) => !['<br>', '<b>', '</b>', '<extra>', '</extra>'].includes(tag))).to.deep.equal([])
    })
  }

  it('escapes the tags that plotly would read, also <b>, which it would draw', () => {
    expect(strings(axis(every.bars!, 'yaxis'))).to.include('·&lt;b&gt;"&amp;\'')
    expect(every.lines!.data[3]!.hovertemplate).to.include('<extra>% {x}</extra>')
  })

  it('keeps equal labels apart', () => {
    const figure = bars({ y: [1, 2, 3], labels: [' to', ' the', ' to'] })
    expect(trace(figure).x).to.deep.equal([0, 1, 2])
    expect(axis(figure, 'xaxis').ticktext).to.deep.equal(['·to', '·the', '·to'])
  })

  it('centres diverging colours at zero, and uses them when a value is negative', () => {
    const figure = heatmap({ z: [[-1, 3]] })
    expect(trace(figure)).to.include({ zmin: -3, zmax: 3 })
    const scale = trace(figure).colorscale as [number, string][]
    expect(scale[0]).to.deep.equal([0, '#67001f']) // red below
    expect(scale[5]).to.deep.equal([0.5, '#f7f7f7']) // white in the middle
    expect(scale[10]).to.deep.equal([1, '#053061']) // blue above
    expect(trace(heatmap({ z: [[1, 3]] }))).to.not.have.property('zmin')
    expect(trace(heatmap({ z: [[1, 3]], diverging: true }))).to.include({ zmin: -3, zmax: 3 })
    expect(trace(heatmap({ z: [[0, NaN]], diverging: true }))).to.include({ zmin: -1, zmax: 1 })
  })

  it('gives heat maps of few rows near square cells with the values in them', () => {
    for (const [rows, columns] of [
      [4, 8],
      [4, 22],
      [12, 12],
    ] as const) {
      // prettier-ignore
      const figure = heatmap({ z: Array.from({ length: rows }, () => new Float32Array(columns)), title: 'T' })
      const { width, height, margin } = figure.layout as unknown as Record<string, number> & {
        margin: Record<string, number>
      }
      const cell = [(width! - margin.l! - margin.r!) / columns, (height! - margin.t! - margin.b!) / rows]
      expect(cell[0]! / cell[1]!, `${rows} x ${columns}`).to.be.within(0.9, 1.9)
      expect(trace(figure)).to.have.property('texttemplate')
      expect(width).to.be.at.most(1060) // the column of text of a page
    }
  })

  it('keeps room for turned labels, also left of the first one, and leaves out those that would overlap', () => {
    const z = [new Float32Array(22)]
    const long = heatmap({ z, x: z[0]!.length ? Array.from({ length: 22 }, () => '<|endoftext|>') : [] })
    expect(axis(long, 'xaxis')).to.include({ tickangle: -45 })
    expect((long.layout.margin as JsonObject).l).to.be.at.least(Math.floor(13 * 7 * Math.SQRT1_2 - 0.3 * 40))
    const many = heatmap({ z: [new Float32Array(300)] })
    const shown = axis(many, 'xaxis').tickvals as number[]
    expect(shown.length).to.be.within(20, 64)
    expect(shown[1]! - shown[0]!).to.equal(shown[2]! - shown[1]!)
    expect((trace(many).hovertext as string[][])[0]![299]).to.equal('0<br>299') // all can still be pointed at
  })

  it('draws bars in the colours of their sign, lying where labels are long', () => {
    const figure = bars({ y: [1, -1], labels: ['a label of some length', 'b'] })
    expect(trace(figure)).to.deep.include({ orientation: 'h', x: [1, -1], y: [0, 1] })
    const colours = (trace(figure).marker as JsonObject).color as string[]
    expect(colours[0]).to.not.equal(colours[1])
    expect(axis(figure, 'yaxis').autorange).to.equal('reversed') // the first on top
    expect(trace(bars({ y: [2], error: [0.5] })).error_y).to.deep.include({ array: [0.5] })
  })

  it('counts a histogram with the borders shown', () => {
    const figure = histogram({ values: [0, 0.4, 1], bins: 2 })
    expect(trace(figure)).to.deep.include({ x: [0.25, 0.75], y: [2, 1], customdata: [[0, 0.5], [0.5, 1]] }) // prettier-ignore
  })

  it('makes bins of equal width by the logarithm, and leaves out what has none', () => {
    const figure = histogram({ values: [1, 5, 50, 500, 1000, 0, -1], bins: 3, log: 'xy' })
    const { customdata, x, y, width } = trace(figure) as Record<string, number[]>
    const edges = customdata as unknown as number[][]
    ;[1, 10, 100, 1000].forEach((edge, i) => {
      for (const end of [edges[i]?.[0], edges[i - 1]?.[1]]) if (end) expect(end).to.be.closeTo(edge, edge * 1e-12)
    })
    expect(y).to.deep.equal([2, 1, 2])
    // plotly draws a bar from half a width below its place to half a width above, also on a logarithmic axis.
    x!.forEach((place, i) => expect(place - width![i]! / 2).to.be.closeTo(edges[i]![0]!, edges[i]![0]! * 1e-9))
    expect(axis(figure, 'xaxis').type).to.equal('log')
    expect(axis(figure, 'yaxis')).to.deep.include({ type: 'log', range: [Math.log10(0.5), Math.log10(2) + 0.1] })
    expect((figure.layout.meta as JsonObject).note).to.equal('2 values left out (NaN or infinite, or not above 0 on a log axis)') // prettier-ignore
    const ranged = histogram({ values: [1, 5, 50, 500], bins: 2, log: 'x', range: [1, 100] })
    expect(trace(ranged).y).to.deep.equal([2, 1])
  })

  it('leaves out of logarithmic axes what cannot stand there, with its label, and says so', () => {
    const figure = scatter({ x: [0.1, 0, 10], y: [-1, 1, 1000], labels: ['a', 'b', 'c'], log: 'x', yTitle: 'y' })
    expect(trace(figure)).to.deep.include({ x: [0.1, 10], y: [-1, 1000], text: ['a', 'c'] })
    expect([axis(figure, 'xaxis').type, axis(figure, 'yaxis').type]).to.deep.equal(['log', undefined])
    expect((figure.layout.annotations as JsonObject[])[0]!.text).to.match(/^1 point left out/)
  })

  it('draws y = x on two logarithmic axes, its name at its end, and refuses it on one', () => {
    const figure = scatter({ x: [1, 10, -5], y: [100, 1000, 5], log: 'xy', identityLine: true })
    expect(trace(figure)).to.deep.include({ mode: 'lines', x: [1, 1000] })
    expect((figure.layout.annotations as JsonObject[])[1]).to.include({ x: 3, y: 3 }) // annotations take powers of ten
    expect(() => scatter({ x: [1], y: [1], log: 'y', identityLine: true })).to.throw(
      ArgumentError,
      "scatter: identityLine with log 'y', where y = x is no line. Take log 'xy', or none.",
    )
  })

  it('breaks a long note, so that it keeps to the plot', () => {
    const names = [0, 1, 2].map((i) => ({ name: `blocks.${i}.attn.hook_resid_pre`, values: [] }))
    const { layout } = boxPlot({ groups: [...names, { name: 'a', values: [0, NaN, 1] }], log: true })
    const lines = ((layout.annotations as JsonObject[])[0]!.text as string).split('<br>')
    expect(lines).to.have.length(2)
    for (const line of lines) expect(line.length).to.be.at.most(110)
    expect(lines.join(' ')).to.equal((layout.meta as JsonObject).note)
  })

  it('tells groups beyond its colours apart by shape', () => {
    const many = Array.from({ length: 9 }, (_, i) => ({ name: String(i), x: [1], y: [1], labels: ['a'] }))
    const markers = groups({ groups: many, threshold: 3 }).data.map(({ marker }) => {
      const { color, symbol } = marker as { color: string; symbol: string }
      return `${color} ${symbol}`
    })
    expect(new Set(markers)).to.have.property('size', 9)
    expect(groups({ groups: many, threshold: 3 }).layout.shapes).to.have.length(1)
  })

  it('draws y = x over the range of both axes', () => {
    const figure = scatter({ x: [0, 1, NaN], y: [-2, 3, 0], identityLine: true })
    expect(trace(figure)).to.deep.include({ mode: 'lines', x: [-2, 3], y: [-2, 3] })
    expect(scatter({ x: [], y: [], identityLine: true }).data).to.have.length(1)
  })

  it('refuses lists of different lengths', () => {
    expect(() => bars({ y: [1, 2], labels: ['a'] })).to.throw(
      ShapeError,
      'bars: y has 2 values, but there are 1 labels. Give one for each.',
    )
    expect(() => heatmap({ z: [[1], [1, 2]] })).to.throw(ShapeError, 'heatmap: row 1 of z has 2 values')
    expect(() => heatmap({ z: [[1]], y: [] })).to.throw(
      ShapeError,
      'heatmap: z has 1 values, but there are 0 labels in y',
    )
    expect(() => scatter({ x: [1], y: [] })).to.throw(ShapeError, 'scatter: x has 1 values')
    expect(() => lines({ series: [{ name: 'a', y: [1] }], labels: [] })).to.throw(ShapeError, "lines: 'a' has 1 values")
  })

  it('takes no values at all', () => {
    expect(heatmap({ z: [] }).data).to.have.length(1)
    expect(trace(bars({ y: [] })).y).to.deep.equal([])
    expect(lines({ series: [] }).data).to.deep.equal([])
  })
})
