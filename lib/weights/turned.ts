/**
 * Matrices stored the other way round, [out,in], as torch's Linear has them: those into an MLP, on the native backend,
 * which multiplies faster by them so (see `TurnedMatrix`). Their names tell: `mlp.W_in.T`.
 */
import { isNativeCpu } from '../backend/native/ops.js'
import { transposed, type Wanted } from './collect.js'

/** The name of a matrix that is stored turned. */
export const turned = (name: string): string => `${name}.T`

/** The name of the matrix. */
export const straight = (name: string): string => (isTurned(name) ? name.slice(0, -2) : name)

export const isTurned = (name: string): boolean => name.endsWith('.T')

/** The name under which a matrix into an MLP is stored. */
export const intoMlp = (name: string): string => (isNativeCpu() ? turned(name) : name)

/** A matrix into an MLP as a checkpoint has it: [in,out] or, as torch's Linear, [out,in]. */
export function wantedIntoMlp(
  theirs: string,
  ours: string,
  shape: readonly [number, number],
  has: 'in,out' | 'out,in',
): Wanted {
  const name = intoMlp(ours)
  const fits = isTurned(name) === (has === 'out,in')
  return fits ? [theirs, name, shape] : [theirs, name, shape, transposed]
}
