/** What a release of SAEs is: a repository, and in it SAEs by id. */
import type { SaeFacts } from '../formats/sae-files.js'

export interface ReleasedSae {
  readonly id: string
  /** Folder or file in the repository. */
  readonly path: string
  readonly facts: SaeFacts
  /** Average scale of the inputs in training, folded into weights that were saved without it. */
  readonly normScale?: number
}

export interface Release {
  readonly name: string
  /** On the hub; the package's own releases have none. */
  readonly repository?: string
  readonly model: string
  /** Of all its SAEs. */
  readonly facts: SaeFacts
  readonly saes: readonly ReleasedSae[]
  /** Ids that are not listed and are their own path. */
  readonly otherIds?: RegExp
}
