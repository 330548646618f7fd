/**
 * What `npm test` leaves to `.ci/run`: proofs that take long and that few changes can break. A spec file that is named
 * on the command line makes all of its own.
 */

/** A proof that only a run of all of them makes. */
export interface SlowProof {
  readonly file: string
  /** What is proven, as `npm test` names it. */
  readonly what: string
  /** Whether the whole file is left out; else it asks `isFull` what to leave out. */
  readonly isWhole: boolean
}

export const SLOW_PROOFS: readonly SlowProof[] = [
  {
    file: 'spec/lib/cli/setup/package.spec.ts',
    what: 'the npm package in a project that installs it',
    isWhole: true,
  },
  {
    file: 'spec/conformance/conformance.spec.ts',
    what: 'the whole record of the embedded model, of which it holds a third',
    isWhole: false,
  },
  {
    file: 'spec/lib/sweep/exact.spec.ts',
    what: 'half of the random sweeps',
    isWhole: false,
  },
  {
    file: 'spec/analyses/sae-evaluation/sae-evaluation.spec.ts',
    what: "two of three SAEs of the model card's table",
    isWhole: false,
  },
]

const VARIABLE = 'TFJS_LENS_SPECS'

/** Has this process, and those that it starts, make all proofs or not. */
export function makeProofs(full: boolean): void {
  process.env[VARIABLE] = full ? 'full' : 'quick'
}

/** Whether this process makes all proofs. */
export function isFull(): boolean {
  return process.env[VARIABLE] === 'full'
}
