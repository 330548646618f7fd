/** The interventions of a model record as hooks. */
import * as tf from '@tensorflow/tfjs'
import type { HookFunction } from '../../lib/core/hooks.js'
import type { NameFilter } from '../../lib/core/hook-filters.js'
import { notYet } from './check.js'
import { editAt, sliceAt, zeroAt } from './edit.js'
import type { Intervention, ModelRuns } from './model-runs.js'

type Hooks = (readonly [NameFilter, HookFunction])[]

/** Logits under an intervention [B,P,V]; with `lastOnly` those of the last position [B,1,V]. */
export async function intervene(runs: ModelRuns, name: string, lastOnly: boolean): Promise<tf.Tensor> {
  const spec = runs.expected.interventions?.find((i) => i.name === name)
  if (!spec) throw new Error(`the record does not say what the intervention '${name}' does`)
  const delta = spec.op === 'path patch' ? await headDifference(runs, spec) : undefined
  const corrupt = spec.op === 'replace from corrupt' ? await runs.cache('corrupt_tokens') : undefined
  const view = (await runs.processed()).withHooks(hooksOf(spec, delta, corrupt?.get(spec.hook)))
  const logits = view.run(await runs.tokens('probe_tokens'))
  delta?.dispose()
  if (!lastOnly) return logits
  const last = logits.slice([0, logits.shape[1] - 1, 0], [-1, 1, -1])
  logits.dispose()
  return last
}

function hooksOf(spec: Intervention, delta: tf.Tensor | undefined, corrupt: tf.Tensor | undefined): Hooks {
  const { hook, op, position = 0, head = 0 } = spec
  const one = (edit: (a: tf.Tensor) => tf.Tensor): Hooks => [[hook, edit]]
  switch (op) {
    case 'zero':
      return one((a) => tf.zerosLike(a))
    case 'mean over batch and pos':
      return one((a) => tf.zerosLike(a).add(a.mean([0, 1], true)))
    case 'replace from corrupt':
      return one((a) => editAt(a, 1, position, () => sliceAt(corrupt!, 1, position).expandDims(1)))
    case 'zero head':
      return one((a) => zeroAt(a, 2, head))
    case 'attend to first':
      return one((a) => editAt(a, 1, head, attendToFirst))
    case 'a*2 then a+1':
      return [
        [hook, (a: tf.Tensor) => a.mul(2)],
        [hook, (a: tf.Tensor) => a.add(1)],
      ]
    case 'a*0.5':
      return [[(name) => name.endsWith(hook.replace('*', '')), (a: tf.Tensor) => a.mul(0.5)]]
    case 'path patch':
      return one((a) => editAt(a, 2, spec.receiver_head!, (part) => part.add(delta!.expandDims(2))))
    default:
      return notYet(`the intervention '${op}'`)
  }
}

/** A pattern [B,1,P,P] whose every query attends to the first key alone. */
function attendToFirst(pattern: tf.Tensor): tf.Tensor {
  const [batch, heads, queries, keys] = pattern.shape as [number, number, number, number]
  return tf.oneHot(tf.zeros([batch, heads, queries], 'int32'), keys).toFloat()
}

/** What the sender head writes on the corrupt prompts minus on the clean ones, z · W_O [B,P,D]. */
async function headDifference(runs: ModelRuns, { sender }: Intervention): Promise<tf.Tensor> {
  const [layer, head] = sender!
  const [clean, corrupt] = [await runs.cache(), await runs.cache('corrupt_tokens')]
  const model = await runs.processed()
  return tf.tidy(() => {
    const z = sliceAt(corrupt.get('z', layer), 2, head).sub(sliceAt(clean.get('z', layer), 2, head)) // [B,P,K]
    const W_O = sliceAt(model.copyWeight(`blocks.${layer}.attn.W_O`), 0, head) as tf.Tensor2D // [K,D]
    const [batch, positions, width] = z.shape as [number, number, number]
    return tf.matMul(z.reshape<tf.Tensor2D>([-1, width]), W_O).reshape([batch, positions, -1])
  })
}
