/** Bars in the terminal: a line each, with its value, to the right or left of zero. */
import { formatFor, formatNumber } from '../table/number-text.js'
import { fitted, widest, type Paint } from './text.js'

export interface BarRows {
  readonly labels: readonly string[]
  /** NaN draws no bar. */
  readonly values: readonly number[]
  readonly unit: string
  /** Whether lengths follow the logarithm, from a half on, of values that are counts. @default false */
  readonly log?: boolean
}

const mostRows = 60
const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** The lines of text, each at most `width` wide. */
export function drawBars({ labels, values, unit, log = false }: BarRows, width: number, paint: Paint): string[] {
  const format = formatFor(values)
  const numbers = values.map((value) => formatNumber(value, format))
  const labelWidth = widest(labels, Math.floor(width / 3))
  const labelSide = labels.every((label) => label !== '' && Number.isFinite(Number(label))) ? 'right' : 'left'
  const numberWidth = widest(numbers, width)
  const lengths = log ? values.map((value) => Math.max(0, Math.log2(value) + 1)) : values
  const scale = barScale(lengths, Math.max(8, width - labelWidth - numberWidth - 2))
  const rows = values.slice(0, mostRows).map((value, i) => {
    const start = `${fitted(labels[i] ?? '', labelWidth, labelSide)} ${fitted(numbers[i]!, numberWidth, 'right')}`
    const bar = Number.isFinite(value) ? drawBar(lengths[i]!, scale) : ''
    return `${start} ${value < 0 ? paint.red(bar) : paint.blue(bar)}`.trimEnd()
  })
  const hidden = values.length - rows.length
  const heading = [unit, log ? '(log scale)' : ''].filter((part) => part !== '').join(' ')
  return [...(heading ? [paint.dim(heading)] : []), ...rows, ...(hidden > 0 ? [paint.dim(`… and ${hidden} more`)] : [])]
}

interface BarScale {
  /** Places left of zero. */
  readonly zero: number
  /** Places a unit takes. */
  readonly unit: number
}

function barScale(values: readonly number[], width: number): BarScale {
  const finite = values.filter(Number.isFinite)
  const [low, high] = [Math.min(0, ...finite), Math.max(0, ...finite)]
  if (low === high) return { zero: 0, unit: 0 }
  const zero = Math.round((width * -low) / (high - low))
  const left = low < 0 ? zero / -low : Infinity
  const right = high > 0 ? (width - zero) / high : Infinity
  return { zero, unit: Math.min(left, right) }
}

/** Bars to the right end in eighths of a block; there are no such characters for the left, where halves have to do. */
function drawBar(value: number, { zero, unit }: BarScale): string {
  const length = Math.abs(value) * unit
  const whole = Math.floor(length + 1e-9)
  if (value >= 0) return ' '.repeat(zero) + '█'.repeat(whole) + eighths[Math.floor((length - whole + 1e-9) * 8)]!
  const bar = (length - whole >= 0.5 ? '▐' : '') + '█'.repeat(whole)
  return bar.padStart(zero)
}
