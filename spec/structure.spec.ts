/** The source tree keeps its rules: who imports whom, no cycles, sizes, names. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { faults, type Source } from './support/structure.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

function readTree(): Source[] {
  return ['lib', 'models', 'saes', 'analyses'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => `${folder}/${file.replaceAll('\\', '/')}`)
      .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') })),
  )
}

/** What is wrong with a made-up tree. */
function faultsOf(files: Record<string, string>): string[] {
  return faults(Object.entries(files).map(([path, text]) => ({ path, text })))
}

const against = 'against the direction of the tree'

describe('structure', () => {
  it('of the source tree is sound', () => {
    const tree = readTree()
    expect(tree.map(({ path }) => path)).to.include.members(['lib/index.ts', 'models/index.ts', 'saes/index.ts'])
    expect(faults(tree)).to.deep.equal([])
  })

  it('takes what the rules allow', () => {
    const sound = {
      'lib/index.ts': "export * from '../models/index.js'\nexport { loadSae } from '../saes/index.js'",
      'lib/cli/ioi.ts': "const a = await import('../../analyses/index.js')",
      'lib/backend/backend.ts':
        "import wasm from '@tensorflow/tfjs-backend-wasm'\nconst tf = import('@tensorflow/tfjs-node')",
      'lib/model.ts': "import * as tf from '@tensorflow/tfjs'\nimport type { Cache } from './cache.js'",
      'lib/cache.ts': "import { HookedModel } from './model.js'",
      'models/index.ts': "import { gpt2 } from './gpt2.js'\nimport { HookedModel } from '../lib/model.js'",
      'models/gpt2.ts': "import { layerNorm } from '../lib/ops/layer-norm.js'",
      'saes/index.ts': "import { StandardSae } from './standard.js'",
      'saes/standard.ts': "import { Sae } from './sae.js'\nexport class StandardSae extends Sae {}",
      'analyses/ablation.ts': "import type { Sae } from '../saes/index.js'\nimport { type T } from '../saes/sae.js'",
    }
    expect(faultsOf(sound)).to.deep.equal([])
  })

  const bad: Record<string, [path: string, text: string, fault: string]> = {
    'lib that imports a model': [
      'lib/a.ts',
      "import { gpt2 } from '../models/index.js'",
      'models/index.ts, ' + against,
    ],
    'lib that imports a type of an SAE': [
      'lib/a.ts',
      "import type { S } from '../saes/sae.js'",
      'saes/sae.ts, ' + against,
    ],
    'lib that re-exports an analysis': ['lib/a.ts', "export * from '../analyses/a.js'", 'analyses/a.ts, ' + against],
    'lib that imports later': ['lib/a.ts', "const a = import('../saes/index.js')", 'saes/index.ts, ' + against],
    'lib that imports a type inline': ['lib/a.ts', "let a: import('../saes/b.js').C", 'saes/b.ts, ' + against],
    'models that import saes': ['models/a.ts', "import { S } from '../saes/sae.js'", 'saes/sae.ts, ' + against],
    'saes that import models': [
      'saes/a.ts',
      "import type { M } from '../models/index.js'",
      'models/index.ts, ' + against,
    ],
    'analyses that import models': ['analyses/a.ts', "import '../models/index.js'", 'models/index.ts, ' + against],
    'analyses that import a value of saes': [
      'analyses/a.ts',
      "import { S } from '../saes/sae.js'",
      'saes/sae.ts, ' + against,
    ],
    'analyses that import a value beside types': [
      'analyses/a.ts',
      "import { type T, S } from '../saes/sae.js'",
      'saes/sae.ts, ' + against,
    ],
    'an architecture named outside of models': [
      'lib/index.ts',
      "import { gpt2 } from '../models/gpt2.js'",
      'models/gpt2.ts, which only models/ may',
    ],
    'a backend package elsewhere': [
      'lib/a.ts',
      "import '@tensorflow/tfjs-node'",
      '@tensorflow/tfjs-node, which only lib/backend/ may',
    ],
  }
  for (const [title, [path, text, fault]] of Object.entries(bad)) {
    it(`refuses ${title}`, () => expect(faultsOf({ [path]: text }).join()).to.equal(`${path}: imports ${fault}`))
  }

  it('refuses a kind of SAE named by another file than saes/kinds/kinds.ts', () => {
    const gated = "import { StandardSae } from './standard.js'\nexport class GatedSae extends StandardSae {}"
    const files = { 'saes/standard.ts': 'export class StandardSae extends Sae {}', 'saes/gated.ts': gated }
    const fault = 'saes/gated.ts: imports saes/standard.ts, which only saes/kinds/kinds.ts may'
    expect(faultsOf(files)).to.deep.equal([fault])
  })

  it('refuses a cycle, and names its files', () => {
    const files = {
      'lib/a.ts': "import './b.js'",
      'lib/b.ts': "import { c } from './sub/c.js'",
      'lib/sub/c.ts': "export * from '../b.js'",
      'lib/self.ts': "import './self.js'",
    }
    const found = ['cycle: lib/b.ts → lib/sub/c.ts → lib/b.ts', 'cycle: lib/self.ts → lib/self.ts']
    expect(faultsOf(files)).to.deep.equal(found)
  })

  it('refuses a file of 301 lines and takes one of 300', () => {
    expect(faultsOf({ 'lib/a.ts': '//\n'.repeat(300) })).to.deep.equal([])
    expect(faultsOf({ 'lib/a.ts': '//\n'.repeat(301) })).to.deep.equal(['lib/a.ts: 301 lines, over 300'])
  })

  it('refuses functions and methods of 61 lines and takes those of 60', () => {
    const body = (lines: number) => `() {\n${'f()\n'.repeat(lines - 2)}}`
    expect(faultsOf({ 'lib/a.ts': `\n/** Doc. */\nfunction a${body(60)}` })).to.deep.equal([])
    const found = (line: number) => [`lib/a.ts:${line}: a function of 61 lines, over 60`]
    expect(faultsOf({ 'lib/a.ts': `\n/** Doc. */\nfunction a${body(61)}` })).to.deep.equal(found(3))
    expect(faultsOf({ 'lib/a.ts': `class A {\n  a${body(61)}\n}` })).to.deep.equal(found(2))
    expect(faultsOf({ 'lib/a.ts': `const a = ${body(61).replace('{', '=> {')}` })).to.deep.equal(found(1))
  })

  for (const path of ['lib/utils.ts', 'lib/helpers/a.ts', 'saes/common.ts', 'lib/util.ts']) {
    it(`refuses the name ${path}`, () =>
      expect(faultsOf({ [path]: '' })).to.deep.equal([`${path}: a name that says nothing`]))
  }
})
