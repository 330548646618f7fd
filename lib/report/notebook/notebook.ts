/** A research script's output: shown in the terminal cell by cell as it comes, and all of it as an HTML page and JSON. */
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { bold } from 'ansis'
import { ArgumentError } from '../../errors/errors.js'
import type { Figure } from '../figure/figure.js'
import { writeFileAtomic } from '../../files/write-atomic.js'
import { highlightHtml, highlightText, type Highlight } from '../page/highlight.js'
import { jsonNumbers, type JsonValue } from '../result/json.js'
import { NotebookResults, reserved } from './notebook-results.js'
import { trustedHtml, writePage, type Section } from '../page/page.js'
import { describeProvenance, type Provenance } from '../result/provenance.js'
import { Table } from '../table/table.js'
import { drawFigure } from '../terminal/terminal.js'

/** What draws itself for both, such as a `MaxActivating`; its HTML has all foreign text escaped. */
export interface Drawn {
  toString(): string
  toHtml(): string
}

/** What a cell may show: prose, a table, a result as its table, a figure, coloured text. */
export type Shown = string | Table | { toTable(): Table } | Figure | Highlight | Drawn

export class Notebook {
  readonly title: string
  readonly #intro: string
  readonly #sections: Section[] = []
  readonly #numbers = new Map<string, JsonValue>()

  constructor(title: string, intro = '') {
    this.title = title
    this.#intro = intro
    console.log(bold(title))
  }

  /** Begins a section. */
  heading(heading: string, text?: string): void {
    console.log(`\n${bold(`── ${heading} `.padEnd(72, '─'))}`)
    if (text) console.log(text)
    this.#sections.push({ heading, text })
  }

  /** Prints each, and puts it in the page. */
  show(...cells: readonly Shown[]): void {
    for (const cell of cells) {
      const { text, section } = drawn(cell)
      console.log(text)
      this.#sections.push(section)
    }
  }

  /**
   * Keeps numbers for the JSON file under a name: anything that JSON can hold, lists of floats, or what has `toJSON`.
   * Results come back as what they are: `(await loadResult('results.json')).get(name)`.
   * @throws ArgumentError for a name that the file has for itself
   */
  keep(name: string, value: unknown): void {
    if ((reserved as readonly string[]).includes(name)) {
      throw new ArgumentError(
        `keep: '${name}' is a name of the file's own, as are ${reserved.join(', ')}. Take another.`,
      )
    }
    const plain = (_: string, each: unknown) => (ArrayBuffer.isView(each) ? jsonNumbers(each as Float32Array) : each)
    this.#numbers.set(name, JSON.parse(JSON.stringify(value, plain)) as JsonValue)
  }

  /** Prints a number and keeps it; one that is undefined, NaN, is shown as "none" and kept as null. */
  number(name: string, value: number, unit = ''): void {
    this.show(`${name}: ${Number.isNaN(value) ? 'none' : `${value.toPrecision(4)}${unit && ` ${unit}`}`}`)
    this.keep(name, value)
  }

  /**
   * Writes `report.html` and `results.json`, the kept numbers and the provenance, to a folder, and prints where.
   * @throws FileError when they cannot be written
   */
  async write(folder: string, provenance: Provenance): Promise<void> {
    const [html, json] = ['report.html', 'results.json'].map((file) => resolve(join(folder, file))) as [string, string]
    await writePage(html, { title: this.title, intro: this.#intro, sections: this.#sections, provenance })
    await writeFileAtomic(
      json,
      JSON.stringify(new NotebookResults({ title: this.title, provenance, pieces: this.#numbers }), null, 1),
    )
    console.log(`\n${describeProvenance(provenance).slice(0, 3).map(([, value]) => value).join(', ')}`) // prettier-ignore
    console.log(`Report:  ${pathToFileURL(html).href}\nNumbers: ${json}`)
  }
}

function drawn(cell: Shown): { text: string; section: Section } {
  if (typeof cell === 'string') return { text: cell, section: { text: cell } }
  if (cell instanceof Table) return { text: cell.toString(), section: { table: cell } }
  if ('toTable' in cell) return drawn(cell.toTable())
  if ('toHtml' in cell) return { text: cell.toString(), section: { html: trustedHtml(cell.toHtml()) } }
  if ('tokens' in cell) {
    return { text: highlightText(cell), section: { html: trustedHtml(`<p>${highlightHtml(cell)}</p>`) } }
  }
  return { text: drawFigure(cell), section: { figure: cell } }
}
