/** Results of a sweep so far, in a file, so that a stopped sweep continues where it was. */
import { readFile } from 'node:fs/promises'
import { FileError, MismatchError } from '../../errors/errors.js'
import { writeFileAtomic } from '../../files/write-atomic.js'
import { sweepKey } from './sweep-key.js'

const FORMAT = 'tfjs-lens sweep 1'
/** Milliseconds between two writings. */
const INTERVAL = 10_000

/** Values of a sweep, [interventions · columns], and which of them are there. */
export interface SweepState {
  readonly values: Float32Array
  readonly done: Uint8Array
  /** The metric without interventions, which tells other metrics and prompts apart. */
  baseline: Float32Array
}

export class ResumeFile {
  readonly #path: string
  readonly #key: string
  #written = performance.now()

  private constructor(path: string, key: string) {
    this.#path = path
    this.#key = key
  }

  /** @param parts what makes this sweep different from others; functions count by their text */
  static async at(path: string, parts: readonly unknown[]): Promise<ResumeFile> {
    return new ResumeFile(path, await sweepKey(parts))
  }

  /**
   * Puts what an earlier sweep left into the state, and gives its baseline; nothing where there is no such file.
   * @throws FileError, MismatchError for a file of something else
   */
  async read(state: SweepState): Promise<Float32Array | undefined> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw new FileError(`sweep: cannot read '${this.#path}' (${error.message}). Name a file that can be read.`)
    })
    if (text === undefined) return undefined
    const { format, key, values, done, baseline } = parsed(text)
    if (format !== FORMAT || key !== this.#key) throw this.#mismatch(format === FORMAT)
    const [stored, flags] = [floats(values), Buffer.from(done ?? '', 'base64')]
    if (stored.length !== state.values.length || flags.length !== state.done.length) throw this.#mismatch(true)
    state.values.set(stored)
    state.done.set(flags)
    return floats(baseline)
  }

  #mismatch(isSweep: boolean): MismatchError {
    const what = isSweep ? 'holds the results of another sweep' : 'is no file of a sweep'
    return new MismatchError(`sweep: '${this.#path}' ${what}. Name another file, or delete it.`)
  }

  /** @throws MismatchError where the prompts' metric is not what it was: another metric, say */
  check(before: Float32Array, now: Float32Array): void {
    const same = before.length === now.length && before.every((value, b) => isNear(value, now[b]!))
    if (!same) throw this.#mismatch(true)
  }

  /** Writes what there is, if the last time was a while ago or it has to be. */
  async write({ values, done, baseline }: SweepState, always = false): Promise<void> {
    if (!always && performance.now() - this.#written < INTERVAL) return
    const stored = { values: base64(values), done: base64(done), baseline: base64(baseline) }
    await writeFileAtomic(this.#path, JSON.stringify({ format: FORMAT, key: this.#key, ...stored }))
    this.#written = performance.now()
  }
}

function parsed(text: string): Record<string, string | undefined> {
  try {
    return JSON.parse(text) as Record<string, string | undefined>
  } catch {
    return {}
  }
}

/** Two runs of one metric on one machine or another. */
const isNear = (a: number, b: number): boolean => Object.is(a, b) || Math.abs(a - b) <= 1e-3 * (1 + Math.abs(a))

const base64 = ({ buffer, byteOffset, byteLength }: Float32Array | Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64')

function floats(text = ''): Float32Array {
  const bytes = Buffer.from(text, 'base64')
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 4 * Math.floor(bytes.length / 4)))
}
