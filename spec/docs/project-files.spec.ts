/** The files around the source say what the package says: version, licence, the command of the proof. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const manifest = JSON.parse(read('package.json')) as { version: string; license: string; engines: { node: string } }

describe('project files', () => {
  it('CITATION.cff has the version and the licence of package.json', () => {
    expect(read('CITATION.cff'))
      .to.include(`\nversion: ${manifest.version}\n`)
      .and.include(`\nlicense: ${manifest.license}\n`)
  })

  it('CHANGELOG.md has a section for the version of package.json', () => {
    expect(read('CHANGELOG.md')).to.match(new RegExp(`^## ${manifest.version.replaceAll('.', '\\.')}\\b`, 'm'))
  })

  it('README.md and CONTRIBUTING.md name the version of Node that package.json asks for', () => {
    const asked = manifest.engines.node.replace('>=', '≥ ')
    for (const page of ['README.md', 'CONTRIBUTING.md']) expect(read(page), page).to.include(`Node ${asked}`)
  })

  it('the workflow runs .ci/run, on the oldest version of Node', () => {
    const workflow = read('.github/workflows/ci.yml')
    expect(workflow).to.match(/^ +- run: \.ci\/run$/m)
    const oldest = /\d+/.exec(manifest.engines.node)![0]
    expect(workflow).to.match(new RegExp(`^ +node-version: ${oldest}$`, 'm'))
  })

  it('the template of pull requests names files and commands that exist', () => {
    const template = read('.github/pull_request_template.md')
    const files = template.match(/\b[\w./]+\.md\b/g)!
    expect(files).to.include('CONTRIBUTING.md')
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).to.deep.equal([])
  })

  it('docs/images has pictures of less than 150 kB, each shown by a page', () => {
    const pages = ['README.md', 'docs/gallery.md'].map(read).join()
    for (const file of readdirSync(join(ROOT, 'docs/images')).filter((name) => name.endsWith('.png'))) {
      expect(statSync(join(ROOT, 'docs/images', file)).size, file).to.be.lessThan(150e3)
      expect(pages, file).to.include(`images/${file}`)
    }
  })
})
