/** docs/errors.md has a section for each error class, under its code. That its messages are real, code-blocks.spec.ts proves. */
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import * as errors from '../../lib/errors/errors.js'
import { blocksOf } from '../support/doc-blocks.js'

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
const classes = Object.values(errors).filter((each) => each !== errors.LensError) as (new (
  m: string,
) => errors.LensError)[]

describe('docs/errors.md', () => {
  it('has a section for each code, and no other', () => {
    const codes = [...page.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)
    expect(codes.sort()).to.deep.equal(classes.map((Class) => new Class('').code).sort())
  })

  for (const Class of classes) {
    const { code, name } = new Class('')
    const section = page.split(/^## /m).find((part) => part.startsWith(code))!

    it(`says symptom, cause and fix of ${code}, with real messages of ${name}`, () => {
      for (const word of ['Symptom', 'Cause', 'Fix']) expect(section, word).to.include(`**${word}.**`)
      const outputs = blocksOf(section).flatMap(({ output }) => (output && output.code !== '' ? [output.code] : []))
      expect(outputs).to.have.length.greaterThan(1)
      for (const output of outputs) expect(output).to.match(new RegExp(`^${name}: \\S.*\\.`))
    })

    it(`links to ${code} from its table`, () => {
      expect(page).to.include(`| \`${code}\` | \`${name}\` | [`).and.include(`](#${code.toLowerCase()})`)
    })
  }
})
