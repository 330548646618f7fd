/** The state of a search for examples in a file, so that an interrupted one continues where it stopped. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { ExcludedTokens } from '../../lib/data/excluded-tokens.js'
import { FileError, MismatchError } from '../../lib/errors/errors.js'
import { writeFileAtomic } from '../../lib/files/write-atomic.js'
import type { JsonObject } from '../../lib/report/result/json.js'
import { brief } from '../../lib/errors/brief.js'
import type { SavedExamples } from './top-examples.js'

/** What the state is of: only the same can continue it. */
export interface CheckpointSettings {
  readonly model: string
  readonly saes: readonly string[]
  readonly hooks: readonly string[]
  readonly hook: string
  readonly latents: readonly number[]
  readonly point: string
  readonly k: number
  readonly buffer: number
  readonly noOverlap: boolean
  readonly exclude: ExcludedTokens
  readonly dfa: boolean
  readonly data: JsonObject
}

const format = 'tfjs-lens-max-activating-state'
const numbers = z.array(z.number())
const schema = z.object({
  format: z.literal(format),
  version: z.literal(1),
  settings: z.record(z.string(), z.unknown()),
  rows: z.number(),
  tokens: z.number(),
  next: z.nullable(z.record(z.string(), z.unknown())),
  top: z.object({
    filled: numbers,
    values: numbers,
    rows: numbers,
    positions: numbers,
    tokens: numbers,
    activations: numbers,
  }),
  kept: z.array(z.tuple([z.number(), z.object({ start: z.number(), ids: numbers })])).optional(),
})

/** A state as it is read. */
export interface SavedState {
  readonly rows: number
  readonly tokens: number
  readonly next: JsonObject | null
  readonly top: SavedExamples
  readonly kept?: readonly (readonly [number, { readonly start: number; readonly ids: readonly number[] }])[]
}

/** Milliseconds between two writings of a running job. */
const INTERVAL = 30_000

export class CheckpointFile {
  readonly #path: string
  readonly #settings: CheckpointSettings
  #written = performance.now()

  constructor(path: string, settings: CheckpointSettings) {
    this.#path = path
    this.#settings = settings
  }

  /**
   * Undefined when there is no file yet.
   * @throws FileError when it is no such state, MismatchError when it is one of another job.
   */
  async read(): Promise<SavedState | undefined> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw new FileError(`maxActivating: cannot read the checkpoint '${this.#path}' (${error.message}). Give a file.`)
    })
    if (text === undefined) return undefined
    const { settings, ...state } = this.#parse(text)
    for (const [name, now] of Object.entries(this.#settings)) {
      const then = settings[name]
      if (JSON.stringify(then) === JSON.stringify(now)) continue
      const [theirs, ours] = [brief(JSON.stringify(then) ?? 'none'), brief(JSON.stringify(now))]
      throw new MismatchError(
        `maxActivating: the checkpoint '${this.#path}' is of a job with ${name} ${theirs}, this one has ${ours}. ` +
          'Give the same settings, or another file.',
      )
    }
    this.#checkSizes(state.top)
    return state as SavedState
  }

  async write(state: object): Promise<void> {
    await writeFileAtomic(this.#path, JSON.stringify({ format, version: 1, settings: this.#settings, ...state }))
    this.#written = performance.now()
  }

  /** Writes if that was last done half a minute ago. */
  async writeSometimes(state: () => object): Promise<void> {
    if (performance.now() - this.#written >= INTERVAL) await this.write(state())
  }

  #parse(text: string) {
    try {
      return schema.parse(JSON.parse(text))
    } catch (cause) {
      throw new FileError(
        `maxActivating: the checkpoint '${this.#path}' is none that was written here. Remove it, or give another file.`,
        { cause },
      )
    }
  }

  #checkSizes(top: SavedExamples): void {
    const { latents, k, buffer } = this.#settings
    const places = latents.length * k
    const window = 2 * buffer + 1
    const sizes: Record<keyof SavedExamples, number> = {
      filled: latents.length,
      values: places,
      rows: places,
      positions: places,
      tokens: places * window,
      activations: places * window,
    }
    for (const [name, size] of Object.entries(sizes)) {
      if (top[name as keyof SavedExamples].length === size) continue
      throw new FileError(
        `maxActivating: the checkpoint '${this.#path}' has not ${size} numbers in '${name}'. Remove it, or give ` +
          'another file.',
      )
    }
  }
}
