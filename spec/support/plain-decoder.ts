/** The forward pass of rotary decoders in plain loops and double precision, to hold the fast one to. */
import type { TensorRecord } from './tiny-gpt2.js'

type Vector = number[]

export interface PlainDecoder {
  readonly layers: number
  readonly heads: number
  readonly keyValueHeads: number
  readonly headSize: number
  readonly eps: number
  /** Radians a position of each pair of dimensions. */
  readonly frequencies: readonly number[]
  readonly activation: (x: number) => number
  /** Norms multiply by 1 + weight. */
  readonly onePlus?: boolean
  readonly embedScale?: number
  /** Norms behind attention and MLP. */
  readonly postNorms?: boolean
  /** How many positions a layer's queries see. */
  readonly window?: (layer: number) => number
  /** What q · k is divided by. @default √headSize */
  readonly divisor?: number
  readonly scoresCap?: number
  readonly finalCap?: number
}

export const silu = (x: number): number => x / (1 + Math.exp(-x))
export const geluTanh = (x: number): number =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))

/** Frequencies base^(−2i/size). */
export const plainFrequencies = (size: number, base: number): number[] =>
  Array.from({ length: size / 2 }, (_, i) => base ** ((-2 * i) / size))

/** Logits [P][V] of one prompt, from a checkpoint's tensors under the hub's names. */
export function plainDecoder(tensors: TensorRecord, tokens: readonly number[], d: PlainDecoder): number[][] {
  const embedding = 'model.embed_tokens.weight'
  let stream = tokens.map((id) => rowOf(tensors, embedding, id).map((x) => x * (d.embedScale ?? 1)))
  const normed = (rows: Vector[], name: string) => rows.map((row) => rmsNorm(row, tensors[name]!.values, d))
  for (let l = 0; l < d.layers; l++) {
    const name = `model.layers.${l}.`
    const attn = attention(tensors, `${name}self_attn.`, normed(stream, `${name}input_layernorm.weight`), l, d)
    const behind = `${name}post_attention_layernorm.weight`
    stream = sum(stream, d.postNorms ? normed(attn, behind) : attn)
    const front = d.postNorms ? `${name}pre_feedforward_layernorm.weight` : behind
    const mlp = normed(stream, front).map((row) => gated(tensors, `${name}mlp.`, row, d))
    stream = sum(stream, d.postNorms ? normed(mlp, `${name}post_feedforward_layernorm.weight`) : mlp)
  }
  const head = tensors['lm_head.weight'] ? 'lm_head' : 'model.embed_tokens'
  const cap = d.finalCap
  return normed(stream, 'model.norm.weight').map((row) => {
    const logits = linear(tensors, head, row)
    return cap === undefined ? logits : logits.map((x) => cap * Math.tanh(x / cap))
  })
}

function attention(tensors: TensorRecord, name: string, rows: Vector[], layer: number, d: PlainDecoder): Vector[] {
  const part = (letter: string, row: Vector) => linear(tensors, `${name}${letter}_proj`, row)
  const head = (x: Vector, h: number) => x.slice(h * d.headSize, (h + 1) * d.headSize)
  const turned = (x: Vector, p: number) => rotated(x, p, d)
  const [q, k, v] = ['q', 'k', 'v'].map((letter) => rows.map((row) => part(letter, row))) as [
    Vector[],
    Vector[],
    Vector[],
  ]
  const window = d.window?.(layer) ?? Infinity
  return rows.map((_, p) => {
    const z = Array.from({ length: d.heads }, (_, h) => {
      const g = Math.floor(h / (d.heads / d.keyValueHeads))
      const query = turned(head(q[p]!, h), p)
      const seen = rows.map((_, s) => s).filter((s) => s <= p && p - s < window)
      const scores = seen.map((s) => {
        const score = dot(query, turned(head(k[s]!, g), s)) / (d.divisor ?? Math.sqrt(d.headSize))
        return d.scoresCap === undefined ? score : d.scoresCap * Math.tanh(score / d.scoresCap)
      })
      const exps = scores.map(Math.exp)
      const total = exps.reduce((a, b) => a + b)
      return exps.reduce<Vector>(
        (mix, e, i) => mix.map((m, j) => m + (e / total) * head(v[seen[i]!]!, g)[j]!),
        new Array<number>(d.headSize).fill(0),
      )
    })
    return linear(tensors, `${name}o_proj`, z.flat())
  })
}

/** Dimension i is turned with i + half of the head. */
function rotated(x: Vector, position: number, { frequencies }: PlainDecoder): Vector {
  const half = frequencies.length
  return x.map((value, i) => {
    const angle = position * frequencies[i % half]!
    const partner = i < half ? -x[i + half]! : x[i - half]!
    return value * Math.cos(angle) + partner * Math.sin(angle)
  })
}

function gated(tensors: TensorRecord, name: string, row: Vector, d: PlainDecoder): Vector {
  const up = linear(tensors, `${name}up_proj`, row)
  const post = linear(tensors, `${name}gate_proj`, row).map((x, i) => d.activation(x) * up[i]!)
  return linear(tensors, `${name}down_proj`, post)
}

function rmsNorm(row: Vector, weight: Float32Array, { eps, onePlus }: PlainDecoder): Vector {
  const scale = Math.sqrt(dot(row, row) / row.length + eps)
  return row.map((x, i) => (x / scale) * (weight[i]! + (onePlus ? 1 : 0)))
}

/** W [out,in] · x + b. */
function linear(tensors: TensorRecord, name: string, x: Vector): Vector {
  const bias = tensors[`${name}.bias`]?.values
  const outputs = tensors[`${name}.weight`]!.shape[0]!
  return Array.from({ length: outputs }, (_, o) => dot(rowOf(tensors, `${name}.weight`, o), x) + (bias?.[o] ?? 0))
}

function rowOf(tensors: TensorRecord, name: string, row: number): Vector {
  const { shape, values } = tensors[name]!
  return Array.from(values.subarray(row * shape[1]!, (row + 1) * shape[1]!))
}

const dot = (a: Vector, b: Vector): number => a.reduce((total, x, i) => total + x * b[i]!, 0)
const sum = (a: Vector[], b: Vector[]): Vector[] => a.map((row, p) => row.map((x, i) => x + b[p]![i]!))
