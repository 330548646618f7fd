/** The command line: its help, and how it fails. */
import { expect } from 'chai'
import { tfjsLens } from '../../support/command-line.js'

describe('lib/cli/main', () => {
  it('lists the commands and its version', () => {
    const { stdout, status } = tfjsLens(['--help'])
    expect(status).to.equal(0)
    for (const command of ['ioi', 'repl']) expect(stdout).to.match(new RegExp(`^  ${command} `, 'm'))
    expect(tfjsLens(['--version']).stdout).to.equal('0.1.0\n')
  })

  it('writes its report to a folder that is not the one of `npm run example -- ioi`', () => {
    expect(tfjsLens(['ioi', '--help']).stdout).to.include('"out/ioi-report"')
  })

  it('refuses an unknown command, with the nearest', () => {
    const { stderr, status } = tfjsLens(['rapl'])
    expect(status).to.equal(1)
    expect(stderr).to.equal("error: unknown command 'rapl'\n(Did you mean repl?)\n")
  })

  it('prints an error of ours as its message only', () => {
    const { stdout, stderr, status } = tfjsLens(['repl'], '', { TFJS_LENS_BACKEND: 'wams' })
    expect(stderr).to.match(/^useBackend: unknown backend 'wams'\..* Did you mean 'wasm'\?\n$/)
    expect([stdout, status]).to.deep.equal(['', 1])
  })
})
