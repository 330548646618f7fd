/** GPT-2 for one prompt, written out in double precision and plain arrays, to hold the library to. */
import type { TensorRecord } from './tiny-gpt2.js'

export interface PlainOptions {
  readonly heads: number
  readonly layers: number
  readonly eps?: number
  /** Divide the scores by √(head size). @default true */
  readonly scaleScores?: boolean
  /** Divide the scores of layer l by l + 1 too. @default false */
  readonly byInverseLayer?: boolean
  /** The MLP's. @default gelu_new */
  readonly activation?: (x: number) => number
}

type Row = number[]

/** Logits [P][V] of the checkpoint's tensors, named as on the hub. */
export function plainGpt2(tensors: TensorRecord, ids: readonly number[], options: PlainOptions): Row[] {
  const get = (name: string) => {
    const { shape, values } = tensors[`transformer.${name}`]!
    return { rows: rowsOf(values, shape.at(-1)!), flat: Array.from(values) }
  }
  const eps = options.eps ?? 1e-5
  const norm = (x: Row, name: string) => layerNorm(x, get(`${name}.weight`).flat, get(`${name}.bias`).flat, eps)
  const conv1d = (x: Row, name: string) => affine(x, get(`${name}.weight`).rows, get(`${name}.bias`).flat)
  let stream = ids.map((id, p) => add(get('wte.weight').rows[id]!, get('wpe.weight').rows[p]!))
  for (let l = 0; l < options.layers; l++) {
    const qkv = stream.map((x) => conv1d(norm(x, `h.${l}.ln_1`), `h.${l}.attn.c_attn`))
    const mixed = attend(qkv, l, options)
    stream = stream.map((x, p) => add(x, conv1d(mixed[p]!, `h.${l}.attn.c_proj`)))
    stream = stream.map((x) => {
      const hidden = conv1d(norm(x, `h.${l}.ln_2`), `h.${l}.mlp.c_fc`).map(options.activation ?? geluNew)
      return add(x, conv1d(hidden, `h.${l}.mlp.c_proj`))
    })
  }
  const head = tensors['lm_head.weight'] ?? tensors['transformer.wte.weight']!
  const W = rowsOf(head.values, head.shape[1]!)
  return stream.map((x) => W.map((row) => dot(norm(x, 'ln_f'), row)))
}

function attend(qkv: readonly Row[], layer: number, options: PlainOptions): Row[] {
  const width = qkv[0]!.length / 3
  const size = width / options.heads
  const scale = (options.scaleScores === false ? 1 : 1 / Math.sqrt(size)) / (options.byInverseLayer ? layer + 1 : 1)
  return qkv.map((row, p) => {
    const out: Row = []
    for (let h = 0; h < options.heads; h++) {
      const part = (x: Row, which: number) => x.slice(which * width + h * size, which * width + (h + 1) * size)
      const scores = qkv.slice(0, p + 1).map((other) => dot(part(row, 0), part(other, 1)) * scale)
      const exps = scores.map((s) => Math.exp(s - Math.max(...scores)))
      const sum = exps.reduce((total, e) => total + e, 0)
      for (let i = 0; i < size; i++) out.push(exps.reduce((total, e, k) => total + (e / sum) * part(qkv[k]!, 2)[i]!, 0))
    }
    return out
  })
}

function layerNorm(x: Row, weight: Row, bias: Row, eps: number): Row {
  const mean = x.reduce((sum, v) => sum + v, 0) / x.length
  const variance = x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length
  return x.map((v, i) => ((v - mean) / Math.sqrt(variance + eps)) * weight[i]! + bias[i]!)
}

function affine(x: Row, W: readonly Row[], b: Row): Row {
  return b.map((start, j) => x.reduce((sum, v, i) => sum + v * W[i]![j]!, start))
}

function rowsOf(values: ArrayLike<number>, width: number): Row[] {
  return Array.from({ length: values.length / width }, (_, r) =>
    Array.from({ length: width }, (_, c) => values[r * width + c]!),
  )
}

const geluNew = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
const dot = (a: Row, b: Row) => a.reduce((sum, v, i) => sum + v * b[i]!, 0)
const add = (a: Row, b: Row) => a.map((v, i) => v + b[i]!)
