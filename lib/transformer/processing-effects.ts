/** Which weight processing can be seen at which hook point: an SAE fits a model only where it sees what it was trained on. */
import type { ProcessingFlags } from '../weights/process.js'
import type { ModelConfig, Traits } from './architecture.js'
import { parseHook } from './hook-names.js'

/**
 * Whether a flag can change the activation at a hook point. Of LayerNorm models centring shows wherever the residual
 * stream does; RMS norms see its mean, so nothing is centred for them. Value biases show in v, z and what heads write,
 * where heads have any. Folding moves only what the unembedding reads, and what the norm inside an MLP gives.
 */
export function dependsOn(
  flag: keyof ProcessingFlags,
  hookName: string,
  { config, traits }: { readonly config: ModelConfig; readonly traits: Traits },
): boolean {
  const { layer, local } = parseHook(hookName)
  const point = layer === undefined ? hookName : local
  switch (flag) {
    case 'foldValueBiases':
      return traits.attentionBiases && /^attn\.hook_(v|z|result)$/.test(point)
    case 'centerWritingWeights':
      return config.normalization === 'LN' && /^hook_|^attn\.hook_result$/.test(point)
    case 'foldLn':
      return point === 'unembed.hook_in' || (traits.mlpNorm === true && point === 'mlp.hook_post')
    case 'refactorFactoredAttnMatrices':
      return /^attn\.hook_[qkvz]$/.test(point)
    case 'centerUnembed':
      return point === 'unembed.hook_out'
  }
}
