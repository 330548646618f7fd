/**
 * A report as one HTML file that holds all it needs: it opens from a folder, without a network, and forbids itself
 * to use one.
 */
import { createHash } from 'node:crypto'
import { describeFigure, figureTitle, leastWidthOf, withoutTitle } from './page-figure.js'
import type { Figure } from '../figure/figure.js'
import { writeFileAtomic } from '../../files/write-atomic.js'
import { pageScript } from './script.js'
import { pageStyle } from './style.js'
import { plotlyBundle } from './plotly-bundle.js'
import { describeProvenance, type Provenance } from '../result/provenance.js'
import type { Table } from '../table/table.js'
import { escapeHtml, visibleControls } from '../table/token-text.js'

/** HTML that its author vouches for; see `trustedHtml`. */
export interface TrustedHtml {
  readonly trustedHtml: string
}

export interface Section {
  readonly heading?: string
  /** Plain text; an empty line begins a new paragraph. */
  readonly text?: string
  readonly figure?: Figure
  readonly table?: Table
  readonly html?: TrustedHtml
}

export interface Page {
  readonly title: string
  /** Plain text below the title; an empty line begins a new paragraph. */
  readonly intro?: string
  readonly sections: readonly Section[]
  readonly provenance?: Provenance
}

/** Marks HTML to be put into a page as it is. All foreign text in it must have gone through `escapeHtml`. */
export function trustedHtml(html: string): TrustedHtml {
  return { trustedHtml: html }
}

/**
 * The page as HTML. A section shows its heading, text, figure, table and HTML in this order; one without a heading
 * continues the one before.
 * @throws FileError when there are figures and plotly.js is not installed.
 */
export async function renderPage(page: Page): Promise<string> {
  const figures = page.sections.flatMap(({ figure }) => (figure ? [withoutTitle(figure)] : []))
  const scripts = figures.length > 0 ? [await plotlyBundle(), pageScript] : []
  const groups = grouped(page)
  const named = groups.filter(({ heading }) => heading !== undefined)
  const contents = named.length >= 3 ? contentsHtml(named) : ''
  const body = [
    `<div class="layout${contents ? ' with-contents' : ''}">`,
    `<header><h1>${text(page.title)}</h1>${paragraphs(page.intro)}</header>`,
    contents,
    '<main>',
    ...groups.map(groupHtml),
    '</main></div>',
    figures.length > 0 ? `<script type="application/json" id="figures">${scriptJson(figures)}</script>` : '',
    ...scripts.map((script) => `<script>${script}</script>`),
  ]
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${contentPolicy(scripts)}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${text(page.title)}</title>`,
    `<style>${pageStyle}</style></head><body>`,
    ...body.filter((part) => part !== ''),
    '</body></html>\n',
  ].join('\n')
}

/** Writes the page, whole or not at all. Throws as `renderPage` and `writeFileAtomic` do. */
export async function writePage(path: string, page: Page): Promise<void> {
  await writeFileAtomic(path, await renderPage(page))
}

/** A heading and all that stands below it. */
interface Group {
  readonly heading?: string
  readonly id: string
  readonly parts: string[]
}

/** The sections' HTML, those without a heading joined to the one before; the provenance last. */
function grouped({ sections, provenance }: Page): Group[] {
  const groups: Group[] = []
  let figures = 0
  for (const section of sections) {
    const html = sectionHtml(section, section.figure ? ++figures : 0)
    if (section.heading === undefined && groups.length > 0) groups.at(-1)!.parts.push(html)
    else groups.push({ heading: section.heading, id: anchor(section.heading, groups), parts: [html] })
  }
  if (!provenance) return groups
  const pairs = describeProvenance(provenance).map(([name, value]) => `<dt>${text(name)}</dt><dd>${text(value)}</dd>`)
  const heading = 'Provenance'
  return [...groups, { heading, id: anchor(heading, groups), parts: [`<dl>${pairs.join('')}</dl>`] }]
}

function groupHtml({ heading, id, parts }: Group): string {
  if (heading === undefined) return `<section>${parts.join('\n')}</section>`
  return `<section id="${id}" aria-labelledby="${id}-heading"><h2 id="${id}-heading">${text(heading)}</h2>${parts.join('\n')}</section>`
}

function sectionHtml({ text: prose, table, figure, html }: Section, figureNumber: number): string {
  return [
    paragraphs(prose),
    figure ? figureHtml(figure, figureNumber) : '',
    table ? scrolling(table.toHtml(), table.title ?? 'Table') : '',
    html?.trustedHtml ?? '',
  ].join('')
}

function figureHtml(figure: Figure, number: number): string {
  const title = figureTitle(figure)
  const caption = title === undefined ? '' : `<figcaption>${text(title)}</figcaption>`
  const least = leastWidthOf(figure)
  const style = least > 0 ? ` style="min-width:${least}px"` : ''
  const about = text(describeFigure(figure))
  const role = figure.frames ? 'group' : 'img' // an image has no buttons that a reader could be told of
  const plot = `<div class="plot" id="plot-${number}" role="${role}" aria-label="${about}"${style}></div>`
  return `<figure>${caption}${scrolling(plot, title ?? 'Figure')}</figure>`
}

/** A region that scrolls sideways where it is too wide, also by keyboard. */
function scrolling(html: string, name: string): string {
  return `<div class="scroll" role="region" tabindex="0" aria-label="${text(name)}">${html}</div>`
}

function contentsHtml(groups: readonly Group[]): string {
  const items = groups.map(({ id, heading }) => `<li><a href="#${id}">${text(heading!)}</a></li>`)
  return `<nav aria-label="Contents"><ol>${items.join('')}</ol></nav>`
}

function paragraphs(prose: string | undefined): string {
  if (!prose) return ''
  const parts = prose.split(/\n[ \t]*\n/).filter((part) => part.trim() !== '')
  return parts.map((part) => `<p>${text(part.replace(/\s*\n\s*/g, ' '))}</p>`).join('')
}

/** An id for a heading, made of its letters and digits, not yet taken. */
function anchor(heading: string | undefined, groups: readonly Group[]): string {
  const letters = (heading ?? '').toLowerCase().replace(/[^a-z0-9]+/g, '-')
  const slug = letters.replace(/^-|-$/g, '') || 'section'
  const taken = (id: string) => groups.some((group) => group.id === id)
  // The prefix keeps a heading such as "Plot 1" off the ids of the page's own parts.
  let id = `s-${slug}`
  for (let i = 2; taken(id); i++) id = `s-${slug}-${i}`
  return id
}

function text(plain: string): string {
  return escapeHtml(visibleControls(plain))
}

/** JSON that cannot end its script element, open a comment or break a line of script. */
function scriptJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** Only the page's own scripts run, named by their hashes; nothing is loaded from anywhere. */
function contentPolicy(scripts: readonly string[]): string {
  const hashes = scripts.map((script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`)
  const allowed = hashes.length > 0 ? hashes.join(' ') : "'none'"
  return `default-src 'none'; script-src ${allowed}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'`
}
