/** Text whose tokens are coloured by a number each: for the terminal, and as HTML that is safe whatever the tokens are. */
import ansis from 'ansis'
import { formatFor, formatNumber } from '../table/number-text.js'
import type { Paint } from '../terminal/text.js'
import { escapeHtml, visibleControls, visibleToken } from '../table/token-text.js'

export interface Highlight {
  readonly tokens: readonly string[]
  /** One a token. */
  readonly values: ArrayLike<number>
  /** The size that gets the full colour. @default that of the largest value */
  readonly max?: number
  /** The token the text is shown for: bold and underlined, in brackets «» where there are no colours. */
  readonly mark?: number
  /** Of positive values; negative ones are blue. @default 'green' */
  readonly colour?: 'green' | 'orange'
}

type Rgb = readonly [number, number, number]
const colours = { green: [44, 160, 44], orange: [255, 127, 14] } as const satisfies Record<string, Rgb>
const negative: Rgb = [31, 119, 180]

/** One line for the terminal; NO_COLOR is honoured. Line breaks and control characters are made visible. */
export function highlightText(highlight: Highlight, paint: Paint = ansis): string {
  const max = largest(highlight)
  return highlight.tokens
    .map((token, i) => {
      const text = visibleControls(token)
      const value = highlight.values[i]!
      const isMark = i === highlight.mark
      if (paint.level === 0) return isMark ? `«${text}»` : text
      const tone = blend(hueOf(value, highlight), share(value, max))
      const painted = share(value, max) > 0 ? paint.bgRgb(...tone).rgb(0, 0, 0)(text) : text
      return isMark ? paint.bold.underline(painted) : painted
    })
    .join('')
}

/**
 * The same as HTML, a span a token: its value is shown when the pointer rests on it. Spaces at its ends are '·', line
 * breaks '⏎'; all of it is escaped.
 */
export function highlightHtml(highlight: Highlight): string {
  const max = largest(highlight)
  const format = formatFor(Array.from(highlight.values))
  return highlight.tokens
    .map((token, i) => {
      const value = highlight.values[i]!
      const [r, g, b] = hueOf(value, highlight)
      const strength = share(value, max)
      const style = strength > 0 ? ` style="background:rgba(${r},${g},${b},${(0.65 * strength).toFixed(3)})"` : ''
      const text = escapeHtml(visibleToken(token))
      const shown = i === highlight.mark ? `<b><u>${text}</u></b>` : text
      return `<span title="${escapeHtml(formatNumber(value, format))}"${style}>${shown}</span>`
    })
    .join('')
}

function largest({ values, max }: Highlight): number {
  return max ?? Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0)
}

/** How much of the full colour, 0 to 1. */
function share(value: number, max: number): number {
  return max > 0 ? Math.min(1, Math.abs(value) / max) || 0 : 0
}

function hueOf(value: number, { colour = 'green' }: Highlight): Rgb {
  return value < 0 ? negative : colours[colour]
}

/** From white, at 0, to the colour. */
function blend(colour: Rgb, part: number): [number, number, number] {
  const tone = (channel: number) => Math.round(255 + (channel - 255) * part)
  return [tone(colour[0]), tone(colour[1]), tone(colour[2])]
}
