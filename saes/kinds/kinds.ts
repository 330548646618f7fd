/** The kinds of SAE. The only file beside the door that names them. */
import type { Sae, SaeArgs } from '../sae.js'
import { BatchTopKSae, thresholded } from './batchtopk.js'
import { GatedSae } from './gated.js'
import { JumpReluSae } from './jumprelu.js'
import { StandardSae } from './standard.js'
import { TopKSae } from './topk.js'
import { JumpReluTranscoder, SkipTranscoder, Transcoder } from './transcoder.js'

/** Kinds by the `architecture` of their config. */
export const kinds: Readonly<Record<string, new (args: SaeArgs) => Sae>> = {
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

/** The JumpReLU SAE that a trained batch top-k SAE becomes, whose latents do not hang on the batch. The caller owns both. */
export function withThreshold(sae: BatchTopKSae): JumpReluSae {
  return thresholded(sae, JumpReluSae)
}
