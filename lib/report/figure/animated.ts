/** Points in frames, one after the other, such as one frame a layer: a slider, and buttons to play and to pause. */
import { ArgumentError } from '../../errors/errors.js'
import { random } from '../../stats/random.js'
import { figureText, numberAxis, tickLabel } from './axis.js'
import { checkLength, hoverName, layout, positive, type Figure, type Titles } from './parts.js'
import { joinedNotes, leftOutNote, paddedRange, picked, usablePoints, type LogAxes } from './usable.js'
import type { JsonObject, JsonValue } from '../result/json.js'
import { visibleToken } from '../table/token-text.js'

export interface PointFrame {
  readonly name: string
  readonly x: ArrayLike<number>
  readonly y: ArrayLike<number>
  /** Name of each point, shown when pointed at. */
  readonly labels?: readonly string[]
}

export interface AnimatedScatterInit extends Titles {
  readonly frames: readonly PointFrame[]
  /** What a frame is, such as 'layer'. @default 'frame' */
  readonly frameTitle?: string
  /** Points drawn in a frame, at most; chosen at random where there are more. @default 1000 */
  readonly points?: number
  /** Of that choice, which is the same places in frames of equal length. @default 0 */
  readonly seed?: number
  /** Which axes are logarithmic; they leave out values of 0 and less. @default none */
  readonly log?: LogAxes
}

/**
 * Points in frames on common axes that stay as they are. What is left out, by the bound on points or since an axis cannot
 * show it, a note above the plot says.
 * @throws ShapeError when a frame's lists differ in length
 * @throws ArgumentError when there is no frame, or `points` or `seed` is no whole number (`points` from 1, `seed` from 0)
 */
export function animatedScatter(init: AnimatedScatterInit): Figure {
  const { frames, frameTitle = 'frame', points = 1000, seed = 0, log = '', xTitle, yTitle } = init
  checkFrames(frames, points)
  const fitting = frames.map(({ x, y }) => usablePoints(x, y, log))
  const chosen = fitting.map((places, i) => choose(places, frames[i]!.x.length, points, seed))
  const traces = frames.map((frame, i) => frameTrace(frame, chosen[i]!, xTitle, yTitle))
  const margin = { l: 70, r: 24, t: init.title ? 52 : 28, b: 150 }
  const axis = (name: 'x' | 'y', title: string | undefined) => ({
    ...numberAxis(title, log.includes(name)),
    automargin: false, // else the plot would change its size with the frame
    range: paddedRange(traces.map((trace) => trace[name]), log.includes(name)), // prettier-ignore
  })
  return {
    data: [traces[0]!],
    layout: {
      ...layout('animated', init, 420, frameNote(frames, fitting, chosen, log)),
      height: 420 + margin.t + margin.b,
      margin,
      showlegend: false,
      hovermode: 'closest',
      xaxis: axis('x', xTitle),
      yaxis: axis('y', yTitle),
      ...controls(frames, frameTitle),
    },
    frames: traces.map(({ x, y, text }, i) => ({ name: String(i), data: [{ type: 'scatter', x, y, text }], traces: [0] })), // prettier-ignore
  }
}

function checkFrames(frames: readonly PointFrame[], points: number): void {
  if (frames.length === 0) throw new ArgumentError('animatedScatter: there are 0 frames. Give one at least.')
  if (!Number.isInteger(points) || points < 1) {
    throw new ArgumentError(`animatedScatter: points is ${points}. It must be a whole number from 1.`)
  }
  for (const { name, x, y, labels } of frames) {
    checkLength('animatedScatter', `y of '${name}'`, y.length, 'values in x', x.length)
    if (labels) checkLength('animatedScatter', `x of '${name}'`, x.length, 'labels', labels.length)
  }
}

/** At most `most` of the places, in their order. The shuffle does not depend on which of them fit. */
function choose(places: readonly number[], count: number, most: number, seed: number): readonly number[] {
  const shuffled = random(seed).shuffle([...Array(count).keys()])
  if (places.length <= most) return places
  const fits = new Set(places)
  return shuffled.filter((place) => fits.has(place)).slice(0, most).sort((a, b) => a - b) // prettier-ignore
}

function frameTrace({ x, y, labels }: PointFrame, places: readonly number[], xTitle?: string, yTitle?: string) {
  return {
    type: 'scatter',
    mode: 'markers',
    x: picked(x, places),
    y: picked(y, places),
    text: labels && places.map((place) => figureText(visibleToken(labels[place]!))),
    marker: { color: positive, size: 6, opacity: 0.55 },
    hovertemplate: `${labels ? '<b>%{text}</b><br>' : ''}${hoverName(xTitle)}%{x:.4g}<br>${hoverName(yTitle)}%{y:.4g}<extra></extra>`,
  } satisfies JsonObject
}

function frameNote(
  frames: readonly PointFrame[],
  fitting: readonly (readonly number[])[],
  chosen: readonly (readonly number[])[],
  log: LogAxes,
): string | undefined {
  const total = (lists: readonly { readonly length: number }[]) => lists.reduce((sum, { length }) => sum + length, 0)
  const [all, able, drawn] = [total(frames.map(({ x }) => x)), total(fitting), total(chosen)]
  const most = Math.max(...chosen.map(({ length }) => length))
  const text = (count: number) => count.toLocaleString('en')
  const bounded = drawn < able ? `${text(drawn)} of ${text(able)} points drawn, at most ${text(most)} a frame, chosen at random` : undefined // prettier-ignore
  return joinedNotes(bounded, leftOutNote(all - able, log !== '', 'point'))
}

/** Buttons above a slider, below the plot. */
function controls(frames: readonly PointFrame[], frameTitle: string): JsonObject {
  const still = { mode: 'immediate', frame: { duration: 0, redraw: false }, transition: { duration: 0 } }
  const play = { ...still, frame: { duration: 800, redraw: false }, fromcurrent: true }
  const button = (label: string, frame: JsonValue, how: JsonObject) => ({ label, method: 'animate', args: [frame, how] }) // prettier-ignore
  const labels = frames.map(({ name }) => tickLabel(name, 28))
  // Half of a label stands beside the end of the slider, where the margin has room for some of it.
  const beside = (label: string, margin: number) => Math.max(0, Math.ceil(label.length * 3.5) - margin)
  return {
    updatemenus: [
      {
        type: 'buttons',
        direction: 'left',
        showactive: false,
        ...{ x: 0, xanchor: 'left', y: 0, yanchor: 'top', pad: { t: 58, r: 0, b: 0, l: 0 } },
        buttons: [button('Play', null, play), button('Pause', [null], still)],
      },
    ],
    sliders: [
      {
        active: 0,
        ...{ x: 0, len: 1, y: 0, yanchor: 'top' },
        pad: { t: 62, r: beside(labels.at(-1)!, 24), b: 0, l: beside(labels[0]!, 70) },
        currentvalue: { prefix: `${figureText(frameTitle)}: `, xanchor: 'right', font: { size: 13 } },
        steps: labels.map((label, i) => button(label, [String(i)], still)),
      },
    ],
  }
}
