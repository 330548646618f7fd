/**
 * Documents in random order out of a buffer of bounded size, as the `shuffle` of Hugging Face's streaming data sets:
 * once the buffer is full, a random one leaves it and the next document takes its place; at the end the rest is
 * shuffled.
 */
import { ArgumentError, FileError } from '../errors/errors.js'
import { random, type Random } from '../stats/random.js'
import type { Document, Documents } from './documents.js'

/** How documents are shuffled. */
export interface DocumentShuffle {
  readonly seed: number
  /** Documents held in memory. @default 1000, as there */
  readonly buffer?: number
}

const defaultBuffer = 1000

/**
 * How many documents were given out, and of how many where the source's end was seen by then: the order follows from
 * both.
 */
export interface DocumentPlace {
  readonly document: number
  readonly total?: number
}

/** A document, where it is, and where the next one is. */
export interface PlacedDocument {
  readonly document: Document
  readonly at: DocumentPlace
  readonly next: DocumentPlace
}

/** Checks the numbers. @throws ArgumentError for a seed or a buffer that is none */
export function checkShuffle({ seed, buffer = defaultBuffer }: DocumentShuffle): void {
  random(seed)
  if (Number.isInteger(buffer) && buffer >= 1 && buffer <= 2 ** 24) return
  throw new ArgumentError(`loadData: shuffle.buffer is ${buffer}. It must be a whole number from 1 to 2^24.`)
}

/** Documents in their order, or shuffled, from a place on. */
export function placed(
  documents: Documents,
  shuffle: DocumentShuffle | undefined,
  from: DocumentPlace,
): AsyncIterable<PlacedDocument> {
  return shuffle === undefined ? inOrder(documents, from.document) : shuffled(documents, shuffle, from)
}

async function* inOrder(documents: Documents, from: number): AsyncGenerator<PlacedDocument> {
  let number = from
  for await (const document of documents.read(from)) {
    yield { document, at: { document: number }, next: { document: ++number } }
  }
}

async function* shuffled(
  documents: Documents,
  { seed, buffer: size = defaultBuffer }: DocumentShuffle,
  from: DocumentPlace,
): AsyncGenerator<PlacedDocument> {
  const generator = random(seed)
  const slots = heldAt(generator, size, from)
  const slotOf = new Map(slots.map((number, slot) => [number, slot]))
  const first = slots.reduce((least, number) => Math.min(least, number), slots[0] ?? 0)
  const before = slots.reduce((most, number) => Math.max(most, number + 1), 0) // so many were read then
  const buffer: Document[] = []
  let [number, given] = [first, from.document]
  for await (const document of documents.read(first)) {
    if (number++ < before) {
      const slot = slotOf.get(number - 1)
      if (slot !== undefined) buffer[slot] = document
    } else if (buffer.length < size) buffer.push(document)
    else {
      const slot = generator.integer(size)
      const [out = ''] = buffer.splice(slot, 1, document)
      yield { document: out, at: { document: given }, next: { document: ++given } }
    }
  }
  checkLength(number, before)
  const inPassing = Math.max(0, number - size)
  for (const document of generator.shuffle(buffer).slice(given - inPassing)) {
    yield { document, at: { document: given, total: number }, next: { document: ++given, total: number } }
  }
}

/** The numbers of the documents in the buffer at a place, slot by slot; the generator is then where it was there. */
function heldAt(generator: Random, size: number, { document, total = Infinity }: DocumentPlace): number[] {
  if (document === 0) return []
  // of an ended source only so many left in passing, the others as the shuffled rest
  const inPassing = Math.min(document, Math.max(0, total - size))
  const slots = Array.from({ length: Math.min(size, total) }, (_, i) => i)
  for (let i = 0; i < inPassing; i++) slots[generator.integer(size)] = size + i
  return slots
}

function checkLength(read: number, before: number): void {
  if (read >= before) return
  throw new FileError(
    `loadData: the data ends after ${read} documents, and ${before} were read before. It has changed: start over.`,
  )
}
