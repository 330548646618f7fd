/** `npm run build`: compiles to dist, and copies there the data that the code reads at run time. */
import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const ROOT = new URL('../../../', import.meta.url)
const ASSETS = ['models/pocket', 'saes/pocket']

rmSync(new URL('dist', ROOT), { recursive: true, force: true })
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: fileURLToPath(ROOT),
  stdio: 'inherit',
})
if (status !== 0) process.exit(1)
for (const folder of ASSETS) cpSync(new URL(folder, ROOT), new URL(`dist/${folder}`, ROOT), { recursive: true })
