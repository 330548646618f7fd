/** What the documentation's specs take for equal, and for a program: the checks can fail. */
import { expect } from 'chai'
import { blocksOf, programsOf, sameOutput, throws } from '../support/doc-blocks.js'

const fence = '```'
const page = (...blocks: [language: string, code: string][]) =>
  blocks.map(([language, code]) => `${fence}${language}\n${code}\n${fence}\n`).join('\n')

describe('blocks of a page', () => {
  it('make a program each time a block begins with imports, at the lines of the page', () => {
    const text = page(
      ['ts', "import 'a'\nf()"],
      ['text', 'no'],
      ['ts', 'g()'],
      ['ts', "import 'b'"],
      ['ts file=x', 'h()'],
    )
    const programs = programsOf('x.md', text)
    expect(programs.map(({ name }) => name)).to.deep.equal(['x.md:1', 'x.md:14'])
    const lines = programs[0]!.source.split('\n')
    expect(text.split('\n').indexOf('g()')).to.equal(lines.indexOf('g()'))
    expect(lines).to.include.members(["import 'a'", 'f()']).and.not.include('h()')
  })

  it('know their output, unless words stand between', () => {
    const [code, , other] = blocksOf(
      `${page(['ts', 'f()'], ['text', '1'], ['ts', 'g()'])}words\n\n${page(['text', '2'])}`,
    )
    expect(code!.output!.code).to.equal('1')
    expect(other!.output).to.equal(undefined)
  })

  it('are expected to throw what looks like an error', () => {
    const is = (output: string) => throws(blocksOf(page(['ts', 'f()'], ['text', output]))[0]!)
    expect(is('HookError: withHooks: no')).to.equal(true)
    expect(is('the HookError: no')).to.equal(false)
  })

  it('have to begin with imports, and to be closed', () => {
    expect(() => programsOf('x.md', page(['ts', 'f()']))).to.throw('x.md:1: the first block')
    expect(() => blocksOf(`${fence}ts\nf()`)).to.throw('line 1: the block is not closed')
  })
})

describe('outputs', () => {
  const same: [expected: string, actual: string][] = [
    ['loss 0.952', 'loss 0.953'],
    ['[ 10.170125007629395 ]', '[ 10.170181274414062 ]'],
    ['│ L0H7 │ -0.5 │', '│ L0H7   │   -0.5 │'],
    ['pocket-gpt2, tfjs-node (TensorFlow 2.21.0, 2 threads), x', 'pocket-gpt2, wasm (SIMD, 1 thread), x'],
    ['a\n…\nd', 'a\nb\nc\nd'],
    ['Supported: a, …', 'Supported: a, b.'],
    ['sha 6b6242d44984bff894b44c804e1463', 'sha 6b6242d44984bff894b44c804e1463'],
  ]
  for (const [expected, actual] of same) {
    it(`are the same: ${JSON.stringify(expected)} and ${JSON.stringify(actual)}`, () =>
      expect(sameOutput(expected, actual)).to.equal(true))
  }

  const other: [expected: string, actual: string][] = [
    ['loss 0.952', 'loss 0.954'],
    ['loss 0.952', 'loss -0.952'],
    ['[ 10.170125007629395 ]', '[ 10.1706 ]'],
    ['layer 3', 'layer 4'],
    ['1e-5', '4e-5'],
    ['a', 'a\nb'],
    ['a\nb', 'a'],
    ['a\n…\nd', 'a\nb\nc'],
    ['Did you mean x?', 'Did you mean y?'],
    ['', 'a'],
    ['Supported: a, …', 'Supported: b, a.'],
  ]
  for (const [expected, actual] of other) {
    it(`differ: ${JSON.stringify(expected)} and ${JSON.stringify(actual)}`, () =>
      expect(sameOutput(expected, actual)).to.equal(false))
  }
})
