/** The prompts of a data set in which latents are most active: what `latentPeaks` returns. F latents */
import { z } from 'zod'
import { FileError } from '../../lib/errors/errors.js'
import { savedFloats, type JsonObject } from '../../lib/report/result/json.js'
import type { Provenance } from '../../lib/report/result/provenance.js'
import { histogram, type Figure } from '../../lib/report/figure/figure.js'
import { Result } from '../../lib/report/result/result.js'
import { cellColumns, type Rows } from '../../lib/report/result/rows.js'
import { ResultRecord } from '../../lib/report/result/result-record.js'
import { floatField, provenanceSchema, readSaved, savedSchema } from '../../lib/report/result/saved.js'
import { Table } from '../../lib/report/table/table.js'

/** A latent's largest activation in one prompt. */
export interface LatentPeak {
  /** Its number in the data, its tokens without padding, and the place among these. */
  readonly prompt: number
  readonly ids: readonly number[]
  readonly position: number
  readonly activation: number
}

/** The peaks of some latents. */
export interface FoundPeaks {
  /** [F] */
  readonly latents: readonly number[]
  /** The largest activation of each, [F]; 0 where it fires nowhere. */
  readonly max: Float32Array
  /** In how many prompts each fires, [F]. */
  readonly firing: Int32Array
  /** How many were run. */
  readonly prompts: number
  /**
   * [latent][≤ k]: the prompts of the largest activations, the largest first, the earlier of equals; none where it
   * fires nowhere.
   */
  readonly peaks: readonly (readonly LatentPeak[])[]
}

/** Plain data: the largest activation of each latent, and the prompts of its k largest. */
export class LatentPeaks extends ResultRecord implements FoundPeaks {
  static readonly format = 'tfjs-lens-latent-peaks'
  readonly latents: readonly number[]
  readonly max: Float32Array
  readonly firing: Int32Array
  readonly prompts: number
  readonly peaks: readonly (readonly LatentPeak[])[]
  readonly provenance: Provenance

  constructor({ latents, max, firing, prompts, peaks }: FoundPeaks, provenance: Provenance) {
    super()
    ;[this.latents, this.max, this.firing, this.prompts, this.peaks] = [latents, max, firing, prompts, peaks]
    this.provenance = provenance
  }

  /** The latents of the largest activations. @param options.limit how many @default 20 */
  toTable({ limit = 20 }: { readonly limit?: number } = {}): Table {
    const all = this.latents.map((latent, f) => ({
      latent,
      max: this.max[f] ?? 0,
      firing: this.firing[f] ?? 0,
      first: this.peaks[f]?.[0],
    }))
    const rows = all
      .sort((a, b) => b.max - a.max)
      .slice(0, limit)
      .map(({ latent, max, firing, first }) => {
        return [latent, max, firing, first ? `${first.prompt}:${first.position}` : 'none']
      })
    const title = `largest activations of ${this.latents.length} latents in ${this.prompts} prompts`
    return new Table(['latent', 'largest', 'prompts it fires in', 'prompt:position'], rows, { title })
  }

  /** How large the latents' largest activations are, as a histogram. */
  override plot(): Figure {
    return histogram({ values: this.max, title: 'largest activations of latents', yTitle: 'latents' })
  }

  toString(): string {
    return this.toTable().toString()
  }

  /** The largest activation of each latent: axes [latent]. */
  toResult(): Result {
    return new Result({
      kind: 'latent peaks',
      title: 'largest activations of latents',
      unit: '',
      axes: [{ name: 'latent', labels: this.latents.map((latent) => `latent ${latent}`) }],
      values: this.max.slice(),
      provenance: this.provenance,
    })
  }

  /** A row a latent and kept prompt; `place` counts a latent's from 1. */
  toRows(): Rows {
    const rows = this.latents.flatMap((latent, f) =>
      (this.peaks[f] ?? []).map(({ prompt, position, activation }, i) => [latent, i + 1, prompt, position, activation]),
    )
    const columns = cellColumns(['latent', 'place', 'prompt', 'position', 'activation'], rows)
    return { columns, length: rows.length, header: { format: LatentPeaks.format } }
  }

  /** Each kept prompt's tokens stand once. */
  toJSON(): JsonObject {
    const { latents, prompts, provenance } = this
    const tokens = Object.fromEntries(this.peaks.flat().map(({ prompt, ids }) => [prompt, ids]))
    const peaks = this.peaks.map((list) => ({
      prompts: list.map(({ prompt }) => prompt),
      positions: list.map(({ position }) => position),
      activations: savedFloats(list.map(({ activation }) => activation)),
    }))
    const [max, firing] = [savedFloats(this.max), [...this.firing]]
    const found = { latents, max, firing, prompts, peaks, tokens }
    return { format: LatentPeaks.format, version: 1, ...found, provenance: { ...provenance } }
  }

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static fromJSON(value: unknown): LatentPeaks {
    const saved = readSaved('LatentPeaks', schema, value)
    const { latents, prompts, provenance, tokens } = saved
    const [max, firing] = [Float32Array.from(saved.max), Int32Array.from(saved.firing)]
    for (const [name, { length }] of Object.entries({ max, firing, peaks: saved.peaks })) {
      if (length === latents.length) continue
      throw new FileError(`fromJSON: ${name} has ${length} entries for ${latents.length} latents. Each latent has one.`)
    }
    const peaks = saved.peaks.map((list) => peaksOf(list, tokens))
    return new LatentPeaks({ latents, max, firing, prompts, peaks }, provenance)
  }
}

type SavedPeaks = z.infer<typeof schema>['peaks'][number]

function peaksOf({ prompts, positions, activations }: SavedPeaks, tokens: Record<string, number[]>): LatentPeak[] {
  if (prompts.length !== positions.length || prompts.length !== activations.length) {
    const lengths = [prompts, positions, activations].map(({ length }) => length).join(', ')
    throw new FileError(`fromJSON: a latent has ${lengths} prompts, positions and activations. It has as many of each.`)
  }
  return prompts.map((prompt, i) => {
    const [ids = [], position = 0, activation = NaN] = [tokens[prompt], positions[i], activations[i]]
    if (position < ids.length) return { prompt, ids, position, activation }
    throw new FileError(`fromJSON: tokens has no position ${position} of prompt ${prompt}, where a latent is active.`)
  })
}

const index = z.int().nonnegative()
const indices = z.array(index)
const schema = savedSchema(LatentPeaks.format, {
  latents: indices,
  max: z.array(floatField),
  firing: indices,
  prompts: index,
  peaks: z.array(z.object({ prompts: indices, positions: indices, activations: z.array(floatField) })),
  tokens: z.record(z.string(), indices),
  provenance: provenanceSchema,
})
