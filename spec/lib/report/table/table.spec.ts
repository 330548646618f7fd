import { execFileSync } from 'node:child_process'
import { inspect, stripVTControlCharacters as strip } from 'node:util'
import { expect } from 'chai'
import { ArgumentError, ShapeError } from '../../../../lib/errors/errors.js'
import { formatFor, formatNumber } from '../../../../lib/report/table/number-text.js'
import { Table } from '../../../../lib/report/table/table.js'
import { withTypeScript } from '../../../support/loader.js'

describe('table', () => {
  const table = new Table(
    ['token', { name: 'logit' }, 'rank'],
    [
      [' a', 1.5, 0],
      ['</td><script>alert(1)</script>', -20.25, 12],
      ['x\n\x1b[31m', null, null],
      ['NaN', NaN, 3],
    ],
    { title: 'Logits', note: 'all of them' },
  )

  it('prints numbers under one another, with one number of digits a column', () => {
    const lines = strip(table.toString()).split('\n')
    const rows = lines.filter((line) => line.startsWith('│')).slice(1)
    const [first, second] = rows.map((row) => row.split('│').slice(2))
    expect(first![0]).to.equal('   1.50 ')
    expect(second![0]).to.equal(' -20.25 ')
    expect(rows[0]!.indexOf('.')).to.equal(rows[1]!.lastIndexOf('.'))
    expect(rows.map((row) => row.split('│')[3]!.trim())).to.deep.equal(['0', '12', '–', '3'])
    expect(lines[0]).to.equal('Logits')
    expect(lines.at(-1)).to.equal('all of them')
  })

  it('lets no cell steer the terminal or break its row', () => {
    const text = strip(table.toString())
    expect(text).to.include('x⏎\\x1b[31m')
    expect(table.toString()).to.not.include('\x1b[31m')
    const widths = text.split('\n').filter((line) => line.startsWith('│'))
    expect(new Set(widths.map((line) => line.length)).size).to.equal(1)
  })

  it('is what console.log shows', () => {
    expect(inspect(table)).to.equal(table.toString())
  })

  it('escapes all text in HTML', () => {
    const html = new Table(['<i>'], [['<script>"'], ["'&"]], { title: '<t>', note: '<n>' }).toHtml()
    expect(html).to.include('<caption>&lt;t&gt;</caption>')
    expect(html).to.include('<th scope="col">&lt;i&gt;</th>')
    expect(html).to.include('<th scope="row">&lt;script&gt;&quot;</th>')
    expect(html).to.include('&#39;&amp;')
    expect(html).to.include('&lt;n&gt;')
    expect(html).to.not.match(/<(i|t|n|script)>/)
    expect(table.toHtml()).to.include('<td class="number">-20.25</td>')
  })

  it('writes CSV with all digits, quoted as in RFC 4180', () => {
    const csv = new Table(['a,b', 'c'], [['say "hi"', 0.1 + 0.2], ['line\nbreak', null], [' x', NaN]]).toCsv() // prettier-ignore
    expect(csv).to.equal('"a,b",c\r\n"say ""hi""",0.30000000000000004\r\n"line\nbreak",\r\n" x",NaN\r\n')
  })

  it('refuses rows that do not fit', () => {
    expect(() => new Table(['a', 'b'], [[1, 2], [1]])).to.throw(
      ShapeError,
      'Table: row 1 has 1 cells. It must have 2, one',
    )
    expect(() => new Table([], [])).to.throw(ArgumentError, 'Table: there are no columns. It needs at least one.')
  })

  it('uses colours only where they are wanted: NO_COLOR and FORCE_COLOR are honoured', () => {
    const module = new URL('../../../../lib/report/table/table.ts', import.meta.url).href
    const script = `const { Table } = await import('${module}'); console.log(String(new Table(['a'], [[1]], { title: 'T' })))`
    const run = (colours: Record<string, string>) => {
      // CI too: its logs show colours, which ansis knows
      const { NO_COLOR: _no, FORCE_COLOR: _force, CI: _ci, ...env } = process.env
      const args = [...withTypeScript, '--input-type=module', '-e', script]
      return execFileSync(process.execPath, args, { env: { ...env, ...colours }, encoding: 'utf8' })
    }
    expect(run({ FORCE_COLOR: '3' })).to.include('\x1b[1mT')
    expect(run({ NO_COLOR: '1' })).to.not.include('\x1b')
    expect(run({})).to.not.include('\x1b') // stdout is a pipe
  })
})

describe('number-text', () => {
  const written = (...values: number[]) => values.map((value) => formatNumber(value, formatFor(values)))

  it('shows whole numbers as such and four digits of the largest otherwise', () => {
    expect(written(1, -20, 300)).to.deep.equal(['1', '-20', '300'])
    expect(written(1.23456, -0.5)).to.deep.equal(['1.235', '-0.500'])
    expect(written(0.012345)).to.deep.equal(['0.01235'])
    expect(written(12345.678)).to.deep.equal(['12345.7'])
  })

  it('turns to powers of ten for the very large and very small', () => {
    expect(written(1.5e-9, 0)).to.deep.equal(['1.500e-9', '0.000e+0'])
    expect(written(1.5e9 + 0.5)).to.deep.equal(['1.500e+9'])
  })

  it('gives no sign to what rounds to zero and names what is no number', () => {
    expect(written(-0.00001, 1.5, NaN, -Infinity)).to.deep.equal(['0.000', '1.500', 'NaN', '-Infinity'])
    expect(written()).to.deep.equal([])
  })
})
