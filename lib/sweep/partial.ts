/** Results of a sweep so far, in a file, so that a stopped sweep goes on where it was. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import * as tf from '@tensorflow/tfjs'
import { ActivationCache } from '../core/cache.js'
import { FileError, MismatchError } from '../errors/errors.js'
import { writeFileAtomic } from '../files/write-atomic.js'

const FORMAT = 'tfjs-lens sweep 1'
/** Milliseconds between two writings. */
const INTERVAL = 10_000

/** Values of a sweep, [interventions · columns], and which of them are there. */
export interface Progress {
  readonly values: Float32Array
  readonly done: Uint8Array
  /** The metric without interventions, which tells other metrics and prompts apart. */
  baseline: Float32Array
}

export class PartialFile {
  readonly #path: string
  readonly #key: string
  #written = performance.now()

  /** @param parts what makes this sweep different from others; functions count by their text */
  constructor(path: string, parts: readonly unknown[]) {
    this.#path = path
    this.#key = keyOf(parts)
  }

  /**
   * What an earlier sweep left; nothing where there is no such file.
   * @throws FileError, MismatchError for a file of something else
   */
  async read(progress: Progress): Promise<Float32Array | undefined> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw new FileError(`sweep: cannot read '${this.#path}' (${error.message}). Name a file that can be read.`)
    })
    if (text === undefined) return undefined
    const { format, key, values, done, baseline } = this.#parsed(text)
    if (format !== FORMAT || key !== this.#key) throw this.#mismatch(format === FORMAT)
    const [stored, flags] = [floats(values), Buffer.from(done ?? '', 'base64')]
    if (stored.length !== progress.values.length || flags.length !== progress.done.length) throw this.#mismatch(true)
    progress.values.set(stored)
    progress.done.set(flags)
    return floats(baseline)
  }

  #parsed(text: string): Record<string, string | undefined> {
    try {
      return JSON.parse(text) as Record<string, string | undefined>
    } catch {
      return {}
    }
  }

  #mismatch(isSweep: boolean): MismatchError {
    const what = isSweep ? 'holds the results of another sweep' : 'is no file of a sweep'
    return new MismatchError(`sweep: '${this.#path}' ${what}. Name another file, or delete it.`)
  }

  /** @throws MismatchError where the prompts' metric is not what it was: another metric, say. */
  check(before: Float32Array, now: Float32Array): void {
    const same = before.length === now.length && before.every((value, b) => isNear(value, now[b]!))
    if (!same) throw this.#mismatch(true)
  }

  /** Writes what there is, if the last time was a while ago or it has to be. */
  async write(progress: Progress, always = false): Promise<void> {
    if (!always && performance.now() - this.#written < INTERVAL) return
    const { values, done, baseline } = progress
    const text = JSON.stringify({
      format: FORMAT,
      key: this.#key,
      values: base64(values),
      done: base64(done),
      baseline: base64(baseline),
    })
    await writeFileAtomic(this.#path, text)
    this.#written = performance.now()
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

function keyOf(parts: readonly unknown[]): string {
  const hash = createHash('sha256')
  const known = new Map<tf.Tensor, string>()
  const tensorKey = (tensor: tf.Tensor): string => {
    const data = tensor.dataSync()
    const key =
      known.get(tensor) ??
      createHash('sha256')
        .update(data as Uint8Array)
        .digest('hex')
    known.set(tensor, key)
    return `${tensor.shape} ${key}`
  }
  const plain = (_: string, value: unknown): unknown => {
    if (typeof value === 'function') return String(value)
    if (value instanceof tf.Tensor) return tensorKey(value)
    if (value instanceof ActivationCache) return [...value.entries()].map(([name, tensor]) => [name, tensorKey(tensor)])
    return ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value
  }
  for (const part of parts) hash.update(`${JSON.stringify(part, plain)}\n`)
  return hash.digest('hex')
}
