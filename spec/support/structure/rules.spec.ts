/** The rules of the tree, each on made-up files: what it takes, and what it refuses with which words. */
import { expect } from 'chai'
import { faults, type Rule, type Tree } from './rules.js'

type Files = Record<string, string>

/** What is wrong with a made-up tree, all of it. */
function allFaults(files: Files, more: Partial<Tree> = {}): Record<Rule, string[]> {
  const sources = Object.entries(files).map(([path, text]) => ({ path, text }))
  return faults({ sources, pages: [], doors: [], exists: () => false, ...more })
}

/** What breaks one rule. */
function faultsOf(rule: Rule, files: Files, more: Partial<Tree> = {}): string[] {
  return allFaults(files, more)[rule]
}

describe('the rules of the tree', () => {
  it('take what they allow', () => {
    const sound = {
      'lib/index.ts': "export * from '../models/index.js'\nexport { loadSae } from '../saes/index.js'",
      'lib/cli/ioi.ts': "const a = await import('../../analyses/index.js')",
      'lib/cli/repl.ts': "import type { HookedModel } from '../model.js'\nimport * as lens from '../index.js'",
      'lib/backend/backend.ts':
        "import wasm from '@tensorflow/tfjs-backend-wasm'\nconst tf = import('@tensorflow/tfjs-node')",
      'lib/model.ts': "import * as tf from '@tensorflow/tfjs'\nimport type { Cache } from './core/cache.js'",
      'models/index.ts': "import { gpt2 } from './gpt2.js'\nimport { HookedModel } from '../lib/model.js'",
      'models/gpt2.ts': "import { layerNorm } from '../lib/ops/layer-norm.js'",
      'saes/index.ts': "import { StandardSae } from './standard.js'",
      'saes/standard.ts': "import { Sae } from './sae.js'\nexport class StandardSae extends Sae {}",
      'analyses/ablation.ts': "import type { Sae } from '../saes/index.js'\nimport { type T } from '../saes/sae.js'",
    }
    expect(Object.values(allFaults(sound)).flat()).to.deep.equal([])
  })

  describe('who imports whom', () => {
    const against = 'against the direction of the tree'
    const bad: Record<string, [rule: Rule, path: string, text: string, fault: string]> = {
      'lib that imports a model': [
        'direction',
        'lib/core/a.ts',
        "import { gpt2 } from '../../models/index.js'",
        `models/index.ts, ${against}`,
      ],
      'lib that imports a type of an SAE': [
        'direction',
        'lib/core/a.ts',
        "import type { S } from '../../saes/sae.js'",
        `saes/sae.ts, ${against}`,
      ],
      'lib that re-exports an analysis': [
        'direction',
        'lib/model.ts',
        "export * from '../analyses/a.js'",
        `analyses/a.ts, ${against}`,
      ],
      'lib that imports later': [
        'direction',
        'lib/model.ts',
        "const a = import('../saes/index.js')",
        `saes/index.ts, ${against}`,
      ],
      'lib that imports a type inline': [
        'direction',
        'lib/model.ts',
        "let a: import('../saes/b.js').C",
        `saes/b.ts, ${against}`,
      ],
      'models that import saes': [
        'direction',
        'models/a.ts',
        "import { S } from '../saes/sae.js'",
        `saes/sae.ts, ${against}`,
      ],
      'saes that import models': [
        'direction',
        'saes/a.ts',
        "import type { M } from '../models/index.js'",
        `models/index.ts, ${against}`,
      ],
      'analyses that import models': [
        'direction',
        'analyses/a.ts',
        "import '../models/index.js'",
        `models/index.ts, ${against}`,
      ],
      'analyses that import a value of saes': [
        'direction',
        'analyses/a.ts',
        "import { S } from '../saes/sae.js'",
        `saes/sae.ts, ${against}`,
      ],
      'analyses that import a value among types': [
        'direction',
        'analyses/a.ts',
        "import { type T, S } from '../saes/sae.js'",
        `saes/sae.ts, ${against}`,
      ],
      'a higher layer of lib': [
        'layers',
        'lib/core/a.ts',
        "import { sweep } from '../sweep/sweep.js'",
        'lib/sweep/sweep.ts, of a higher layer of lib',
      ],
      'a type of a higher layer of lib': [
        'layers',
        'lib/ops/a.ts',
        "import type { HookedModel } from '../model.js'",
        'lib/model.ts, of a higher layer of lib',
      ],
      'an architecture named outside of models': [
        'doors',
        'lib/index.ts',
        "import { gpt2 } from '../models/gpt2.js'",
        'models/gpt2.ts, which only models/ may',
      ],
      'a backend package elsewhere': [
        'doors',
        'lib/core/a.ts',
        "import '@tensorflow/tfjs-node'",
        '@tensorflow/tfjs-node, which only lib/backend/ may',
      ],
      'a file of a room from outside': [
        'doors',
        'analyses/a.ts',
        "import type { Batch } from '../lib/sweep/plan/index.js'",
        'lib/sweep/plan/index.ts, past the door lib/sweep/index.ts',
      ],
      'a file of the next room': [
        'doors',
        'lib/sweep/plan/a.ts',
        "import { unitAxis } from '../edits/edit.js'",
        'lib/sweep/edits/edit.ts, past the door lib/sweep/edits/index.ts',
      ],
    }
    for (const [title, [rule, path, text, fault]] of Object.entries(bad)) {
      it(`refuses ${title}`, () =>
        expect(faultsOf(rule, { [path]: text })).to.deep.equal([`${path}: imports ${fault}`]))
    }

    it('refuses a folder of lib that is in no layer', () => {
      expect(faultsOf('layers', { 'lib/new/a.ts': '' })).to.deep.equal(['lib/new/a.ts: in none of the layers of lib'])
    })

    it('takes imports inside a layer and of lower ones', () => {
      const files = {
        'lib/sweep/a.ts': "import '../residual/a.js'\nimport '../core/a.js'\nimport '../errors/a.js'",
        'lib/sweep/plan/a.ts': "import './b.js'\nimport '../edits/index.js'\nimport '../subject.js'",
        'analyses/a.ts': "import type { Edit } from '../lib/sweep/index.js'",
        'lib/index.ts': "import './cli/a.js'",
      }
      expect(faultsOf('layers', files)).to.deep.equal([])
      expect(faultsOf('doors', files)).to.deep.equal([])
    })

    it('refuses a kind of SAE named by a file outside saes/kinds', () => {
      const gated = "import { StandardSae } from './standard.js'\nexport class GatedSae extends StandardSae {}"
      const files = { 'saes/standard.ts': 'export class StandardSae extends Sae {}', 'saes/gated.ts': gated }
      const fault = 'saes/gated.ts: imports saes/standard.ts, which only saes/kinds/ may'
      expect(faultsOf('doors', files)).to.deep.equal([fault])
    })
  })

  describe('rings of imports', () => {
    it('refuses a cycle, and names its files', () => {
      const files = {
        'lib/a.ts': "import './b.js'",
        'lib/b.ts': "import { c } from './sub/c.js'",
        'lib/sub/c.ts': "export * from '../b.js'",
        'lib/self.ts': "import './self.js'",
      }
      const found = ['cycle: lib/b.ts → lib/sub/c.ts → lib/b.ts', 'cycle: lib/self.ts → lib/self.ts']
      expect(faultsOf('cycles', files)).to.deep.equal(found)
    })

    it('refuses a circle between folders, types included, and names each file of it', () => {
      const files = {
        'lib/outside.ts': "import type { A } from './core/a.js'",
        'lib/core/a.ts': "import type { B } from '../sweep/b.js'",
        'lib/sweep/b.ts': "import './c.js'",
        'lib/sweep/c.ts': "let a: import('../core/a.js').A",
      }
      const first = 'in a circle of 3 files, the first of them lib/core/a.ts'
      const found = ['lib/core/a.ts', 'lib/sweep/b.ts', 'lib/sweep/c.ts'].map((path) => `${path}: ${first}`)
      expect(faultsOf('circles', files)).to.deep.equal(found)
    })

    it('takes a circle of types inside a folder, and one that is closed later', () => {
      const files = {
        'lib/core/a.ts': "import './b.js'",
        'lib/core/b.ts': "import type { A } from './a.js'",
        'lib/model.ts': "import './core/c.js'",
        'lib/core/c.ts': "const model = await import('../model.js')",
      }
      expect(faultsOf('circles', files)).to.deep.equal([])
    })
  })

  describe('sizes', () => {
    it('refuses a file of 301 lines and takes one of 300', () => {
      expect(faultsOf('lengths', { 'lib/a.ts': '//\n'.repeat(300) })).to.deep.equal([])
      expect(faultsOf('lengths', { 'lib/a.ts': '//\n'.repeat(301) })).to.deep.equal(['lib/a.ts: 301 lines, over 300'])
    })

    it('refuses functions and methods of 61 lines and takes those of 60', () => {
      const body = (lines: number) => `() {\n${'f()\n'.repeat(lines - 2)}}`
      const found = (text: string) => faultsOf('lengths', { 'lib/a.ts': text })
      const fault = (line: number) => [`lib/a.ts:${line}: a function of 61 lines, over 60`]
      expect(found(`\n/** Doc. */\nfunction a${body(60)}`)).to.deep.equal([])
      expect(found(`\n/** Doc. */\nfunction a${body(61)}`)).to.deep.equal(fault(3))
      expect(found(`class A {\n  a${body(61)}\n}`)).to.deep.equal(fault(2))
      expect(found(`const a = ${body(61).replace('{', '=> {')}`)).to.deep.equal(fault(1))
    })

    it('refuses a line of 121 columns and takes one of 120', () => {
      const text = `// ${'x'.repeat(117)}\n// ${'é'.repeat(118)}`
      expect(faultsOf('columns', { 'lib/a.ts': text })).to.deep.equal(['lib/a.ts:2: 121 columns, over 120'])
    })

    it('refuses four positional parameters and takes three, and types and `this` as they are', () => {
      const text = [
        'type F = (a: 1, b: 2, c: 3, d: 4) => void',
        'declare function f(a: 1, b: 2, c: 3, d: 4): void',
        'function three(this: A, a: 1, b: 2, ...rest: 3[]): void {}',
        'const four = (a: 1, b: 2, c: 3, d?: 4) => a',
        'class A { constructor(a: 1, b: 2, c: 3, d: 4) {} }',
      ].join('\n')
      const found = [4, 5].map((line) => `lib/a.ts:${line}: 4 parameters, over 3`)
      expect(faultsOf('parameters', { 'lib/a.ts': text })).to.deep.equal(found)
    })
  })

  describe('ways out', () => {
    const ignore = '// prettier-ignore'

    it('refuses prettier-ignore at code', () => {
      const text = [
        `const a = f(1) ${ignore}`,
        `${ignore}\nconst b = [f(1), f(2)]`,
        `const c = {\n  d: e.f ? 1 : 2, ${ignore}\n}`,
        `function g() {\n  return [1] ${ignore}\n}`,
      ].join('\n')
      const found = [1, 2, 5, 8].map((line) => `lib/a.ts:${line}: prettier-ignore, and no table of data`)
      expect(faultsOf('ignores', { 'lib/a.ts': text })).to.deep.equal(found)
    })

    it('takes it at tables of data', () => {
      const text = [
        `${ignore}\nconst a = [\n  [1, 2],\n  [-3, 4],\n] as const`,
        `const b = { c: 'd', e: [F, G] } ${ignore}`,
        `/** Doc. */\n${ignore}\nexport const h: ReadonlyMap<string, number> = new Map([['i', 1]])`,
        `const j = {\n  k: [1, 2], ${ignore}\n  l: [\n    [3, 4], ${ignore}\n  ],\n}`,
      ].join('\n')
      expect(faultsOf('ignores', { 'lib/a.ts': text })).to.deep.equal([])
    })

    it('refuses five non-null assertions in a thousand lines and takes fewer', () => {
      const text = (count: number) => `${'a!.b\n'.repeat(count)}${'//\n'.repeat(1000 - count)}`
      expect(faultsOf('nonNulls', { 'lib/a.ts': text(4) })).to.deep.equal([])
      const found = faultsOf('nonNulls', { 'lib/a.ts': text(5) })
      expect(found).to.deep.equal([1, 2, 3, 4, 5].map((line) => `lib/a.ts:${line}: a!`))
    })
  })

  describe('names', () => {
    for (const path of ['lib/utils.ts', 'lib/helpers/a.ts', 'saes/common.ts', 'lib/util.ts']) {
      it(`refuses the name ${path}`, () =>
        expect(faultsOf('vagueNames', { [path]: '' })).to.deep.equal([`${path}: a name that says nothing`]))
    }

    it('refuses a name that two files export, and takes one that is handed on', () => {
      const files = {
        'lib/a.ts':
          'export interface Site {}\nexport const [x] = [1]\nexport function f(a: 1): void\nexport function f() {}',
        'saes/b.ts': 'export type Site = string\nconst f = 1',
        'lib/index.ts': "export { f } from './a.js'\nexport { f as g } from './a.js'",
        'lib/cli/c.ts': 'export const f = 1',
      }
      expect(faultsOf('doubleNames', files)).to.deep.equal(['Site: exported by lib/a.ts and saes/b.ts'])
    })

    it('refuses a door with more than a tenth of its names without a comment', () => {
      const named = (count: number) => Array.from({ length: count }, (_, i) => `/** A. */\nexport type T${i} = 1\n`)
      const files = (count: number) => ({
        'lib/index.ts': "export * from './a.js'\nexport { inner as outer, T0 } from './b.js'\nexport * from 'package'",
        'lib/a.ts': named(count).join(''),
        'lib/b.ts': '// no comment of its own\nexport const inner = 1\nexport const unseen = 2\nexport type T0 = 1',
      })
      const more = { doors: ['lib/index.ts'] }
      expect(faultsOf('undocumented', files(20), more)).to.deep.equal([])
      const found = ['lib/b.ts: T0 has no comment', 'lib/b.ts: outer has no comment']
      expect(faultsOf('undocumented', files(10), more)).to.deep.equal(found)
    })
  })

  describe('what a page says of files', () => {
    const files = { 'models/gpt2.ts': "const pattern = at('hook_pattern', x)" }
    const claims = (text: string, ...paths: string[]) =>
      faultsOf('claims', files, {
        pages: [{ path: 'README.md', text }],
        exists: (path) => ['models/gpt2.ts', ...paths].includes(path),
      })

    it('is refused where there is no such file or folder', () => {
      const text = 'Read `models/gpt2.ts`, `lib/core/` and `docs/new.md`.'
      expect(claims(text, 'lib/core/')).to.deep.equal(['README.md: there is no docs/new.md'])
    })

    it('is refused where the line is not in the file', () => {
      const text = '`hook_pattern` is in `models/gpt2.ts`, `hook_z` is in `models/gpt2.ts`.'
      expect(claims(text)).to.deep.equal(["README.md: no at('hook_z' in models/gpt2.ts"])
    })

    it('is read in the drawing of the tree too', () => {
      const text = [
        '```text',
        'lib/       the ground',
        '  ops/     tensors in, tensors out',
        '  data/    text    stats/  moments',
        'models/    gpt2.ts: a page; llama.ts',
        'docs/      guides and scripts',
        '```',
        '',
      ].join('\n')
      const found = claims(text, 'lib/', 'lib/data/', 'models/', 'docs/')
      const missing = ['lib/ops/', 'lib/stats/', 'models/llama.ts']
      expect(found).to.deep.equal(missing.map((path) => `README.md: there is no ${path}`))
    })
  })
})
