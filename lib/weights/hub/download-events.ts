/** What is told of a download: events of the shapes that transformers.js has. */

export type DownloadEvent =
  | {
      readonly status: 'initiate' | 'download' | 'done'
      /** The repository. */
      readonly name: string
      readonly file: string
    }
  | {
      readonly status: 'progress'
      readonly name: string
      readonly file: string
      /** Bytes that are there, and all of them. */
      readonly loaded: number
      readonly total: number
      /** Percent, 0 to 100. */
      readonly progress: number
    }

/** Milliseconds between two 'progress' events of a file, the first and the last excepted. */
const INTERVAL = 50

/** 'initiate' at once, 'download' and 'progress' as bytes arrive, 'done' at the end. */
export function downloadEvents(
  name: string,
  file: string,
  tell: (event: DownloadEvent) => void = () => {},
): { bytes(loaded: number, total: number): void; done(): void } {
  let told: number | undefined
  let ended = false
  tell({ status: 'initiate', name, file })
  return {
    bytes(loaded, total) {
      const now = performance.now()
      if (ended) return
      ended = loaded === total
      if (told === undefined) tell({ status: 'download', name, file })
      else if (now - told < INTERVAL && loaded < total) return
      told = now
      tell({ status: 'progress', name, file, loaded, total, progress: total > 0 ? (100 * loaded) / total : 100 })
    },
    done: () => tell({ status: 'done', name, file }),
  }
}
