/** TypeScript to JavaScript, once for each text of a file. */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { threadId } from 'node:worker_threads'

const { node } = process.versions
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
/** One file for each source file: what the last text of it became, and a last line that says of which text. */
const CACHE = fileURLToPath(new URL(`../../../node_modules/.cache/tfjs-lens/typescript-${node}/`, import.meta.url))

/** The JavaScript of a file, with a source map in it. */
export async function compiled(path) {
  const text = readFileSync(path, 'utf8')
  const mark = `\n// ${hash(text)}\n`
  const kept = CACHE + hash(path.startsWith(ROOT) ? path : text) // projects of specs are elsewhere each time
  const known = readIfThere(kept)
  if (known?.endsWith(mark)) return known
  const { transform } = await import('esbuild')
  const options = { loader: 'ts', format: 'esm', target: `node${node}`, sourcemap: 'inline', sourcesContent: false }
  const { code } = await transform(text, { ...options, sourcefile: path })
  mkdirSync(CACHE, { recursive: true })
  const part = `${kept}.${process.pid}-${threadId}`
  writeFileSync(part, code + mark)
  renameSync(part, kept) // whole at once: other processes read it
  return code + mark
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function hash(text) {
  return createHash('sha1').update(text).digest('hex')
}
