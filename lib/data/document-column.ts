/** Which column of a data set holds its texts or token ids. */
import { FileError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import { fewNames } from '../errors/brief.js'

/** Names looked for, in this order: those of SAELens, then what some data sets have instead. */
const known = ['tokens', 'input_ids', 'text', 'problem', 'content', 'story']

/** The column to read. @throws FileError for a column that is not there, or a file without any of the known ones */
export function chooseColumn(columns: readonly string[], wanted: string | undefined, place: string): string {
  const found = wanted === undefined ? known.find((name) => columns.includes(name)) : wanted
  if (found !== undefined && columns.includes(found)) return found
  const what = wanted === undefined ? 'no text column' : `no column '${wanted}'`
  const right = wanted === undefined ? ` Name the one with the texts (column: '…').` : didYouMean(wanted, columns)
  throw new FileError(`${place}: ${what}. It has ${fewNames(columns, 20)}.${right}`)
}
