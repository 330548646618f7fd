/** Axes of figures: labels at whole positions, so that equal labels (a token twice) stay apart, and titles. */
import type { JsonObject } from './json.js'
import { shorten, visibleControls, visibleToken } from './token-text.js'

/** Text for plotly, which reads a little HTML in titles and labels: shown as it is, nothing of it is read as a tag. */
export function figureText(text: string): string {
  return visibleControls(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** What `figureText` was given, but for what it made visible. */
export function plainText(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}

/** A label as it stands on an axis. */
export function tickLabel(label: string): string {
  return figureText(shorten(visibleToken(label), 24))
}

export interface LabelAxis {
  readonly axis: JsonObject
  /** Pixels that the labels need beside the plot. */
  readonly room: number
}

/** A horizontal axis with a label at 0, 1, 2, …; `width` pixels long: level where they fit, else turned, else thinned. */
export function labelsBelow(labels: readonly string[], title: string | undefined, width: number): LabelAxis {
  const longest = longestLabel(labels)
  const space = width / Math.max(1, labels.length)
  const turn = longest * letterWidth + 6 <= space ? 0 : space >= 26 ? -45 : -90
  const drop = turn === 0 ? lineHeight : longest * letterWidth * Math.sin((-turn * Math.PI) / 180) + lineHeight
  const axis = { ...labelled(labels, Math.ceil(lineHeight / space)), ...axisTitle(title), tickangle: turn }
  return { axis, room: Math.ceil(drop) + (title ? 26 : 6) }
}

/** A vertical axis with the first label on top; `height` pixels long. */
export function labelsBeside(labels: readonly string[], title: string | undefined, height: number): LabelAxis {
  const space = height / Math.max(1, labels.length)
  const axis = { ...labelled(labels, Math.ceil(lineHeight / space)), ...axisTitle(title), autorange: 'reversed' }
  return { axis, room: Math.ceil(longestLabel(labels) * letterWidth) + (title ? 34 : 14) }
}

/** An axis of numbers. */
export function numberAxis(title: string | undefined): JsonObject {
  return { ...axisTitle(title), automargin: true }
}

const letterWidth = 7 // of the fonts used at 12 px, rounded up
const lineHeight = 15

function labelled(labels: readonly string[], step: number): JsonObject {
  const shown = labels.map((_, i) => i).filter((i) => i % step === 0)
  return {
    tickmode: 'array',
    tickvals: shown,
    ticktext: shown.map((i) => tickLabel(labels[i]!)),
    automargin: true,
    showgrid: false,
    zeroline: false,
  }
}

function axisTitle(title: string | undefined): JsonObject {
  return title ? { title: { text: figureText(title) } } : {}
}

function longestLabel(labels: readonly string[]): number {
  return labels.reduce((longest, label) => Math.max(longest, [...shorten(visibleToken(label), 24)].length), 0)
}
