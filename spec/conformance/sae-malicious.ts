/**
 * Files of an SAE record beside the one each SAE is loaded from: second copies, which must be equal, and hostile ones.
 */
import path from 'node:path'
import { loadSae } from '../../saes/load-sae.js'
import { FileError } from '../../lib/errors/errors.js'
import type { CheckList } from './check.js'
import type { RecordFolder } from './record.js'
import { factsOf, type SaeEntry, type SaeRuns } from './sae-runs.js'

/** Every file that calls a function while it is read must be refused, naming the function. */
export function addMaliciousFact(list: CheckList, record: RecordFolder): void {
  const { files } = (record.expected['malicious'] ?? {}) as { readonly files?: readonly string[] }
  if (!files) return
  list.fact(
    'expected.json/malicious',
    files.map(() => 'refused by name'),
    () => Promise.all(files.map((file) => outcomeOf(path.join(record.path, file)))),
  )
}

async function outcomeOf(file: string): Promise<string> {
  try {
    ;(await loadSae(file, { hookName: 'blocks.0.hook_resid_pre' })).dispose()
    return 'loaded'
  } catch (error) {
    if (!(error instanceof FileError)) throw error
    return /the pickle calls '[\w.]+\.\w+'/.test(error.message) ? 'refused by name' : error.message
  }
}

/** The same SAE in another form of file holds the same numbers. */
export function addFileFacts(list: CheckList, runs: SaeRuns, id: string, entry: SaeEntry): void {
  const others = entry.files.slice(1).filter((file) => !file.endsWith('.json'))
  for (const file of others) {
    list.fact(`files/${path.basename(file)}`, [], async () => {
      const first = await runs.sae(id)
      const second = await loadSae(path.join(runs.record.path, file), factsOf(entry.loader, entry.settings))
      try {
        const names = Object.keys(first.weightShapes())
        const differs = (name: string) => {
          const [a, b] = [first.weight(name).dataSync(), second.weight(name).dataSync()]
          return a.length !== b.length || a.some((value, i) => value !== b[i])
        }
        return names.filter(differs)
      } finally {
        second.dispose()
      }
    })
  }
}
