/** Links between the pages lead somewhere, and the files that they name exist. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const guides = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.md') && !file.includes('node_modules'))
  .map((file) => `docs/${file.replaceAll('\\', '/')}`)

const papers = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CODE_OF_CONDUCT.md']

/** Ids of a page's headings, as GitHub makes them. */
function anchors(markdown: string): string[] {
  const headings = withoutCode(markdown).matchAll(/^#+ (.*)$/gm)
  const slug = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-')
  return [...headings].map(([, heading]) => slug(heading!))
}

function withoutCode(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```/gm, '')
}

/** Links of a page that lead nowhere. */
function dead(page: string): string[] {
  const targets = [...withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!)
  return targets.filter((target) => {
    if (/^https:\/\//.test(target)) return false
    const [file, anchor] = target.split('#')
    const path = file === '' ? page : posix.join(dirname(page), file!)
    if (!existsSync(join(ROOT, path))) return true
    return anchor !== undefined && !anchors(read(path)).includes(anchor)
  })
}

/** Paths of this repository that a page names as code, and that do not exist. */
function missingFiles(page: string): string[] {
  const named = [...withoutCode(read(page)).matchAll(/`([^`\s]+)`/g)].map(([, code]) => code!)
  const paths = named.filter((code) => /^(lib|models|saes|analyses|spec|docs|\.ci|\.github)\/[\w./-]*$/.test(code))
  return paths.filter((path) => !existsSync(join(ROOT, path)))
}

describe('links', () => {
  for (const page of [...papers, ...guides]) {
    it(`of ${page} lead somewhere, and the files it names exist`, () => {
      expect(dead(page)).to.deep.equal([])
      expect(missingFiles(page)).to.deep.equal([])
    })
  }

  it('lead from the README to every guide', () => {
    const readme = read('README.md')
    const missing = guides.filter((page) => !page.startsWith('docs/examples/') && !readme.includes(`(${page}`))
    expect(missing).to.deep.equal([])
  })

  it('of the tree in the README name folders and files that exist', () => {
    const tree = /^## The tree[\s\S]*?```text\n([\s\S]*?)```/m.exec(read('README.md'))![1]!
    const paths = tree.split('\n').flatMap((line) => /^([\w./-]+) {2,}/.exec(line)?.[1] ?? [])
    expect(paths).to.include('lib/')
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).to.deep.equal([])
  })
})
