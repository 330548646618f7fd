/** Fenced blocks of a Markdown page, and the programs its TypeScript blocks make. */

/** A fenced block. */
export interface Block {
  readonly language: string
  /** What stands behind the language: `file=docs/examples/x.ts`. */
  readonly info: string
  /** Lines of the opening and the closing fence, from 1. */
  readonly line: number
  readonly end: number
  readonly code: string
  /** For a ts block: the text block right behind it, what the code prints or the error it throws. */
  readonly output?: Block
}

/** TypeScript made of blocks that share one scope; each line stands where it stands in the page. */
export interface Program {
  /** Path of the page and line of the first block: `docs/hooks.md:12`. */
  readonly name: string
  readonly source: string
  readonly blocks: readonly Block[]
}

/** Begins a line of output that tells which block prints next, or how a program ended. */
export const MARK = '\u0001'

const FENCE = /^```(\w*) *(.*)$/

/** The blocks of a page, in order; indented fences, as in lists, are no blocks. */
export function blocksOf(markdown: string): Block[] {
  const lines = markdown.split('\n')
  const blocks: Block[] = []
  for (let i = 0; i < lines.length; i++) {
    const [, language, info] = FENCE.exec(lines[i]!) ?? []
    if (language === undefined) continue
    const end = lines.indexOf('```', i + 1)
    if (end < 0) throw new Error(`line ${i + 1}: the block is not closed`)
    blocks.push({ language, info: info!, line: i + 1, end: end + 1, code: lines.slice(i + 1, end).join('\n') })
    i = end
  }
  return withOutputs(blocks, lines)
}

function withOutputs(blocks: readonly Block[], lines: readonly string[]): Block[] {
  return blocks.map((block, i) => {
    const next = blocks[i + 1]
    if (block.language !== 'ts' || next?.language !== 'text') return block
    const between = lines.slice(block.end, next.line - 1)
    return between.every((line) => line.trim() === '') ? { ...block, output: next } : block
  })
}

/** Whether what stands behind the block is an error. */
export function throws(block: Block): boolean {
  return /^[A-Z]\w*Error: /.test(block.output?.code ?? '')
}

/**
 * The programs of a page: its ts blocks in order, in one scope; a block that begins with an import starts a new one.
 * A block whose output is an error runs in a try. Blocks with an info string (`ts file=…`) are quotations.
 */
export function programsOf(page: string, markdown: string): Program[] {
  const groups: Block[][] = []
  for (const block of blocksOf(markdown)) {
    if (block.language !== 'ts' || block.info !== '') continue
    if (block.code.startsWith('import ')) groups.push([block])
    else if (groups.length > 0) groups.at(-1)!.push(block)
    else throw new Error(`${page}:${block.line}: the first block of a page has to begin with its imports`)
  }
  return groups.map((blocks) => ({ name: `${page}:${blocks[0]!.line}`, source: sourceOf(blocks), blocks }))
}

function sourceOf(blocks: readonly Block[]): string {
  const lines: string[] = []
  for (const block of blocks) {
    while (lines.length < block.line - 1) lines.push('')
    lines.push(`console.log('\\u0001 ${block.line}')${throws(block) ? '; try {' : ''}`, ...block.code.split('\n'))
    if (throws(block)) lines.push(`console.log('nothing was thrown') } catch (e) { console.log(String(e)) }`)
  }
  return `${lines.join('\n')}\nexport {}\n`
}

/** What each block printed, by its line. */
export function outputsOf(printed: string): Map<number, string> {
  const outputs = new Map<number, string>()
  for (const part of printed.split(`${MARK} `).slice(1)) {
    const [line, ...rest] = part.split('\n')
    outputs.set(Number(line), rest.join('\n').trimEnd())
  }
  return outputs
}

const NUMBER = /\d+(?:\.\d+)?(?:e[+-]?\d+)?/g

/**
 * Whether two outputs say the same: equal text, where widths of spaces and rules do not matter and one backend is as
 * good as another; whole numbers equal, others within one unit of the last digit that is expected or 2e-5 of their
 * size, as the last bits of float32 sums differ between backends. A line `…` in the expected output stands for any
 * lines, ` …` at the end of one for any rest.
 */
export function sameOutput(expected: string, actual: string): boolean {
  const lines = (text: string) => text.trim().split('\n').map(plain)
  return sameLines(lines(expected), lines(actual))
}

function sameLines(expected: readonly string[], actual: readonly string[]): boolean {
  const [first, ...rest] = expected
  if (first === undefined) return actual.length === 0
  if (first === '…')
    return Array.from({ length: actual.length + 1 }, (_, i) => i).some((i) => sameLines(rest, actual.slice(i)))
  return actual.length > 0 && sameLine(first, actual[0]!) && sameLines(rest, actual.slice(1))
}

function plain(line: string): string {
  return line
    .replace(/\b(wasm|cpu|tfjs-node(-gpu)?) \([^)]*\)/g, 'BACKEND')
    .replace(/\b\d+(\.\d+)? (ms|s)\b/g, 'TIME')
    .replace(/ +/g, ' ')
    .replace(/─+/g, '─')
    .trim()
}

function sameLine(expected: string, actual: string): boolean {
  if (expected === actual) return true
  if (expected.endsWith(' …')) return actual.startsWith(expected.slice(0, -1))
  if (expected.replace(NUMBER, '#') !== actual.replace(NUMBER, '#')) return false
  const numbers = actual.match(NUMBER) ?? []
  return (expected.match(NUMBER) ?? []).every((number, i) => {
    const [mantissa, exponent = '0'] = number.split('e')
    const digits = mantissa!.split('.')[1]?.length
    if (digits === undefined && !number.includes('e')) return number === numbers[i]
    const unit = 1.001 * 10 ** (Number(exponent) - (digits ?? 0))
    return Math.abs(Number(number) - Number(numbers[i])) <= Math.max(unit, 2e-5 * Math.max(1, Number(number)))
  })
}
