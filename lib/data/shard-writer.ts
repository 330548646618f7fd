/** Gathers activations in memory until they make a shard, and writes it. N tokens. */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { EncodableTensor } from '../weights/formats/safetensors.js'
import { writeSafetensors } from '../weights/formats/write-safetensors.js'
import { widthOf, type TokenPoint } from './activation-run.js'
import type { KeptTokens } from './excluded-tokens.js'
import { writeManifest, type HarvestManifest, type HarvestShard } from './harvest-manifest.js'
import type { DataPosition } from './token-data.js'

/** Tensors of a shard next to its activations: ids, and the row of the data and position that each token was at. */
export const sidecars = ['tokens', 'rows', 'positions'] as const

/** Bytes of one token in memory and on disk. */
export function bytesPerToken(points: readonly TokenPoint[]): number {
  return 4 * (points.reduce((sum, point) => sum + widthOf(point), 0) + sidecars.length)
}

/** What shards hold. */
export interface ShardPlan {
  readonly points: readonly TokenPoint[]
  /** Tokens that make a shard; a single batch may make a larger one. */
  readonly capacity: number
}

/** The numbers of one tensor of the shard that is being gathered. */
interface Column<Values extends Float32Array | Int32Array = Float32Array | Int32Array> {
  readonly name: string
  /** Axes of one token. */
  readonly shape: readonly number[]
  readonly values: Values
}

export class ShardWriter {
  readonly #folder: string
  readonly #points: readonly TokenPoint[]
  #capacity: number
  #manifest: HarvestManifest
  #size = 0
  #activations: Column<Float32Array>[] = []
  #sidecars: Column<Int32Array>[] = []
  #next: DataPosition | undefined

  constructor(folder: string, manifest: HarvestManifest, { points, capacity }: ShardPlan) {
    this.#folder = folder
    this.#points = points
    this.#capacity = capacity
    this.#manifest = manifest
  }

  get manifest(): HarvestManifest {
    return this.#manifest
  }

  /** Tokens in shards and in memory. */
  get tokens(): number {
    return this.#manifest.tokens + this.#size
  }

  /** Takes a batch, [n,D] at each point; writes the shard first where the batch does not fit into it. */
  async add(
    activations: readonly Float32Array[],
    { index, ids, rows, positions }: KeptTokens,
    next: DataPosition,
  ): Promise<void> {
    const count = index.length
    if (this.#size + count > this.#capacity) await this.flush()
    if (count > this.#capacity || this.#activations.length === 0) this.#allocate(Math.max(count, this.#capacity))
    putAt(this.#size, this.#activations, activations)
    putAt(this.#size, this.#sidecars, [ids, rows, positions])
    this.#size += count
    this.#next = next
  }

  /** Writes what is in memory, if anything is, and says so in the manifest. */
  async flush(ended = false): Promise<void> {
    const { shards, tokens } = this.#manifest
    const added =
      this.#size > 0 ? [await this.#write(`activations-${String(shards.length).padStart(5, '0')}.safetensors`)] : []
    if (added.length === 0 && ended === this.#manifest.ended) return
    this.#manifest = { ...this.#manifest, ended, tokens: tokens + this.#size, shards: [...shards, ...added] }
    await writeManifest(this.#folder, this.#manifest)
    this.#size = 0
  }

  async #write(file: string): Promise<HarvestShard> {
    const size = this.#size
    const place = path.join(this.#folder, file)
    const tensors = [...this.#activations, ...this.#sidecars].map(({ name, shape, values }) => {
      return [name, { shape: [size, ...shape], values: values.subarray(0, size * widthOf({ shape })) }] as const
    })
    await writeSafetensors(place, new Map<string, EncodableTensor>(tensors))
    return { file, tokens: size, bytes: (await stat(place)).size, next: JSON.parse(JSON.stringify(this.#next)) }
  }

  #allocate(capacity: number): void {
    this.#capacity = capacity
    this.#activations = this.#points.map((point) => ({
      ...point,
      values: new Float32Array(capacity * widthOf(point)),
    }))
    this.#sidecars = sidecars.map((name) => ({ name, shape: [], values: new Int32Array(capacity) }))
  }
}

/** Puts some tokens' numbers into each column, from token `at` on. */
function putAt(at: number, columns: readonly Column[], parts: readonly ArrayLike<number>[]): void {
  for (const [i, { shape, values }] of columns.entries()) values.set(parts[i] ?? [], at * widthOf({ shape }))
}
