/** The examples that activate latents most: plain records, and what can be done with them. */
import { z } from 'zod'
import { ArgumentError, FileError, MismatchError } from '../../lib/errors/errors.js'
import { savedFloats, type JsonObject } from '../../lib/report/result/json.js'
import type { Page } from '../../lib/report/page/page.js'
import type { Provenance } from '../../lib/report/result/provenance.js'
import { Result } from '../../lib/report/result/result.js'
import { cellColumns, type Rows } from '../../lib/report/result/rows.js'
import { ResultRecord } from '../../lib/report/result/result-record.js'
import { floatField, provenanceSchema, readSaved, savedSchema } from '../../lib/report/result/saved.js'
import { drawExamples, examplesHtml, examplesPage, type ShownExamples } from './draw-examples.js'

/** One place where a latent is active, and the text around it. */
export interface MaxActivatingExample {
  readonly latent: number
  readonly activation: number
  /** Number of the row in the data, and position in the row. */
  readonly row: number
  readonly position: number
  /** Position of the window's first token: the example is the one in the middle. */
  readonly start: number
  readonly ids: readonly number[]
  readonly tokens: readonly string[]
  /** The latent's activation on each token of the window. */
  readonly activations: readonly number[]
  readonly dfa?: SourceAttribution
}

/** What each token up to an example's own adds to its pre-activation; see `featureDfa`. */
export interface SourceAttribution {
  /** Position in the row of the token that adds most. */
  readonly source: number
  /** Position of the first token listed. */
  readonly start: number
  readonly ids: readonly number[]
  readonly tokens: readonly string[]
  readonly scores: readonly number[]
}

/** What was searched, and how. */
export interface MaxActivatingAbout {
  readonly sae: string
  readonly hook: string
  readonly point: string
  readonly k: number
  readonly buffer: number
  readonly noOverlap: boolean
  /** What the token data says of itself. */
  readonly data: JsonObject
  /** Rows and real tokens that were read. */
  readonly rows: number
  readonly tokens: number
  readonly latents: readonly number[]
}

/** Examples of each latent, the largest activation first. */
export class MaxActivating extends ResultRecord {
  static readonly format = 'tfjs-lens-max-activating'
  readonly about: MaxActivatingAbout
  /** [latent][example]: latents as in `about.latents`; fewer than k where a latent fires less. */
  readonly examples: readonly (readonly MaxActivatingExample[])[]
  readonly provenance: Provenance

  constructor(
    about: MaxActivatingAbout,
    examples: readonly (readonly MaxActivatingExample[])[],
    provenance: Provenance,
  ) {
    super()
    ;[this.about, this.examples, this.provenance] = [about, examples, provenance]
  }

  /** The examples of a latent. @throws ArgumentError for a latent that was not searched */
  of(latent: number): readonly MaxActivatingExample[] {
    const found = this.examples[this.about.latents.indexOf(latent)]
    if (found) return found
    const { latents } = this.about
    const searched = `${latents.slice(0, 5).join(', ')}${latents.length > 5 ? ' …' : '.'}`
    throw new ArgumentError(`of: latent ${latent} was not searched. ${latents.length} were: ${searched}`)
  }

  /**
   * The best examples of both, of two parts of one data set (whose rows have numbers of their own): as if it had been
   * read at once. Merging is associative and in any order.
   * @throws MismatchError when they were searched otherwise
   */
  merge(other: MaxActivating): MaxActivating {
    for (const key of ['sae', 'hook', 'point', 'k', 'buffer', 'noOverlap', 'latents'] as const) {
      const [own, others] = [JSON.stringify(this.about[key]), JSON.stringify(other.about[key])]
      if (own === others) continue
      throw new MismatchError(`merge: the parts have ${key} ${own} and ${others}. Search all with the same settings.`)
    }
    const [rows, tokens] = [this.about.rows + other.about.rows, this.about.tokens + other.about.tokens]
    const examples = this.about.latents.map((latent) =>
      [...this.of(latent), ...other.of(latent)].sort(order).slice(0, this.about.k),
    )
    return new MaxActivating({ ...this.about, rows, tokens }, examples, this.provenance)
  }

