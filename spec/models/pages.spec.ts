/** Pages of models: from a hook's name to the line that computes it is one search. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { hookPoints } from '../../lib/transformer/hook-points.js'
import { architectures } from '../../models/load-model.js'
import { randomModels } from '../support/random-models.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFileSync(`${ROOT}/${path}`, 'utf8')
const pages: Record<string, string> = { gpt_neo: 'gpt-neo', gpt_neox: 'gpt-neox' }
const pageOf = (family: string) => `models/${pages[family] ?? family}.ts`

/** Points that every family has from lib/transformer: those of the loop, of norms, and of the unembedding. */
const shared = ['hook_resid_pre', 'hook_resid_post', 'hook_scale', 'hook_normalized', 'unembed.hook_in', 'unembed.hook_out'] // prettier-ignore

/** The lines of a file that compute a point: `at('hook_z', …`. */
function linesOf(path: string, point: string): string[] {
  const computes = new RegExp(`\\bat(Block)?\\('${point.replace('.', '\\.')}',`)
  return read(path)
    .split('\n')
    .filter((line) => computes.test(line))
}

/** The page of a family, and those of the relatives whose page it takes. */
function pagesOf(family: string): string[] {
  const page = pageOf(family)
  const relatives = [...read(page).matchAll(/from '\.\/([\w-]+)\.js'/g)].map(([, name]) => `models/${name}.ts`)
  return [page, ...relatives]
}

/** A point without its block and its module: `hook_z` of `blocks.3.attn.hook_z`. */
const shortName = (name: string) => (name.startsWith('unembed.') ? name : name.split('.').at(-1)!)

describe('pages of models', () => {
  const loop = readdirSync(`${ROOT}/lib/transformer`).filter((file) => file.endsWith('.ts'))

  for (const family of Object.keys(architectures)) {
    it(`compute every point of ${family} inline, on its page or the page of the relative it takes`, () => {
      const files = pagesOf(family)
      for (const { architecture, json } of randomModels(5, 80).filter(
        (model) => model.architecture.modelType === family,
      )) {
        const config = architecture.readConfig(json)
        for (const name of new Set(
          hookPoints(config, architecture.traits(config)).map((point) => shortName(point.name)),
        )) {
          const lines = shared.includes(name) ? [] : files.flatMap((file) => linesOf(file, name))
          const elsewhere = loop.flatMap((file) => linesOf(`lib/transformer/${file}`, name))
          expect([...lines, ...elsewhere].length, `${name} of ${family}`).to.be.greaterThan(0)
          if (!shared.includes(name)) expect(elsewhere, name).to.deep.equal([])
        }
      }
    })
  }

  it('have one line for each point of gpt2, with its shape, and 220 lines at most', () => {
    const { architecture, json } = randomModels(5, 8).find((model) => model.architecture.modelType === 'gpt2')!
    const config = architecture.readConfig(json)
    const names = hookPoints(config, architecture.traits(config)).map((point) => shortName(point.name))
    for (const name of new Set(names)) {
      if (!shared.includes(name)) expect(linesOf('models/gpt2.ts', name), name).to.have.length(1)
    }
    expect(read('models/gpt2.ts').split('\n').length).to.be.at.most(220)
  })

  it('find the shared points in one place each', () => {
    for (const name of shared) {
      const found = loop.filter((file) => linesOf(`lib/transformer/${file}`, name).length > 0)
      expect(found, name).to.have.length(1)
    }
  })
})
