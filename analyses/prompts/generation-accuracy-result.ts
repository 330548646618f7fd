/** What a model said to questions: what `generationAccuracy` returns. */
import { z } from 'zod'
import { FileError } from '../../lib/errors/errors.js'
import type { JsonObject } from '../../lib/report/result/json.js'
import type { Provenance } from '../../lib/report/result/provenance.js'
import { Result } from '../../lib/report/result/result.js'
import type { Rows } from '../../lib/report/result/rows.js'
import { ResultRecord } from '../../lib/report/result/result-record.js'
import { provenanceSchema, readSaved, savedSchema } from '../../lib/report/result/saved.js'
import { Table } from '../../lib/report/table/table.js'

/** A prompt and the text that should follow it, as `arithmeticPrompts` makes them. */
export interface QuestionWithAnswer {
  readonly text: string
  readonly answer: string
}

/** What a `GenerationAccuracy` is made of. */
export interface GenerationAccuracyInit {
  readonly questions: readonly QuestionWithAnswer[]
  readonly said: readonly string[]
  readonly right: readonly boolean[]
  readonly provenance: Provenance
}

/** Plain data: what was asked, what the model said, and whether that is right. */
export class GenerationAccuracy extends ResultRecord implements GenerationAccuracyInit {
  static readonly format = 'tfjs-lens-generation-accuracy'
  readonly questions: readonly QuestionWithAnswer[]
  /** What the model said, as much as the answer's tokens. */
  readonly said: readonly string[]
  readonly right: readonly boolean[]
  /** Share that is right. */
  readonly accuracy: number
  readonly provenance: Provenance

  constructor({ questions, said, right, provenance }: GenerationAccuracyInit) {
    super()
    ;[this.questions, this.said, this.right, this.provenance] = [questions, said, right, provenance]
    this.accuracy = right.filter(Boolean).length / right.length
  }

  /** Prompt, answer and what was said, a row each. */
  toTable(): Table {
    const rows = this.questions.map(({ text, answer }, i) => [
      text,
      answer,
      this.said[i] ?? '',
      this.right[i] ? 'yes' : 'no',
    ])
    return new Table(['prompt', 'answer', 'said', 'right'], rows, { title: 'what the model says' })
  }

  /** 1 for right and 0 for wrong: axes [question]. */
  toResult(): Result {
    return new Result({
      kind: 'generation accuracy',
      title: 'right answers',
      unit: '',
      axes: [{ name: 'question', labels: this.questions.map(({ text }) => text) }],
      values: Float32Array.from(this.right, Number),
      provenance: this.provenance,
    })
  }

  toString(): string {
    return `${this.toTable().toString()}\naccuracy ${this.accuracy.toFixed(3)}`
  }

  toRows(): Rows {
    return { ...this.toTable().toRows(), header: { format: GenerationAccuracy.format } }
  }

  toJSON(): JsonObject {
    const { questions, said, right, provenance } = this
    const plain = questions.map((question) => ({ ...question }))
    return {
      format: GenerationAccuracy.format,
      version: 1,
      questions: plain,
      said,
      right,
      provenance: { ...provenance },
    }
  }

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static fromJSON(value: unknown): GenerationAccuracy {
    const { questions, said, right, provenance } = readSaved('GenerationAccuracy', schema, value)
    if (said.length !== questions.length || right.length !== questions.length) {
      const counts = `${questions.length} questions, ${said.length} texts said and ${right.length} verdicts`
      throw new FileError(`fromJSON: there are ${counts}. Each question has one.`)
    }
    return new GenerationAccuracy({ questions, said, right, provenance })
  }
}

const schema = savedSchema(GenerationAccuracy.format, {
  questions: z.array(z.object({ text: z.string(), answer: z.string() })),
  said: z.array(z.string()),
  right: z.array(z.boolean()),
  provenance: provenanceSchema,
})
