/** A notebook shows cells in the terminal as they come, and writes the same as a page and its numbers as JSON. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { bars } from '../../../../lib/report/figure/figure.js'
import { Notebook } from '../../../../lib/report/notebook/notebook.js'
import type { Provenance } from '../../../../lib/report/result/provenance.js'
import { Table } from '../../../../lib/report/table/table.js'
import { allProcessing } from '../../../../lib/weights/process.js'

const provenance: Provenance = {
  library: 'tfjs-lens',
  backend: 'cpu',
  model: 'm',
  modelFiles: {},
  processing: { ...allProcessing },
  prependBos: true,
}

/** What a call prints. */
async function printedBy(call: () => unknown): Promise<string> {
  const { log } = console
  const lines: string[] = []
  console.log = (...args: unknown[]) => void lines.push(args.join(' '))
  try {
    await call()
  } finally {
    console.log = log
  }
  return lines.join('\n')
}

describe('notebook', () => {
  it('prints every kind of cell and puts it in the page, foreign text escaped', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'notebook-'))
    const table = new Table(['<b>', 'n'], [['x', 1.5]])
    const printed = await printedBy(async () => {
      const notebook = new Notebook('A study', 'of cells')
      notebook.heading('First', 'with text')
      notebook.show('prose <i>', table, { toTable: () => new Table(['of a result'], [['y']]) })
      notebook.show(bars({ y: [1, 2], labels: ['one', 'two'] }))
      notebook.show({ tokens: [' a', '<i>'], values: [0, 3], mark: 1 })
      notebook.show({ toString: () => 'drawn', toHtml: () => '<em>drawn</em>' })
      notebook.number('answer', 1 / 3, 'nats')
      notebook.number('nothing', NaN, 'nats')
      notebook.keep('list', { values: Float64Array.from([1]), toJSON: () => [1] })
      await notebook.write(folder, provenance)
    })
    for (const part of ['A study', '── First ', 'with text', 'prose <i>', 'of a result', 'two', '<i>', 'drawn', 'answer: 0.3333 nats', 'nothing: none\n', 'report.html']) expect(printed).to.include(part) // prettier-ignore
    const html = readFileSync(join(folder, 'report.html'), 'utf8')
    for (const part of ['<h1>A study', 'of cells', '>First</h2>', 'prose &lt;i&gt;', '&lt;b&gt;', 'of a result', 'id="plot-1"', '&lt;i&gt;</u>', '<em>drawn</em>']) expect(html).to.include(part) // prettier-ignore
    const numbers = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as Record<string, unknown>
    expect(numbers).to.deep.include({ answer: 1 / 3, list: [1] })
    expect(numbers['provenance']).to.deep.include({ model: 'm' })
    rmSync(folder, { recursive: true })
  })
})
