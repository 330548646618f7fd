/**
 * A block of LayerNorm models as one computation: on the native backend one graph, chained of the graphs of its parts. It
 * gives what the page gives, to the last digit.
 */
import * as tf from '@tensorflow/tfjs'
import { isLarge, mixOp, scoresOp, softmaxOp } from '../../ops/attention.js'
import { isRecordingGradients } from '../../ops/custom-gradient.js'
import { geluOp } from '../../ops/gelu.js'
import { splitHeadsOp } from '../../ops/heads.js'
import { normalizeOp } from '../../ops/normalize.js'
import { compute, defineChain, type Named, type Names, type Run } from '../../ops/op.js'
import { reshapeLikeOp, rowCount, rowsOp, type Product } from '../../ops/products.js'
import { rotateOp, rotationOf, type RotaryTables } from '../../ops/rotary.js'
import type { MatmulPlan } from '../../ops/weight-matrix.js'
import type { Block, FusedBlock, KeysValues, ModelConfig } from '../architecture.js'
import { joinPastOp } from '../kv-cache.js'

/** How blocks of a family differ. */
export interface LayerNormBlockOptions<C extends ModelConfig> {
  /** What q · k is multiplied by. */
  scoreScale(config: C, layer: number): number
  /** Whether the MLP's activation is `gelu_new`: other ones are not fused. @default true */
  isGeluNew?(config: C): boolean
  /** Whether the MLP reads what attention reads, not what attention has written to. @default false */
  isParallel?(config: C): boolean
  /** Whether there is an MLP. @default true */
  hasMlp?(config: C): boolean
}

/** The block, where no gradient is taken and its norms are folded; undefined otherwise, and where it has parts of its own. */
export function layerNormBlock<C extends ModelConfig>(options: LayerNormBlockOptions<C>): FusedBlock<C> {
  const { scoreScale, isGeluNew = () => true, isParallel = () => false, hasMlp = () => true } = options
  return (block, residPre) => {
    const { config, layer, weights: w } = block
    const isFolded = w.maybe('ln1.w') === undefined && w.maybe('ln2.w') === undefined
    if (!isFolded || !hasMlp(config) || !isGeluNew(config) || isRecordingGradients()) return undefined
    return run(block, residPre, { scale: scoreScale(config, layer), parallel: isParallel(config) })
  }
}

interface Wiring {
  readonly scale: number
  readonly parallel: boolean
}

function run(block: Block, x: tf.Tensor3D, { scale, parallel }: Wiring): tf.Tensor3D {
  const { config, layer, weights: w, frame } = block
  const { rotary, past } = frame
  const earlier = past?.earlier(layer)
  const plan = (name: string): MatmulPlan => w.matrix(name).matmulPlan(rowCount(x))
  const [qkv, out, mlpIn, mlpOut] = [plan('attn.W_QKV'), plan('attn.W_O'), plan('mlp.W_in'), plan('mlp.W_out')]
  const op = blockOp({
    eps: config.eps,
    dModel: config.dModel,
    nHeads: config.nHeads,
    dHead: config.dHead,
    byQkv: qkv.product,
    byO: out.product,
    byIn: mlpIn.product,
    byOut: mlpOut.product,
    scale,
    large: isLarge(x.shape[0] * frame.bias.shape[3] * config.nHeads * config.dHead, x.shape[1]),
    padded: frame.padded,
    rotate: rotary && rotateOp(rotationOf(config.dHead, rotary.cos)),
    parallel,
  })
  const { y, k, v } = compute(op, {
    x,
    bias: frame.bias,
    W_QKV: qkv.W,
    b_QKV: w.get('attn.b_QKV'),
    W_O: out.W,
    b_O: w.get('attn.b_O'),
    W_in: mlpIn.W,
    b_in: w.get('mlp.b_in'),
    W_out: mlpOut.W,
    b_out: w.get('mlp.b_out'),
    ...tablesOf(rotary),
    ...(earlier && { earlierK: earlier.k, earlierV: earlier.v }),
  })
  past?.keep(layer, { k, v } as KeysValues)
  tf.dispose([k, v])
  return y as tf.Tensor3D
}

const tablesOf = (rotary: RotaryTables | undefined) => (rotary ? { cos: rotary.cos, sin: rotary.sin } : {})

type BlockTensors = 'W_QKV' | 'b_QKV' | 'W_O' | 'b_O' | 'W_in' | 'b_in' | 'W_out' | 'b_out'
type Inputs = Names<'x' | 'bias' | BlockTensors, 'cos' | 'sin' | 'earlierK' | 'earlierV'>

type Parameters = {
  readonly eps: number
  readonly dModel: number
  readonly nHeads: number
  readonly dHead: number
  readonly byQkv: Product
  readonly byO: Product
  readonly byIn: Product
  readonly byOut: Product
  readonly scale: number
  readonly large: boolean
  readonly padded: boolean
  readonly rotate: ReturnType<typeof rotateOp> | undefined
  readonly parallel: boolean
}

/** The residual stream after the block, and keys and values of all positions. */
const blockOp = defineChain<Inputs, Names<'y' | 'k' | 'v'>, Parameters>('LayerNorm block', (c) => (run, given) => {
  const { large, padded, scale } = c
  const { rows } = run(rowsOp({ width: c.dModel }), { x: given.x })
  const { q, k, v } = queriesKeysValues(run, c, { ...given, rows })
  const { scores } = run(scoresOp({ scale, large }), { q, k, bias: given.bias })
  const { pattern } = run(softmaxOp({ padded }), { scores })
  const { z } = run(mixOp({ large }), { pattern, v })
  const { rows: joined } = run(rowsOp({ width: c.nHeads * c.dHead }), { x: z })
  const { y: mid } = run(c.byO, { x: joined, W: given.W_O, b: given.b_O, onto: rows })
  const { y: normed } = run(normalizeOp({ centred: true, eps: c.eps }), { x: c.parallel ? rows : mid })
  const { y: pre } = run(c.byIn, { x: normed, W: given.W_in, b: given.b_in })
  const { y: post } = run(geluOp({}), { x: pre })
  const { y: after } = run(c.byOut, { x: post, W: given.W_out, b: given.b_out, onto: mid })
  const { y } = run(reshapeLikeOp({}), { rows: after, like: given.x })
  return { y, k, v }
})

/** q [B,P,H,K] of rows of the residual stream, k and v [B,N,H,K] with those of earlier positions. */
function queriesKeysValues<V>(run: Run<V>, c: Parameters, given: Named<Inputs & Names<'rows'>, V>) {
  const { cos, sin, earlierK, earlierV } = given
  const { y: normed } = run(normalizeOp({ centred: true, eps: c.eps }), { x: given.rows })
  const { y: qkv } = run(c.byQkv, { x: normed, W: given.W_QKV, b: given.b_QKV })
  const heads = { queries: c.nHeads, keys: c.nHeads, size: c.dHead }
  const split = run(splitHeadsOp(heads), { x: qkv, like: given.x })
  const { rotate } = c
  const rotated = (x: V): V => (rotate && cos && sin ? run(rotate, { x, cos, sin }).y : x)
  const [q, newK] = [rotated(split.q), rotated(split.k)]
  if (earlierK === undefined || earlierV === undefined) return { q, k: newK, v: split.v }
  return { q, ...run(joinPastOp({}), { k: earlierK, newK, v: earlierV, newV: split.v }) }
}
