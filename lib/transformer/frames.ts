/** What the blocks of a pass are told of its positions, as most families have it. */
import { causalMask } from '../ops/causal-mask.js'
import { rotaryTables, type RotaryOptions } from '../ops/rotary.js'
import type { ForwardInput, Frame, RotaryFrame } from './architecture.js'

export interface FrameOptions {
  /** Local attention: a query sees the last `window` positions, itself included. @default all */
  readonly window?: number
}

/** Causal attention over the positions of a pass and those before it. */
export function causalFrame({ tokens, mask, past }: ForwardInput, { window }: FrameOptions = {}): Frame {
  const bias = causalMask(tokens.shape[1], { mask, past: past?.length, ...(window !== undefined && { window }) })
  return { bias, padded: mask !== undefined, past }
}

/** The same with rotary positions. */
export function rotaryFrame(
  input: ForwardInput,
  { window, ...rotary }: FrameOptions & Pick<RotaryOptions, 'dimensions' | 'base' | 'stretch'>,
): RotaryFrame {
  const { tokens, mask, past } = input
  const tables = rotaryTables(tokens.shape[1], { ...rotary, mask, past: past?.length })
  return { ...causalFrame(input, window === undefined ? {} : { window }), rotary: tables }
}

/** The same frame in every layer. */
export const sameFrame =
  <F extends Frame>(frame: F) =>
  (): F =>
    frame
