/** The errors of calls, as text. */
import { LensError } from '../../lib/errors/errors.js'

/** `Class: message` of the LensError a call ends in, at once or as a promise. Anything else fails the spec. */
export async function refusalOf(call: () => unknown): Promise<string> {
  try {
    await call()
  } catch (error) {
    if (error instanceof LensError) return `${error.name}: ${error.message}`
    throw error
  }
  throw new Error('no error was thrown')
}
