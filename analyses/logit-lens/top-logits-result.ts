/** The tokens latents speak for and against: what `topLogits` returns. */
import { z } from 'zod'
import { savedFloats, type JsonObject } from '../../lib/report/result/json.js'
import type { Provenance } from '../../lib/report/result/provenance.js'
import { Result } from '../../lib/report/result/result.js'
import { cellColumns, type Rows } from '../../lib/report/result/rows.js'
import { ResultRecord } from '../../lib/report/result/result-record.js'
import { floatField, provenanceSchema, readSaved, savedSchema } from '../../lib/report/result/saved.js'
import { Table } from '../../lib/report/table/table.js'

/** A token, and what a latent does to its logit. */
export interface TokenLogit {
  readonly id: number
  readonly token: string
  /** What a unit of the latent adds to the token's logit. */
  readonly logit: number
}

/** The tokens at both ends of a latent's effect. */
export interface LatentLogits {
  readonly latent: number
  /** The largest first. */
  readonly top: readonly TokenLogit[]
  /** The smallest first. */
  readonly bottom: readonly TokenLogit[]
}

/** Plain records, and tables of them. */
export class TopLogits extends ResultRecord {
  static readonly format = 'tfjs-lens-top-logits'
  /** In the order asked for. */
  readonly latents: readonly LatentLogits[]
  readonly provenance: Provenance

  constructor(latents: readonly LatentLogits[], provenance: Provenance) {
    super()
    ;[this.latents, this.provenance] = [latents, provenance]
  }

  /** `1.  went (1.48)` … in two columns, or in two for each latent. */
  toTable(): Table {
    const columns = this.latents.flatMap(({ latent, top, bottom }) => [
      { name: `${latent}: most raised`, cells: top.map(cell) },
      { name: `${latent}: most lowered`, cells: bottom.map(cell) },
    ])
    const rows = (columns[0]?.cells ?? []).map((_, i) => columns.map(({ cells }) => cells[i] ?? ''))
    const names = columns.map(({ name }) => name)
    return new Table(names, rows, { title: 'direct effect of a unit of a latent on the logits' })
  }

  /** Each latent's effect on each of its tokens: axes [entry], labelled `847  went`. */
  toResult(): Result {
    const entries = this.#entries()
    return new Result({
      kind: 'top logits',
      title: 'direct effects of latents on logits',
      unit: 'logits',
      axes: [{ name: 'entry', labels: entries.map(({ latent, token }) => `${latent} ${token}`) }],
      values: Float32Array.from(entries, ({ logit }) => logit),
      provenance: this.provenance,
    })
  }

  toString(): string {
    return this.toTable().toString()
  }

  /** A row a latent and token, `place` from 1 at the `end` 'top' or 'bottom'. */
  toRows(): Rows {
    const rows = this.#entries().map(({ latent, end, place, id, token, logit }) => [
      latent,
      end,
      place,
      id,
      token,
      logit,
    ])
    const columns = cellColumns(['latent', 'end', 'place', 'id', 'token', 'logit'], rows)
    return { columns, length: rows.length, header: { format: TopLogits.format } }
  }

  toJSON(): JsonObject {
    const plain = (list: readonly TokenLogit[]) =>
      list.map(({ id, token, logit }) => ({ id, token, logit: savedFloats([logit])[0] ?? null }))
    const latents = this.latents.map(({ latent, top, bottom }) => ({ latent, top: plain(top), bottom: plain(bottom) }))
    return { format: TopLogits.format, version: 1, latents, provenance: { ...this.provenance } }
  }

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static fromJSON(value: unknown): TopLogits {
    const { latents, provenance } = readSaved('TopLogits', schema, value)
    return new TopLogits(latents, provenance)
  }

  #entries() {
    return this.latents.flatMap(({ latent, ...ends }) =>
      (['top', 'bottom'] as const).flatMap((end) =>
        ends[end].map((token, i) => ({ latent, end, place: i + 1, ...token })),
      ),
    )
  }
}

const tokens = z.array(z.object({ id: z.int(), token: z.string(), logit: floatField }))
const schema = savedSchema(TopLogits.format, {
  latents: z.array(z.object({ latent: z.int(), top: tokens, bottom: tokens })),
  provenance: provenanceSchema,
})

/** A place in the list, a token and its logit, as the notebooks print them. */
export function cell({ token, logit }: TokenLogit, i: number): string {
  return `${i + 1}. ${token} (${logit.toFixed(2)})`
}
