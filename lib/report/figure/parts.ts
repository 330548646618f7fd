/** What the kinds of figures have in common: their type, titles, colours and checks. */
import { ShapeError } from '../../errors/errors.js'
import { figureText } from './axis.js'
import type { JsonObject } from '../result/json.js'

export interface Figure {
  readonly data: readonly JsonObject[]
  readonly layout: JsonObject
  readonly frames?: readonly JsonObject[]
}

export interface Titles {
  readonly title?: string
  readonly xTitle?: string
  readonly yTitle?: string
  /** Unit of the values, such as 'logits'. */
  readonly unit?: string
}

/** Dark enough for a white page, bright enough for a black one. */
export const [positive, negative, neutral] = ['#3b82c4', '#d6604d', '#8a8f98']

/** Okabe and Ito's colours, made to be told apart by all, without black and yellow. */
export const groupColours = ['#3b82c4', '#e69f00', '#009e73', '#cc79a7', '#d55e00', '#56b4e9', '#8a8f98']

/**
 * Title and facts; `minWidth` is the least width in pixels at which a page should draw the figure, `note` a line between
 * title and plot, which callers with annotations of their own have to add to them (`noteLine`).
 */
export function layout(kind: string, { title, unit }: Titles, minWidth?: number, note?: string): JsonObject {
  const heading = title ? { title: { text: figureText(title), x: 0.01, xanchor: 'left', font: { size: 15 } } } : {}
  const least = note ? Math.max(minWidth ?? 0, 110 + Math.min(note.length, longestNoteLine) * 6.5) : minWidth
  return { ...heading, ...(note ? { annotations: noteLine(note) } : {}), meta: { kind, unit, minWidth: least, note } }
}

/** Letters of a line of a note; two lines have room above a plot. */
const longestNoteLine = 110

/** A note as plotly draws it: small, above the plot, at its left. */
export function noteLine(note: string | undefined): JsonObject[] {
  if (!note) return []
  const place = { xref: 'paper', yref: 'paper', x: 0, y: 1, xanchor: 'left', yanchor: 'bottom', showarrow: false }
  const lines = note.match(new RegExp(`.{1,${longestNoteLine}}(?: |$)`, 'gu')) ?? [note]
  return [
    { ...place, text: lines.map((line) => figureText(line.trimEnd())).join('<br>'), align: 'left', font: { size: 11 } },
  ]
}

/** Half-transparent, to be seen on white and on black: '#3b82c4' and 0.5 to 'rgba(59,130,196,0.5)'. */
export function faded(colour: string, opacity: number): string {
  const [red, green, blue] = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16))
  return `rgba(${red},${green},${blue},${opacity})`
}

export function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i))
}

export function hoverName(title: string | undefined): string {
  return title ? `${templateText(title)}: ` : ''
}

/** Text inside a hover template, where '%{' would begin a variable. */
export function templateText(text: string): string {
  return figureText(text).replaceAll('%{', '% {')
}

export function checkLength(verb: string, what: string, length: number, others: string, expected: number): void {
  if (length === expected) return
  throw new ShapeError(`${verb}: ${what} has ${length} values, but there are ${expected} ${others}. Give one for each.`)
}
