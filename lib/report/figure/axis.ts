/** Axes of figures: labels at whole positions, so that equal labels (a token twice) stay apart, and titles. */
import type { JsonObject } from '../result/json.js'
import { shortenMiddle, visibleControls, visibleToken } from '../table/token-text.js'

/** Text for plotly, which reads a little HTML in titles and labels: shown as it is, nothing of it is read as a tag. */
export function figureText(text: string): string {
  return visibleControls(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** What `figureText` was given, but for what it made visible. */
export function plainText(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}

/** A label as it stands on an axis, at most `length` characters long. */
export function tickLabel(label: string, length: number): string {
  return figureText(shortenMiddle(visibleToken(label), length))
}

/** Pixels for the plot itself, beside its labels and colour bar, in a column of text. */
export const plotWidth = 860

export interface LabelAxis {
  readonly axis: JsonObject
  /** Pixels that the labels need below a horizontal axis, left of a vertical one. */
  readonly room: number
  /** Pixels that turned labels need left of the plot. */
  readonly overhang: number
  /** Whether a label is missing or cut. */
  readonly incomplete: boolean
}

/** A horizontal axis with a label at 0, 1, 2, …; `width` pixels long: level where they fit, else turned, else thinned. */
export function labelsBelow(labels: readonly string[], title: string | undefined, width: number): LabelAxis {
  const space = width / Math.max(1, labels.length)
  const pixels = labels.map((label) => labelPixels(label, longestBelow))
  const turn = Math.max(0, ...pixels) + 6 <= space ? 0 : space >= 26 ? -45 : -90
  const slope = (-turn * Math.PI) / 180
  const step = Math.ceil(lineHeight / space)
  const drop = turn === 0 ? lineHeight : Math.max(...pixels) * Math.sin(slope) + lineHeight
  const overhang = turn === 0 ? 0 : Math.max(...pixels.map((length, i) => length * Math.cos(slope) - (i + 0.3) * space))
  return {
    axis: { ...labelled(labels, step, longestBelow), ...axisTitle(title), tickangle: turn },
    room: Math.ceil(drop) + (title ? 30 : 8),
    overhang: Math.ceil(Math.max(0, overhang)),
    incomplete: step > 1 || labels.some((label) => label.length > longestBelow),
  }
}

/** A vertical axis with the first label on top; `height` pixels long. */
export function labelsBeside(
  labels: readonly string[],
  title: string | undefined,
  height: number,
  longest = longestBelow,
): LabelAxis {
  const step = Math.ceil(lineHeight / (height / Math.max(1, labels.length)))
  return {
    axis: { ...labelled(labels, step, longest), ...axisTitle(title), autorange: 'reversed' },
    room: Math.max(0, ...labels.map((label) => labelPixels(label, longest))) + (title ? 36 : 14),
    overhang: 0,
    incomplete: step > 1 || labels.some((label) => label.length > longest),
  }
}

/** An axis of numbers, by their logarithm if wished. */
export function numberAxis(title: string | undefined, log = false): JsonObject {
  // Few, so that ticks between powers of ten are those at 2 and 5, which keep clear of one another.
  const logarithmic = { type: 'log', exponentformat: 'power', nticks: 5 }
  return { ...axisTitle(title), automargin: true, ...(log ? logarithmic : {}) }
}

/** Pixels below which labels at that many places would overlap, beside what else stands there. */
export function leastWidth(labels: readonly string[]): number {
  return Math.min(labels.length, Math.floor((plotWidth - 100) / lineHeight)) * lineHeight + 100
}

const letterWidth = 7 // of the fonts used at 12 px, rounded up
const lineHeight = 15
const longestBelow = 24 // 'blocks.10.hook_resid_pre'

function labelPixels(label: string, longest: number): number {
  return Math.min(longest, [...visibleToken(label)].length) * letterWidth
}

function labelled(labels: readonly string[], step: number, longest: number): JsonObject {
  const shown = labels.map((_, i) => i).filter((i) => i % step === 0)
  return {
    tickmode: 'array',
    tickvals: shown,
    ticktext: shown.map((i) => tickLabel(labels[i]!, longest)),
    automargin: true,
    showgrid: false,
    zeroline: false,
  }
}

/** With a standoff the title keeps clear of the labels, however long they are. */
function axisTitle(title: string | undefined): JsonObject {
  return title ? { title: { text: figureText(title), standoff: 10 } } : {}
}
