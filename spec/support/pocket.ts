/** The embedded model, loaded once for all specs and never disposed. */
import { loadModel } from '../../models/load-model.js'
import type { HookedModel } from '../../lib/model.js'

let loaded: Promise<HookedModel> | undefined

/**
 * The pocket model. Its first backward pass has been made: it keeps a transpose of each weight matrix, which would
 * count as a leak of the test that makes it.
 */
export function pocket(): Promise<HookedModel> {
  return (loaded ??= load())
}

async function load(): Promise<HookedModel> {
  const model = await loadModel()
  model.runWithGradients([[0, 1]], { metric: (logits) => logits.sum(), names: 'hook_embed' }).dispose()
  return model
}
