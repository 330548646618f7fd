/** Activations without the rest of the run: what comes after the last of them is never computed. */
import * as tf from '@tensorflow/tfjs'
import type { HookName } from '../lib/core/hooks.js'
import { HookError } from '../lib/errors/errors.js'
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
    const watching = view.withHooks(names.map((name) => [name, keep] as const))
    watching.run(tokens).dispose()
  } catch (error) {
    if (error !== enough) {
      for (const tensor of kept.values()) tensor.dispose()
      throw error
    }
  }
  return Object.fromEntries(kept) as Record<Name, tf.Tensor>
}

/**
 * The activation at one hook point, as `activationsUntil`. The caller owns it.
 * @throws HookError for a point that the view does not have, or that lies after the layer it stops at
 */
export function activationAt(view: HookedModel, tokens: Tokens, name: HookName): tf.Tensor {
  const { [name]: x } = activationsUntil(view, tokens, [name])
  if (x) return x
  throw new HookError(`activationAt: the view stops before '${name}'. Use one that reaches it.`)
}
