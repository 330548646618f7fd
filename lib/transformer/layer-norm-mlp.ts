/**
 * The MLP of models with LayerNorm, with its hook points.
 * Axes: B batch · P position · D d_model · M d_mlp
 */
import type * as tf from '@tensorflow/tfjs'
import type { ModelConfig } from './architecture.js'
import type { At } from '../core/hooks.js'
import { normIsSeen, type Block } from './layer-norm-attention.js'
import { geluForms, geluNew } from '../ops/gelu.js'
import { layerNorm, normForms } from '../ops/layer-norm.js'
import { likeForms, linear, plus, rowForms, rowsOf, type Factor } from '../ops/linear.js'
import { composed, computeFirst, isTaped, type Forms, type Run } from '../ops/custom-gradient.js'

/** x [B,P,D], the residual stream, through `ln2` and the MLP (+ onto) → [B,P,D]. `activate` is told `at` under `mlp`. */
export function layerNormMlp(
  block: Block,
  x: tf.Tensor3D,
  activate: (pre: tf.Tensor, at: At) => tf.Tensor,
  onto?: tf.Tensor3D,
): tf.Tensor3D {
  const { w, c, l } = block
  const [at, name] = [block.at.under('mlp'), `blocks.${l}`]
  const [W_in, b_in] = [w.matrix(`${name}.mlp.W_in`), w.get(`${name}.mlp.b_in`)]
  const [W_out, b_out] = [w.matrix(`${name}.mlp.W_out`), w.get(`${name}.mlp.b_out`)]
  const watched = normIsSeen(block, 'ln2') || at.wants('hook_pre') || at.wants('hook_post')
  if (activate === geluNew && onto && !watched && !isTaped()) {
    const [into, out] = [W_in, W_out].map((W) => W.factor(rowsOf(x))) as [Factor, Factor]
    const form = mlpForms(c, into.form, out.form)
    return computeFirst(form, [x, into.tensor, b_in, out.tensor, b_out, onto]) as tf.Tensor3D
  }
  const normed = layerNorm(x, c.eps, block.at.under('ln2'), w.maybe(`${name}.ln2.w`), w.maybe(`${name}.ln2.b`))
  const pre = at('hook_pre', linear(normed, W_in, b_in)) // [B,P,M]
  const post = at('hook_post', activate(pre, at))
  return plus(linear(post, W_out, b_out) as tf.Tensor3D, onto) // [B,P,D]
}

/** Of x, W_in, b_in, W_out, b_out and what is added to: [B,P,D]. */
const mlpForms = (c: ModelConfig, into: Forms, out: Forms): Forms =>
  composed(`mlp ${c.eps} ${c.dModel} ${into.key} ${out.key}`, (run, [x, W_in, b_in, W_out, b_out, onto]) => {
    const [rows, before] = [x!, onto!].map((stream) => run(rowForms(c.dModel), stream)[0]!)
    const [written] = mlpRows(run, c, into, out, rows!, [W_in!, b_in!, W_out!, b_out!, before!])
    return run(likeForms, written!, onto!)
  })

/** Of rows, W_in, b_in, W_out, b_out and the rows that it is added onto. */
export function mlpRows<V>(run: Run<V>, c: ModelConfig, into: Forms, out: Forms, rows: V, weights: V[]): V[] {
  const [W_in, b_in, ...onto] = weights
  const [normed] = run(normForms(true, c.eps), rows)
  const [pre] = run(into, normed!, W_in!, b_in!)
  const [post] = run(geluForms, pre!)
  return run(out, post!, ...onto)
}
