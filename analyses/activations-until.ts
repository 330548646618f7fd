/** Activations without the rest of the run: what lies behind the last of them is never computed. */
import * as tf from '@tensorflow/tfjs'
import type { HookName } from '../lib/core/hooks.js'
import type { HookedModel } from '../lib/model.js'
import type { Tokens } from '../lib/tokens/tokens.js'

/** Ends a run whose rest nobody needs. */
class Enough extends Error {}

/**
 * The activations at hook points, each as `runWithCache` has it: after the view's hooks, before an SAE at the point. The
 * run ends at the last of them, in the middle of a block where that is. The caller owns the tensors.
 * @throws HookError for a point that the view does not have.
 */
export function activationsUntil<Name extends HookName>(
  view: HookedModel,
  tokens: Tokens,
  names: readonly Name[],
): Record<Name, tf.Tensor> {
  const kept = new Map<string, tf.Tensor>()
  const enough = new Enough()
  const keep = (x: tf.Tensor, { name }: { name: string }) => {
    kept.get(name)?.dispose()
    kept.set(name, tf.keep(x.clone()))
    if (kept.size === names.length) throw enough
  }
  try {
    view.withHooks(names.map((name) => [name, keep] as const)).run(tokens).dispose() // prettier-ignore
  } catch (error) {
    if (error !== enough) {
      for (const tensor of kept.values()) tensor.dispose()
      throw error
    }
  }
  return Object.fromEntries(kept) as Record<Name, tf.Tensor>
}
