/** Checks: one recorded tensor, number or fact each, and how to compute the library's side of it. */
import type * as tf from '@tensorflow/tfjs'
import { compareNumbers, compareTrees, compareValues, failure, type Tolerance, type Verdict } from './compare.js'
import type { RecordFolder } from './record.js'

export interface Check {
  /** Folder of the record, or folder/id of an SAE in it. */
  readonly case: string
  readonly tensor: string
  readonly tolerance: Tolerance
  /** Throws what the library throws. */
  run(): Promise<Verdict>
}

/** The checks of one record and what must be freed after them. */
export interface Plan {
  readonly checks: readonly Check[]
  dispose(): Promise<void>
}

/** From the parts of a recorded name to the library's tensor, which the check disposes. */
export type Answer = (...parts: string[]) => tf.Tensor | Promise<tf.Tensor>
/** Answers by the names they are for, the pattern's groups their arguments. The first that matches is taken. */
export type Routes = readonly (readonly [name: RegExp, answer: Answer])[]

/** @throws Error saying what the library lacks: the check fails, it is never left out. */
export function notYet(what: string): never {
  throw new Error(`not supported yet: ${what}`)
}

/** Collects the checks of one case. */
export class CheckList {
  readonly checks: Check[] = []
  readonly #record: RecordFolder
  readonly #case: string

  constructor(record: RecordFolder, name = record.name) {
    this.#record = record
    this.#case = name
  }

  /** The recorded tensor of this name against the answer of the route that takes it. */
  tensor(name: string, tolerance: Tolerance, routes: Routes): void {
    for (const [pattern, answer] of routes) {
      const match = pattern.exec(name)
      if (match)
        return this.#add(name, tolerance, () => this.#compareTensor(name, tolerance, () => answer(...match.slice(1))))
    }
    this.unsupported(name, `'${name}'`)
  }

  /** A number of the JSON. */
  number(name: string, recorded: number, tolerance: Tolerance, answer: () => number | Promise<number>): void {
    this.#add(name, tolerance, async () => compareNumbers([await answer()], [recorded], tolerance))
  }

  /** Names, ids or shapes of the JSON, which must be equal. */
  fact(name: string, recorded: unknown, answer: () => unknown): void {
    this.#add(name, { atol: 0 }, async () => compareValues(await answer(), recorded))
  }

  /** JSON of names, ids and numbers; the numbers within the tolerance. */
  tree(name: string, recorded: unknown, tolerance: Tolerance, answer: () => unknown): void {
    this.#add(name, tolerance, async () => compareTrees(await answer(), recorded, tolerance))
  }

  /** Something recorded that the library cannot do yet. */
  unsupported(name: string, what: string): void {
    this.#add(name, { atol: 0 }, () => notYet(what))
  }

  #add(tensor: string, tolerance: Tolerance, run: () => Promise<Verdict>): void {
    this.checks.push({ case: this.#case, tensor, tolerance, run: async () => run() })
  }

  async #compareTensor(name: string, tolerance: Tolerance, answer: () => ReturnType<Answer>): Promise<Verdict> {
    const recorded = await this.#record.read(name)
    const listed = this.#record.entry(name).shape ?? recorded.shape
    if (listed.join() !== recorded.shape.join()) {
      return failure(`the record lists the shape [${listed}] and holds one of shape [${recorded.shape}]`)
    }
    const tensor = await answer()
    try {
      if (tensor.shape.join() !== recorded.shape.join()) {
        return failure(`the library gives the shape [${tensor.shape}], recorded is [${recorded.shape}]`)
      }
      return compareNumbers(await tensor.data(), recorded.values, tolerance, recorded.shape)
    } finally {
      tensor.dispose()
    }
  }
}
