/** The table of kinds: the one file next to the door that names them. */
import { brief } from '../../lib/errors/brief.js'
import { ArgumentError, ConfigError } from '../../lib/errors/errors.js'
import { didYouMean } from '../../lib/errors/nearest.js'
import type { SaeKind } from '../sae.js'
import { BatchTopKSae } from './batchtopk.js'
import { GatedSae } from './gated.js'
import { JumpReluTranscoder } from './jumprelu-transcoder.js'
import { JumpReluSae } from './jumprelu.js'
import { SkipTranscoder } from './skip-transcoder.js'
import { StandardSae } from './standard.js'
import { TopKSae } from './topk.js'
import { Transcoder } from './transcoder.js'

/** Kinds by the `architecture` of their config. */
export const kinds = {
  standard: StandardSae,
  gated: GatedSae,
  jumprelu: JumpReluSae,
  topk: TopKSae,
  batchtopk: BatchTopKSae,
  matryoshka_batchtopk: BatchTopKSae,
  transcoder: Transcoder,
  jumprelu_transcoder: JumpReluTranscoder,
  skip_transcoder: SkipTranscoder,
} satisfies SaeKinds

/** Kinds of SAE by the `architecture` of their config. */
export type SaeKinds = Readonly<Record<string, SaeKind>>

/**
 * The kind of an architecture, ours or one of those given.
 * @throws ConfigError for one that neither has, naming the nearest; ArgumentError where a given one has the name of
 *   ours
 */
export function saeKindOf(architecture: string, label: string, given: SaeKinds = {}): SaeKind {
  const taken = Object.keys(given).find((name) => Object.hasOwn(kinds, name))
  if (taken !== undefined) {
    throw new ArgumentError(`loadSae: kinds has '${taken}', which is a kind of SAE already. Name yours otherwise.`)
  }
  const all: SaeKinds = { ...kinds, ...given }
  const Kind = Object.hasOwn(all, architecture) ? all[architecture] : undefined
  if (Kind) return Kind
  const names = Object.keys(all)
  throw new ConfigError(
    `loadSae: '${label}' is a '${brief(architecture)}' SAE, which is not supported. Supported: ${names.join(', ')}.` +
      (didYouMean(architecture, names) || ' A kind of your own is given as kinds: { name: Class }.'),
  )
}
