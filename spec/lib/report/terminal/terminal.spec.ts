import { stripVTControlCharacters } from 'node:util'
import { expect } from 'chai'
import { animatedScatter } from '../../../../lib/report/figure/animated.js'
import { percentileAreas } from '../../../../lib/report/figure/areas.js'
import { boxPlot } from '../../../../lib/report/figure/box.js'
import { groups } from '../../../../lib/report/figure/groups.js'
import { bars, heatmap, histogram, lines, scatter, type Figure } from '../../../../lib/report/figure/figure.js'
import { displayWidth, fitted } from '../../../../lib/report/terminal/text.js'
import { drawFigure } from '../../../../lib/report/terminal/terminal.js'

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

  it('draws boxes on one scale, from whisker to whisker, with their medians', () => {
    const values = [0, 10, 15, 20, 30] // quartiles 10 and 20; with 40 they are 11.25, 17.5 and 27.5
    const groups = [
      { name: 'a', values: [...values, 40] },
      { name: 'b', values: [] },
      { name: 'c', values },
    ]
    const line = (length: number) => '─'.repeat(length)
    const box = (length: number) => '░'.repeat(length)
    // 41 places for 0 to 40.
    expect(plain(boxPlot({ groups, yTitle: 'u' }), 9 + 41)).to.deep.equal([
      '  median u',
      `a  17.50 ├${line(10)}${box(7)}┃${box(10)}${line(11)}┤`,
      `c  15.00 ├${line(9)}${box(5)}┃${box(5)}${line(9)}┤`,
      `         0${' '.repeat(38)}40`,
      'no values: b',
    ])
  })

  it('draws outliers where they are, on a logarithmic scale too', () => {
    const figure = boxPlot({ groups: [{ name: 'a', values: [...Array<number>(9).fill(1), 100, 10_000] }], log: true })
    expect(plain(figure, 9 + 41)).to.deep.equal([
      '  median (log scale)',
      `a      1 ┃${' '.repeat(19)}·${' '.repeat(19)}·`,
      `         1${' '.repeat(35)}10000`,
    ])
  })

  it('draws areas as a row a percentile, the highest on top, with a gap where there is nothing', () => {
    const groups = [0, 10, NaN, 30].map((shift, i) => ({ name: `layer ${i}`, values: [0, 1, 2].map((v) => v + shift) }))
    expect(plain(percentileAreas({ groups, percentiles: [0, 50, 100] }))).to.deep.equal([
      '100 % ▁▄ █ 2 … 32',
      '50 %  ▁▃ █ 1 … 31',
      '0 %   ▁▃ █ 0 … 30',
      'left to right: layer 0 … layer 3',
      '3 values left out (NaN or infinite); no values: layer 2',
    ])
  })

  it('draws the first frame of an animated figure, and says which and how many there are', () => {
    const frames = [0, 1, 2].map((i) => ({ name: `blocks.${i}`, x: [i, i + 1], y: [i, i + 1] }))
    const rows = plain(animatedScatter({ frames, frameTitle: 'layer', points: 1 }))
    expect(rows.slice(-3)).to.deep.equal([
      'layer: blocks.0, the first of 3 frames; a page plays them',
      'all',
      '3 of 6 points drawn, at most 1 a frame, chosen at random',
    ])
  })

  it('draws the points of all groups, and counts them', () => {
    const figure = groups({
      groups: [0, 1].map((i) => ({ name: `set ${i}`, x: [i, i], y: [i, i], labels: ['a', 'b'] })),
    })
    const rows = plain(figure)
    expect(rows[0]).to.match(/^1 │\s+⠈$/)
    expect(rows[15]).to.match(/^0 │⡀$/)
    expect(rows.at(-1)).to.equal('2 groups: set 0 (2), set 1 (2)')
  })

  it('draws logarithmic points evenly by power of ten, and counts by bars that follow it', () => {
    const rows = plain(scatter({ x: [0.001, 1, 1000], y: [1, 10, 100], log: 'xy', xTitle: 'd' }), 47)
    const columns = [rows[1]!, rows[8]!, rows[16]!].map((row) => row.length)
    expect(rows.at(-1)).to.match(/^ +0\.001 +d \(log scale\) +1000$/)
    expect(columns).to.deep.equal([47, 27, 6]) // the last of 42 columns, the middle one, the first
    const counts = plain(histogram({ values: [1, ...Array<number>(8).fill(2)], bins: 2, log: 'y' }), 60)
    expect(counts[0]).to.equal('(log scale)')
    const lengths = counts.slice(1).map((row) => row.split('█').length - 1)
    expect(lengths[1]! / lengths[0]!).to.be.closeTo(4, 0.4) // from a half: 1 is one doubling, 8 are four
    const bins = plain(histogram({ values: [1, 1000], bins: 3, log: 'x' }), 60)
    expect(bins.map((row) => row.split(/\s{2,}| (?=\d+ ?█*$)/)[0]!.trim())).to.deep.equal([
      '1 to 10',
      '10 to 100',
      '100 to 1000',
    ])
  })

  it('says in words what a box figure made elsewhere needs', () => {
    expect(plain({ data: [{ type: 'box', y: [1, 2, 3] }], layout: {} })).to.deep.equal(['(a box figure can be seen in a page only)']) // prettier-ignore
  })

  it('lets no label through that steers the terminal, whatever is drawn', () => {
    const labels = ['\x1b[31m', '\x07\u202e', '\n']
    const figures = [
      bars({ y: [1, 2, 3], labels }),
      heatmap({ z: [[1, 2, 3]], x: labels, y: ['\x1b]0;x\x07'], title: '\x1b[2J', unit: '\x1b' }),
      lines({ series: labels.map((name) => ({ name, y: [1, 2] })) }),
      scatter({ x: [1], y: [1], xTitle: '\x1b[31m' }),
      boxPlot({ groups: labels.map((name, i) => ({ name, values: i ? [1, NaN] : [] })), yTitle: '\x1b[2J' }),
      percentileAreas({ groups: labels.map((name, i) => ({ name, values: i ? [1, NaN] : [] })) }),
      animatedScatter({ frames: labels.map((name) => ({ name, x: [1], y: [NaN] })), frameTitle: '\x1b' }),
      groups({ groups: labels.map((name) => ({ name, x: [1], y: [1], labels: [name] })) }),
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
      histogram({ values, bins: 10, log: 'xy' }),
      boxPlot({ groups: labels.map((name) => ({ name, values })), yTitle: labels.join('') }),
      percentileAreas({ groups: labels.map((name) => ({ name, values })) }),
      animatedScatter({ frames: labels.map((name) => ({ name, x: values, y: values })), points: 3, frameTitle: labels[0]!.repeat(4), yTitle: labels.join('') }), // prettier-ignore
      groups({ groups: labels.map((name) => ({ name, x: values, y: values, labels })) }),
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
