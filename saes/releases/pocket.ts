/** The releases in the package: SAEs of the embedded model, in saes/pocket. */
import type { SaeFacts } from '../formats/sae-files.js'
import type { Release } from './release.js'

const processed = { foldLn: true, centerWritingWeights: true, centerUnembed: true, foldValueBiases: true }

function pocket(name: string, ids: readonly string[], facts: SaeFacts = {}): Release {
  const saes = ids.map((id) => ({ id, path: id, facts: {} }))
  return { name, model: 'pocket-gpt2', facts: { processing: processed, ...facts }, saes }
}

export const pocketReleases: readonly Release[] = [
  pocket('pocket-res', [...[0, 1, 2, 3].map((layer) => `blocks.${layer}.hook_resid_pre`), 'blocks.3.hook_resid_post']),
  pocket(
    'pocket-z',
    [0, 1, 2, 3].map((layer) => `blocks.${layer}.hook_z`),
  ),
  pocket('pocket-mlp', ['blocks.1.mlp.hook_post', 'blocks.3.mlp.hook_post']),
  pocket('pocket-scope', ['layer_2/width_768/canonical'], {
    hookName: 'blocks.2.hook_resid_post',
    modelName: 'pocket-gpt2',
    contextSize: 128,
  }),
]
