/**
 * Random numbers that a seed makes repeatable: xoshiro128** 1.1 of Blackman and Vigna (https://prng.di.unimi.it),
 * its state filled from the seed by splitmix32. Not for secrets.
 */
import { ArgumentError } from '../errors/errors.js'

export interface Random {
  /** Uniform in [0, 1), with 53 random bits. */
  next(): number
  /** Uniform whole number in [0, n), without the bias of a remainder. */
  integer(n: number): number
  /** Gaussian with mean 0 and variance 1. */
  normal(): number
  /** A shuffled copy. */
  shuffle<T>(items: readonly T[]): T[]
  /** `count` of the items, none twice, in random order. */
  sample<T>(items: readonly T[], count: number): T[]
}

/**
 * A generator whose numbers follow from `seed` alone.
 * @throws ArgumentError when the seed is not a whole number from 0 to 2^53 - 1.
 */
export function random(seed: number): Random {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ArgumentError(`random: seed is ${seed}. It must be a whole number from 0 to 2^53 - 1.`)
  }
  const word = xoshiro128(seedWords(seed))
  const next = () => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53
  const integer = (n: number) => uniformInteger(word, n)
  const sample = <T>(items: readonly T[], count: number) => draw(items, count, integer)
  return { next, integer, normal: gaussian(next), shuffle: (items) => sample(items, items.length), sample }
}

/** The generator itself: 32 random bits a call, from four words of state of which one at least is not 0. */
export function xoshiro128(state: readonly [number, number, number, number]): () => number {
  let [a, b, c, d] = state
  return () => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0
    const t = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = rotateLeft(d, 11)
    return result
  }
}

function rotateLeft(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits))
}

/** splitmix32 from the low half of the seed, each word mixed with the high half, so that both count. */
function seedWords(seed: number): [number, number, number, number] {
  const high = Math.floor(seed / 2 ** 32)
  let counter = (seed >>> 0) ^ mix(high)
  const word = () => mix((counter = (counter + 0x9e3779b9) | 0))
  return [word(), word(), word(), word()]
}

/** The finisher of MurmurHash3: each bit of the input changes about half of the bits of the output; 0 stays 0. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return x ^ (x >>> 16)
}

function uniformInteger(word: () => number, n: number): number {
  if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) {
    throw new ArgumentError(`integer: n is ${n}. It must be a whole number from 1 to 2^32.`)
  }
  const limit = 2 ** 32 - (2 ** 32 % n)
  for (;;) {
    const bits = word()
    if (bits < limit) return bits % n
  }
}

/** Box and Muller's transform; 1 - next() keeps 0 out of the logarithm. */
function gaussian(next: () => number): () => number {
  let spare: number | undefined
  return () => {
    if (spare !== undefined) {
      const value = spare
      spare = undefined
      return value
    }
    const radius = Math.sqrt(-2 * Math.log(1 - next()))
    const angle = 2 * Math.PI * next()
    spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }
}

/** Fisher and Yates's shuffle, stopped after `count` items. */
function draw<T>(items: readonly T[], count: number, integer: (n: number) => number): T[] {
  if (!Number.isInteger(count) || count < 0 || count > items.length) {
    throw new ArgumentError(`sample: count is ${count}. It must be a whole number from 0 to ${items.length}.`)
  }
  const pool = [...items]
  for (let i = 0; i < count; i++) {
    const j = i + integer(pool.length - i)
    ;[pool[i], pool[j]] = [pool[j]!, pool[i]!]
  }
  return pool.slice(0, count)
}
