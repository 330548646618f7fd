/** What the kinds of figures have in common: their type, titles, colours and checks. */
import { ShapeError } from '../errors.js'
import { figureText } from './figure-axis.js'
import type { JsonObject } from './json.js'

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

/** Title and facts; `minWidth` is the least width in pixels at which a page should draw the figure. */
export function layout(kind: string, { title, unit }: Titles, minWidth?: number): JsonObject {
  const heading = title ? { title: { text: figureText(title), x: 0.01, xanchor: 'left', font: { size: 15 } } } : {}
  return { ...heading, meta: { kind, unit, minWidth } }
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
