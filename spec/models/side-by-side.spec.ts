/**
 * Models of all families and of random sizes in one process: each gives what it gives in another process, where they are
 * loaded in the reverse order. Of two models that something takes for one another, one order spoils the first and the
 * other the second.
 */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { digitsSideBySide, randomModels } from '../support/random-models.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const SEED = 20
/** Three of each family. */
const COUNT = 24

describe('models side by side', () => {
  it('give what each gives in another order in another process, backwards too', async () => {
    const models = randomModels(SEED, COUNT)
    expect(new Set(models.map(({ title }) => title)).size).to.equal(COUNT)
    const ours = await digitsSideBySide(models)
    const script = ['--import', TSX, 'spec/support/run-random-models.ts', String(SEED), String(COUNT)]
    const ran = spawnSync(process.execPath, script, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 28 })
    expect(ran.status, ran.stderr).to.equal(0)
    const theirs = new Map(JSON.parse(ran.stdout) as [string, string][])
    expect(theirs.size).to.equal(2 * COUNT)
    for (const [title, digits] of ours) expect(theirs.get(title) === digits, title).to.equal(true)
  })
})
