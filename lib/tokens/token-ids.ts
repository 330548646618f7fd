/** Checking token ids against a vocabulary. */
import { TokenError } from '../errors/errors.js'

/** A vocabulary that ids are to be of. */
export interface Vocabulary {
  /** How many ids it has. */
  readonly dVocab: number
  /** The model's name, for messages. */
  readonly name: string
}

/**
 * @param tokens one id, or a list
 * @param row which of several lists it is, for the message
 * @throws TokenError for the first id that is not in the vocabulary, with its value and its place
 */
export function checkTokenIds(
  verb: string,
  tokens: number | readonly number[],
  { dVocab, name, row }: Vocabulary & { readonly row?: number },
): void {
  const ids = [tokens].flat() as number[]
  const position = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= dVocab)
  if (position < 0) return
  const inRow = row === undefined ? '' : `row ${row}, `
  const place = typeof tokens === 'number' ? '' : ` at ${inRow}position ${position}`
  throw new TokenError(
    `${verb}: the token id${place} is ${String(ids[position])}. ` +
      `The ids of ${name} are whole numbers from 0 to ${dVocab - 1}.`,
  )
}
