/** Prompts that ask for a sum, a difference or a product, as the embedded model has read them. */
import { ArgumentError } from '../../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import { writeFileAtomic } from '../../lib/files/write-atomic.js'
import { random } from '../../lib/stats/random.js'

/** What is asked for. */
export type ArithmeticOperation = 'plus' | 'minus' | 'times'

/** A question and its answer. */
export interface ArithmeticPrompt {
  /** `Q: What is 14 minus 8? A:`, after a line with a worked example where there is one. */
  readonly text: string
  /** With its leading space: ` 6`. */
  readonly answer: string
  readonly operation: ArithmeticOperation
  readonly a: number
  readonly b: number
  /** Whether another question of the same operation, answered, stands before it. */
  readonly example: boolean
}

/** What `arithmeticPrompts` asks for. */
export interface ArithmeticOptions {
  /** @default 8 */
  readonly count?: number
  /** Taken in turn. @default all three */
  readonly operations?: readonly ArithmeticOperation[]
  /** A worked example before each question. @default false */
  readonly example?: boolean
  /** The largest number that is added or taken away; factors go up to its half. @default 20 */
  readonly largest?: number
  /** @default 0 */
  readonly seed?: number
}

const optionNames: OptionNames<ArithmeticOptions> = {
  count: true,
  operations: true,
  example: true,
  largest: true,
  seed: true,
}

const compute: Readonly<Record<ArithmeticOperation, (a: number, b: number) => number>> = {
  plus: (a, b) => a + b,
  minus: (a, b) => a - b,
  times: (a, b) => a * b,
}

/**
 * Questions drawn with a seed; differences are never negative, and a worked example is never the question itself.
 *
 * @example arithmeticPrompts({ count: 2, operations: ['minus'], example: true, seed: 1 })
 * @throws ArgumentError for a count or largest number that is no whole number from 1 (from 2), or an unknown operation
 */
export function arithmeticPrompts(options: ArithmeticOptions = {}): ArithmeticPrompt[] {
  checkOptions('arithmeticPrompts', options, optionNames)
  const { count = 8, operations = ['plus', 'minus', 'times'], example = false, largest = 20, seed = 0 } = options
  checkWhole('count', count, 1)
  checkWhole('largest', largest, 2)
  const unknown = operations.find((operation) => !Object.hasOwn(compute, operation))
  if (operations.length === 0 || unknown !== undefined) {
    throw new ArgumentError(
      `arithmeticPrompts: operations is ${JSON.stringify(operations)}. Give some of 'plus', 'minus', 'times'.`,
    )
  }
  const draw = random(seed)
  const upTo = (most: number) => 1 + draw.integer(most)
  const question = (operation: ArithmeticOperation) => {
    const most = operation === 'times' ? Math.floor(largest / 2) : largest
    const [a, b] = [upTo(most), upTo(most)]
    const [first, second] = operation === 'minus' && a < b ? [b, a] : [a, b]
    const text = `Q: What is ${first} ${operation} ${second}? A:`
    return { text, answer: ` ${compute[operation](first, second)}`, operation, a: first, b: second }
  }
  return Array.from({ length: count }, (_, i) => {
    const asked = question(operations[i % operations.length] ?? 'plus')
    if (!example) return { ...asked, example }
    let worked = question(asked.operation)
    while (worked.text === asked.text) worked = question(asked.operation)
    return { ...asked, text: `${worked.text}${worked.answer}\n${asked.text}`, example }
  })
}

/**
 * Writes prompts to a file of JSON lines, a record each, that `loadData` reads.
 *
 * @example await writePrompts('sums.jsonl', arithmeticPrompts({ count: 100 }))
 * @throws FileError
 */
export async function writePrompts(path: string, prompts: readonly object[]): Promise<void> {
  await writeFileAtomic(path, prompts.map((prompt) => `${JSON.stringify(prompt)}\n`).join(''))
}

function checkWhole(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return
  throw new ArgumentError(`arithmeticPrompts: ${name} is ${value}. It must be a whole number from ${least}.`)
}
