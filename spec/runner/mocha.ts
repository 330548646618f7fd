/** One spec file, run by mocha in this process. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Mocha from 'mocha'
import { ROOT } from './files.js'

const { EVENT_FILE_PRE_REQUIRE } = Mocha.Suite.constants
const { timeout } = createRequire(import.meta.url)('../../.mocharc.cjs') as { timeout: number }

/** Loads a file as the module it is, and runs its tests. @returns how many failed */
export async function runFile(file: string, options: Mocha.MochaOptions): Promise<number> {
  const mocha = new Mocha({ timeout, ...options })
  const path = join(ROOT, file)
  mocha.suite.emit(EVENT_FILE_PRE_REQUIRE, globalThis, path, mocha)
  await import(pathToFileURL(path).href)
  return new Promise((done) => mocha.run(done))
}