  /** Coloured lines for the terminal: each example's activation, place and text. */
  toString(shown: ShownExamples = {}): string {
    return drawExamples(this, shown)
  }

  /** Writes them to stdout. @param shown which latents (all), and how many examples of each (all) */
  override print(shown: ShownExamples = {}): void {
    console.log(this.toString(shown))
  }

  /** A piece of HTML, tokens coloured by activation, all text escaped. */
  toHtml(shown: ShownExamples = {}): string {
    return examplesHtml(this, shown)
  }

  /** A page for `writePage`, a section for each latent. */
  toPage(shown: ShownExamples = {}): Page {
    return examplesPage(this, shown)
  }

  /** The activation of each example: axes [example], labelled by latent and place in the data, `12 at 11:51`. */
  toResult(): Result {
    const examples = this.examples.flat()
    return new Result({
      kind: 'max activating',
      title: `largest activations of ${this.about.sae}`,
      unit: '',
      axes: [{ name: 'example', labels: examples.map((e) => `${e.latent} at ${e.row}:${e.position}`) }],
      values: Float32Array.from(examples, ({ activation }) => activation),
      provenance: this.provenance,
    })
  }

  /** A row an example; `place` counts a latent's from 1, `source` is the position that adds most, where it is known. */
  toRows(): Rows {
    const rows = this.examples.flatMap((list) =>
      list.map(({ latent, activation, row, position, start, tokens, dfa }, i) => {
        const token = tokens[position - start] ?? ''
        return [latent, i + 1, activation, row, position, token, tokens.join(''), dfa?.source ?? null]
      }),
    )
    const names = ['latent', 'place', 'activation', 'row', 'position', 'token', 'text', 'source']
    return { columns: cellColumns(names, rows), length: rows.length, header: { format: MaxActivating.format } }
  }

  toJSON(): JsonObject {
    const plain = ({ dfa, ...example }: MaxActivatingExample): JsonObject => ({
      ...example,
      activation: savedFloats([example.activation])[0] ?? null,
      activations: savedFloats(example.activations),
      ...(dfa && { dfa: { ...dfa, scores: savedFloats(dfa.scores) } }),
    })
    const { about, provenance } = this
    const examples = this.examples.map((list) => list.map(plain))
    return {
      format: MaxActivating.format,
      version: 1,
      about: { ...about },
      examples,
      provenance: { ...provenance },
    }
  }

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static fromJSON(value: unknown): MaxActivating {
    const { about, examples, provenance } = readSaved('MaxActivating', schema, value)
    if (about.latents.length !== examples.length) {
      const counts = `${about.latents.length} latents and ${examples.length} lists of examples`
      throw new FileError(`fromJSON: there are ${counts}. Each latent has one.`)
    }
    return new MaxActivating(about as MaxActivatingAbout, examples, provenance)
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const { sae, latents, rows, tokens, k } = this.about
    const searched = `${tokens} tokens in ${rows} rows`
    return `MaxActivating: ${latents.length} latents of ${sae}, up to ${k} examples each, of ${searched}`
  }
}

/** Larger activations first, then as they stand in the data. */
function order(a: MaxActivatingExample, b: MaxActivatingExample): number {
  return b.activation - a.activation || a.row - b.row || a.position - b.position
}

const count = z.number().int()
const windowed = { start: count, ids: z.array(count), tokens: z.array(z.string()) }
const example = z.object({
  latent: count,
  activation: floatField,
  row: count,
  position: count,
  ...windowed,
  activations: z.array(floatField),
  dfa: z.object({ source: count, ...windowed, scores: z.array(floatField) }).optional(),
})
const schema = savedSchema(MaxActivating.format, {
  about: z.object({
    sae: z.string(),
    hook: z.string(),
    point: z.string(),
    k: count,
    buffer: count,
    noOverlap: z.boolean(),
    data: z.record(z.string(), z.unknown()),
    rows: count,
    tokens: count,
    latents: z.array(count),
  }),
  examples: z.array(z.array(example)),
  provenance: provenanceSchema,
})
