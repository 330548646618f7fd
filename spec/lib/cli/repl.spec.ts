/** The prompt, with its input piped in. */
import { expect } from 'chai'
import { tfjsLens } from '../../support/command-line.js'

describe('lib/cli/repl', () => {
  it('has the model, tf and the library, and prints what each line gives', () => {
    const { stdout, stderr, status } = tfjsLens(
      ['repl'],
      [
        'model.config.nLayers',
        'const run: string[] = [typeof loadSae, typeof directLogitAttribution, typeof useBackend, tf.version_core]',
        'run',
        'tf.tensor([1, 2]).add(1)',
      ].join('\n'),
    )
    expect(stdout).to.equal("4\n[ 'function', 'function', 'function', '4.22.0' ]\nTensor\n    [2, 3]\n")
    expect(stderr).to.match(/^backend: .*\n$/)
    expect(status).to.equal(0)
  })

  it('awaits, imports, spans lines, keeps names between lines and goes on after errors', () => {
    const { stdout } = tfjsLens(
      ['repl'],
      [
        "import { basename as base } from 'node:path'",
        'let late: number = await new Promise((done) => setTimeout(() => done(2), 200))',
        'late + 1',
        "const late = base('a/b')",
        'late',
        'function twice(x: number) {',
        '  return 2 * x',
        '}',
        'twice(21)',
        'twice(1 2)',
        "throw new TypeError('thrown')",
        'await Promise.reject(new RangeError("rejected"))',
        '[1] instanceof Array',
        "model.hookNames.includes('blocks.0.attn.hook_z')",
      ].join('\n'),
    )
    const lines = stdout.split('\n').filter((line) => !line.startsWith('    at '))
    expect(lines).to.deep.equal([
      '3',
      "'b'",
      '42',
      'Uncaught SyntaxError: Expected ")" but found "2"',
      'Uncaught TypeError: thrown',
      'Uncaught RangeError: rejected',
      'true',
      'true',
      '',
    ])
  })
})
