/** Points in groups, each with its colour, and some of them called by name. */
import { figureText, numberAxis } from './axis.js'
import { checkLength, groupColours, hoverName, layout, neutral, type Figure, type Titles } from './parts.js'
import { jsonNumbers, type JsonObject } from '../result/json.js'
import { visibleToken } from '../table/token-text.js'

export interface PointGroup {
  readonly name: string
  readonly x: ArrayLike<number>
  readonly y: ArrayLike<number>
  /** Name of each point, shown when pointed at. */
  readonly labels: readonly string[]
  /** Places of the points whose names are written beside them. */
  readonly called?: readonly number[]
}

export interface GroupsInit extends Titles {
  readonly groups: readonly PointGroup[]
  /** Draws a line at this height. */
  readonly threshold?: number
}

/** Throws ShapeError when a group's lists differ in length. */
export function groups(init: GroupsInit): Figure {
  const { xTitle, yTitle, threshold } = init
  return {
    data: init.groups.map((group, i) => points(group, markerOf(i), xTitle, yTitle)),
    layout: {
      ...layout('scatter', init),
      height: 460,
      showlegend: init.groups.length > 1,
      ...(threshold === undefined ? {} : { shapes: [lineAt(threshold)] }),
      annotations: init.groups.flatMap(({ x, y, labels, called = [] }) =>
        called.map((place) => callOut(x[place]!, y[place]!, labels[place]!)),
      ),
      margin: { l: 70, r: 24, t: init.title ? 52 : 28, b: 56 },
      xaxis: numberAxis(xTitle),
      yaxis: numberAxis(yTitle),
    },
  }
}

function points({ name, x, y, labels }: PointGroup, marker: JsonObject, xTitle?: string, yTitle?: string): JsonObject {
  checkLength('groups', `y of '${name}'`, y.length, 'values in x', x.length)
  checkLength('groups', `x of '${name}'`, x.length, 'labels', labels.length)
  return {
    type: 'scatter',
    mode: 'markers',
    name: figureText(visibleToken(name)),
    x: jsonNumbers(x),
    y: jsonNumbers(y),
    text: labels.map((label) => figureText(visibleToken(label))),
    marker,
    hovertemplate: `<b>%{text}</b><br>${hoverName(xTitle)}%{x:.4g}<br>${hoverName(yTitle)}%{y:.4g}`,
  }
}

/** A colour each, and another shape each time that the colours begin again. */
function markerOf(group: number): JsonObject {
  const symbol = symbols[Math.floor(group / groupColours.length) % symbols.length]!
  return { color: groupColours[group % groupColours.length]!, symbol, size: 5, opacity: 0.65 }
}

const symbols = ['circle', 'diamond', 'x', 'square', 'triangle-up']

function lineAt(height: number): JsonObject {
  const line = { color: neutral, width: 1.5, dash: 'dash' }
  return { type: 'line', xref: 'paper', x0: 0, x1: 1, y0: height, y1: height, line, layer: 'below' }
}

function callOut(x: number, y: number, text: string): JsonObject {
  return {
    x,
    y,
    text: figureText(visibleToken(text)),
    showarrow: true,
    arrowhead: 0,
    ax: 14,
    ay: -16,
    font: { size: 11 },
  }
}
