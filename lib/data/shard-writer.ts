/** Gathers activations in memory until they make a shard, and writes it. N tokens. */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { EncodableTensor } from '../weights/formats/safetensors.js'
import { writeSafetensors } from '../weights/formats/write-safetensors.js'
import { widthOf, type Site } from './activation-run.js'
import type { Sites } from './excluded.js'
import { writeManifest, type Manifest } from './harvest-manifest.js'
import type { DataPosition } from './token-data.js'

/** Tensors of a shard beside its activations: ids, and the row of the data and position that each token was at. */
export const sidecars = ['tokens', 'rows', 'positions'] as const

/** Bytes of one token in memory and on disk. */
export function bytesPerToken(sites: readonly Site[]): number {
  return 4 * (sites.reduce((sum, site) => sum + widthOf(site), 0) + sidecars.length)
}

export class ShardWriter {
  readonly #folder: string
  readonly #sites: readonly Site[]
  #capacity: number
  #manifest: Manifest
  #size = 0
  #values: Float32Array[] = []
  #sidecars: Int32Array[] = []
  #next: DataPosition | undefined

  /** `capacity` tokens make a shard; a single batch may make a larger one. */
  constructor(folder: string, sites: readonly Site[], capacity: number, manifest: Manifest) {
    this.#folder = folder
    this.#sites = sites
    this.#capacity = capacity
    this.#manifest = manifest
  }

  get manifest(): Manifest {
    return this.#manifest
  }

  /** Tokens in shards and in memory. */
  get tokens(): number {
    return this.#manifest.tokens + this.#size
  }

  /** Takes a batch, [n,D] at each point; writes the shard first where the batch does not fit into it. */
  async add(
    values: readonly Float32Array[],
    { index, ids, rows, positions }: Sites,
    next: DataPosition,
  ): Promise<void> {
    const count = index.length
    if (this.#size + count > this.#capacity) await this.flush()
    if (count > this.#capacity || this.#values.length === 0) this.#allocate(Math.max(count, this.#capacity))
    for (const [i, site] of this.#sites.entries()) this.#values[i]!.set(values[i]!, this.#size * widthOf(site))
    for (const [i, each] of [ids, rows, positions].entries()) this.#sidecars[i]!.set(each, this.#size)
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

  async #write(file: string): Promise<Manifest['shards'][number]> {
    const size = this.#size
    const place = path.join(this.#folder, file)
    const activations = this.#sites.map(({ name, shape }, i) => {
      const values = this.#values[i]!.subarray(0, size * widthOf({ name, shape }))
      return [name, { shape: [size, ...shape], values }] as const
    })
    const about = sidecars.map(
      (name, i) => [name, { shape: [size], values: this.#sidecars[i]!.subarray(0, size) }] as const,
    )
    await writeSafetensors(place, new Map<string, EncodableTensor>([...activations, ...about]))
    return { file, tokens: size, bytes: (await stat(place)).size, next: JSON.parse(JSON.stringify(this.#next)) }
  }

  #allocate(capacity: number): void {
    this.#capacity = capacity
    this.#values = this.#sites.map((site) => new Float32Array(capacity * widthOf(site)))
    this.#sidecars = sidecars.map(() => new Int32Array(capacity))
  }
}
