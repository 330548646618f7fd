/** The source tree keeps its rules; spec/support/structure has them, each with specs of its own. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { faults, type Rule, type Source, type Tree } from './support/structure/rules.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** How many faults of each rule the tree may have: no more than today, and fewer tomorrow. */
const ALLOWED: Record<Rule, number> = {
  direction: 0,
  layers: 16,
  doors: 0,
  cycles: 0,
  circles: 0,
  lengths: 0,
  columns: 385,
  parameters: 229,
  ignores: 90,
  nonNulls: 922,
  vagueNames: 0,
  doubleNames: 15,
  undocumented: 100,
  claims: 1,
}

const read = (path: string): Source => ({ path, text: readFileSync(join(ROOT, path), 'utf8') })

function readTree(): Tree {
  const paths = ['lib', 'models', 'saes', 'analyses'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
      .map((file) => `${folder}/${file.replaceAll('\\', '/')}`),
  )
  const exists = (path: string) => {
    const file = join(ROOT, path)
    return existsSync(file) && (!path.endsWith('/') || statSync(file).isDirectory())
  }
  return { sources: paths.map(read), pages: [read('README.md')], doors: doors(), exists }
}

/** The sources of the built files that package.json's exports name. */
function doors(): string[] {
  const { exports } = JSON.parse(read('package.json').text) as { exports: Record<string, { default?: string }> }
  const built = Object.values(exports).flatMap((door) => (door.default === undefined ? [] : [door.default]))
  return built.map((path) => path.replace('./dist/', '').replace(/\.js$/, '.ts'))
}

describe('structure', () => {
  const tree = readTree()
  const found = faults(tree)

  it('is read whole', () => {
    const paths = tree.sources.map(({ path }) => path)
    expect(paths).to.include.members(['lib/index.ts', 'models/index.ts', 'saes/index.ts', 'analyses/index.ts'])
    expect(paths).to.include.members(tree.doors as string[])
  })

  for (const [rule, allowed] of Object.entries(ALLOWED) as [Rule, number][]) {
    it(`breaks no rule: ${rule}${allowed === 0 ? '' : `, but in ${allowed} places`}`, () => {
      const { length } = found[rule]
      const list = found[rule].join('\n')
      if (length < allowed)
        console.log(`structure: lower ${rule} in spec/structure.spec.ts from ${allowed} to ${length}`)
      expect(length, `${rule}: ${length} faults, where ${allowed} are allowed:\n${list}\n`).to.be.at.most(allowed)
    })
  }
})
