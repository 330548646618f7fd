/** Where a result comes from: enough to make it again. */

/** Version of this library, the same as in package.json. */
export const libraryVersion = '0.1.0'

export interface Provenance {
  /** Name and version of this library: 'tfjs-lens 0.1.0'. */
  readonly library: string
  readonly backend: string
  readonly model: string
  /** File name → SHA-256 of its content. */
  readonly modelFiles: Readonly<Record<string, string>>
  /** Which weight processing was applied, such as { foldLn: true }. */
  readonly processing: Readonly<Record<string, boolean>>
  readonly prependBos?: boolean
  readonly saes?: readonly string[]
  /** User hooks that were active on the view. */
  readonly hooks?: readonly string[]
  readonly seed?: number
}

/** The provenance as pairs of a name and a readable value, in a fixed order, what is absent left out. */
export function describeProvenance(provenance: Provenance): [name: string, value: string][] {
  const { library, backend, model, modelFiles, processing, prependBos, saes, hooks, seed } = provenance
  const done = Object.keys(processing).filter((step) => processing[step])
  const pairs: [string, string | undefined][] = [
    ['Library', library],
    ['Backend', backend],
    ['Model', model],
    ['Weight processing', done.length > 0 ? done.join(', ') : 'none'],
    ['BOS prepended', prependBos === undefined ? undefined : prependBos ? 'yes' : 'no'],
    ['SAEs', listOrNothing(saes)],
    ['Hooks', listOrNothing(hooks)],
    ['Seed', seed?.toString()],
    ...Object.entries(modelFiles).map(([file, hash]): [string, string] => [file, `sha256 ${hash}`]),
  ]
  return pairs.filter((pair): pair is [string, string] => pair[1] !== undefined)
}

function listOrNothing(items: readonly string[] | undefined): string | undefined {
  return items && items.length > 0 ? items.join(', ') : undefined
}
