/** Checks that hold for the result of every analysis. */
import { readFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { backendInfo } from '../../lib/backend/backend.js'
import type { Provenance } from '../../lib/report/result/provenance.js'
import type { Result } from '../../lib/report/result/result.js'
import { expectClose } from './close.js'

/** What a file would hold. */
const written = (result: Result): unknown => JSON.parse(JSON.stringify(result))

/** The result survives a file, and is from the pocket model, with what else is given (undefined for what it lacks). */
export async function expectTraceable(result: Result, provenance: Partial<Provenance> = {}): Promise<void> {
  const back = (result.constructor as typeof Result).fromJSON(written(result))
  expect(written(back)).to.deep.equal(written(result))
  expectClose(back.values, result.values, 0)
  const weights = await readFile(fileURLToPath(new URL('../../models/pocket/model.safetensors', import.meta.url)))
  const backend = backendInfo()!
  const expected: Provenance = {
    library: 'tfjs-lens 0.1.0',
    backend: `${backend.name} (${backend.detail})`,
    model: 'pocket-gpt2',
    modelFiles: { 'model.safetensors': createHash('sha256').update(weights).digest('hex') },
    processing: { foldLn: true, centerWritingWeights: true, centerUnembed: true, foldValueBiases: true },
    prependBos: true,
    ...provenance,
  }
  expect(back.provenance).to.deep.equal(JSON.parse(JSON.stringify(expected)))
}
