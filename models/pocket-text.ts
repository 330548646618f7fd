/** The text of the embedded model. */
import { fileURLToPath } from 'node:url'

const files = { test: 'stories-test.jsonl', train: 'stories-train.parquet' } as const

/**
 * The file with the embedded model's text, for `loadData(model, pocketText('test'))`: 1,200 documents of the kind that
 * it was trained on (`test`, JSON Lines), or 20,000 of those it saw (`train`, Parquet). The column is `text`.
 */
export function pocketText(split: keyof typeof files): string {
  return fileURLToPath(new URL(`./pocket/text/${files[split]}`, import.meta.url))
}
