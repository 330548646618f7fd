/** The table of kinds: the one file next to the door that names them. */
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
export const kinds: Readonly<Record<string, SaeKind>> = {
  standard: StandardSae,
  gated: GatedSae,
  jumprelu: JumpReluSae,
  topk: TopKSae,
  batchtopk: BatchTopKSae,
  matryoshka_batchtopk: BatchTopKSae,
  transcoder: Transcoder,
  jumprelu_transcoder: JumpReluTranscoder,
  skip_transcoder: SkipTranscoder,
}
