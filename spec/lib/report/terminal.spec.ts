import { stripVTControlCharacters } from 'node:util'
import { expect } from 'chai'
import { bars, heatmap, histogram, lines, scatter, type Figure } from '../../../lib/report/figure.js'
import { displayWidth, fitted } from '../../../lib/report/terminal-text.js'
import { drawFigure } from '../../../lib/report/terminal.js'

const plain = (figure: Figure, width = 60) => drawFigure(figure, { width, colour: false }).split('\n')

describe('terminal', () => {
  it('draws bars with lengths that follow the values', () => {
    const rows = plain(bars({ y: [2, 1, 0.5], labels: ['a', ' b', 'c'], unit: 'logits', title: 'T' }), 49)
    expect(rows.slice(0, 2)).to.deep.equal(['T', 'logits'])
    const lengths = rows.slice(2).map((row) => row.split('█').length - 1)
    expect(lengths).to.deep.equal([40, 20, 10])
    expect(rows[3]).to.match(/^·b 1\.000 █+$/)
  })

  it('draws negative bars to the left of zero', () => {
    const [first, second] = plain(bars({ y: [-1, 1], labels: ['a', 'b'] }), 49)
    const [start, end] = [first!.indexOf('█'), first!.lastIndexOf('█')]
    expect(second!.indexOf('█')).to.equal(end + 1)
    expect(end - start).to.equal(second!.lastIndexOf('█') - second!.indexOf('█'))
  })

  it('draws eighths of a block, and a bar of no length for 0 and NaN', () => {
    const rows = plain(bars({ y: [40, 0.5, 0, NaN], labels: ['a', 'b', 'c', 'd'] }), 48)
    expect(rows[1]).to.match(/ ▌$/)
    expect(rows[2]).to.match(/ 0\.00$/)
    expect(rows[3]).to.match(/NaN$/)
  })

  it('writes the values of a small heat map into its cells', () => {
    const rows = plain(heatmap({ z: [[1, -2.5], [NaN, 4]], x: ['a', ' b'], y: ['0', '1'], unit: 'logits' })) // prettier-ignore
    expect(rows.map((row) => row.trim().split(/\s+/))).to.deep.equal([
      ['a', '·b'],
      ['0', '1.000', '-2.500'],
      ['1', '·', '4.000'],
      ['logits'],
    ])
  })

  it('draws a wide heat map in signs and shades that need no colour, with a key of its columns', () => {
    const z = [Float32Array.from({ length: 30 }, (_, i) => (i - 15) / 15)]
    const rows = plain(heatmap({ z, x: z[0] && Array.from(z[0], (_, i) => ` token${i}`), y: ['L'], unit: 'u' }), 80)
    const row = rows.find((line) => line.startsWith('L '))!
    expect(row).to.match(/^L -██/)
    expect(rows.join('\n')).to.include('29 ·token29')
    expect(rows.at(-1)).to.equal('░ ▒ ▓ █ up to 1.000 u, - below zero')
    for (const line of rows) expect(displayWidth(line)).to.be.at.most(80)
  })

  it('colours a heat map when asked to, red below zero and blue above', () => {
    const figure = heatmap({ z: [[-1, 1]] })
    const text = drawFigure(figure, { width: 60, colour: true })
    expect(text).to.include('\x1b[48;2;103;0;31m') // the lowest colour, #67001f
    expect(text).to.include('\x1b[48;2;5;48;97m') // the highest, #053061
    expect(stripVTControlCharacters(text)).to.include('-1')
    expect(drawFigure(figure, { width: 60, colour: false })).to.not.include('\x1b')
  })

  it('draws points where they are', () => {
    const rows = plain(scatter({ x: [0, 1], y: [0, 1], xTitle: 'x', yTitle: 'y', identityLine: true }))
    expect(rows[0]).to.equal('y')
    expect(rows[1]).to.match(/^1 │\s+⠈$/) // the uppermost dot on the right
    expect(rows[16]).to.match(/^0 │⡀$/) // the lowest on the left
    expect(rows.at(-1)).to.match(/^ +0 +x +1$/)
  })

  it('draws a line as a row of blocks, with its smallest and largest value', () => {
    const rows = plain(lines({ series: [{ name: 'up', y: [0, 1, 2, 3, 4, 5, 6, 7] }, { name: 'gap', y: [7, NaN, 0, 0, 0, 0, 0, 0] }] })) // prettier-ignore
    expect(rows).to.deep.equal(['up  ▁▂▃▄▅▆▇█ 0 … 7', 'gap █ ▁▁▁▁▁▁ 0 … 7'])
  })

  it('averages a line that is longer than the terminal is wide', () => {
    const [row] = plain(lines({ series: [{ name: 'a', y: Array.from({ length: 5000 }, (_, i) => i) }] }), 60)
    expect(displayWidth(row!)).to.be.at.most(60)
    expect(row).to.match(/▁.*█/)
  })

  it('lets no label through that steers the terminal, whatever is drawn', () => {
    const labels = ['\x1b[31m', '\x07\u202e', '\n']
    const figures = [
      bars({ y: [1, 2, 3], labels }),
      heatmap({ z: [[1, 2, 3]], x: labels, y: ['\x1b]0;x\x07'], title: '\x1b[2J', unit: '\x1b' }),
      lines({ series: labels.map((name) => ({ name, y: [1, 2] })) }),
      scatter({ x: [1], y: [1], xTitle: '\x1b[31m' }),
    ]
    for (const figure of figures) expect(plain(figure).join('')).to.not.match(/[\p{Cc}\u202e]/u)
  })

  it('keeps to the width for all kinds', () => {
    const labels = Array.from({ length: 40 }, (_, i) => ` token 😀 ${i} of a fair length`)
    const values = Float32Array.from(labels, (_, i) => Math.sin(i) * 1000)
    const figures = [
      bars({ y: values, labels }),
      heatmap({ z: [values, values], x: labels, y: labels.slice(0, 2) }),
      lines({ series: [{ name: labels[0]!, y: values }] }),
      scatter({ x: values, y: values, xTitle: labels.join('') }),
      histogram({ values, bins: 10 }),
    ]
    for (const width of [40, 100]) {
      for (const line of figures.flatMap((figure) => plain(figure, width))) {
        expect(displayWidth(line), line).to.be.at.most(width)
      }
    }
  })

  it('draws figures of no values', () => {
    for (const figure of [bars({ y: [] }), heatmap({ z: [] }), lines({ series: [] }), scatter({ x: [NaN], y: [1] })]) {
      expect(drawFigure(figure, { colour: false })).to.be.a('string')
    }
  })

  it('measures wide, combining and cut text', () => {
    expect(displayWidth('日本😀e\u0301')).to.equal(7)
    expect(fitted('日本語', 4)).to.equal('日… ')
    expect(fitted('ab', 4, 'right')).to.equal('  ab')
  })
})
