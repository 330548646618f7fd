/**
 * The documentation is true: its TypeScript is checked and run, what it shows as output is what is printed, its
 * quotations are the files they quote, its commands exist. `UPDATE_DOCS=1` writes changed outputs into the pages.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import ts from 'typescript'
import { blocksOf, outputsOf, programsOf, sameOutput, type Block, type Program } from '../support/doc-blocks.js'
import { runPrograms, type Run } from '../support/programs.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const OUT = join(ROOT, 'out/docs')
const pages = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', ...pagesIn('docs')]
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

function pagesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && !file.includes('node_modules'))
    .map((file) => `${folder}/${file.replaceAll('\\', '/')}`)
    .sort()
}

/** Where a program is written to: `out/docs/docs-hooks.md-12.ts`. */
function fileOf(program: Program): string {
  return join(OUT, `${program.name.replace(/[/:]/g, '-')}.ts`)
}

/** Type errors of all programs, each at the line of its page. */
function typeErrors(programs: readonly Program[]): string[] {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
  const files = new Map(programs.map((program) => [fileOf(program), program]))
  const compiled = ts.createProgram([...files.keys()], options)
  return [...files].flatMap(([file, { name }]) =>
    ts.getPreEmitDiagnostics(compiled, compiled.getSourceFile(file)).map(({ start, messageText }) => {
      const line = compiled.getSourceFile(file)!.getLineAndCharacterOfPosition(start ?? 0).line + 1
      return `${name.replace(/:\d+$/, '')}:${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    }),
  )
}

/** Writes what was printed into the text blocks that said otherwise. */
function update(page: string, changes: ReadonlyMap<Block, string>): void {
  const lines = read(page).split('\n')
  for (const [block, text] of [...changes].reverse()) lines.splice(block.line, block.end - block.line - 1, text)
  writeFileSync(join(ROOT, page), lines.join('\n'))
}

describe('documentation', () => {
  const programs = pages.flatMap((page) => programsOf(page, read(page)).map((program) => ({ page, program })))

  describe('TypeScript blocks', function () {
    this.timeout(180_000)
    let errors: string[]
    let runs: Run[]

    before(async () => {
      rmSync(OUT, { recursive: true, force: true })
      mkdirSync(OUT, { recursive: true })
      const all = programs.map(({ program }) => program)
      for (const program of all) writeFileSync(fileOf(program), program.source)
      const running = runPrograms(all.map(fileOf))
      errors = typeErrors(all)
      runs = await running
    })

    it('have no type errors', () => expect(errors).to.deep.equal([]))

    for (const page of pages) {
      const ours = programs.flatMap((each, i) => (each.page === page ? [{ ...each, i }] : []))
      if (ours.length === 0) continue
      it(`of ${page} run, free what they make and print what the page shows`, () => {
        const changes = new Map<Block, string>()
        for (const { program, i } of ours) {
          for (const { line, output } of program.blocks) {
            const printed = outputsOf(runs[i]!.printed).get(line)
            if (output && printed !== undefined && !sameOutput(output.code, printed)) changes.set(output, printed)
          }
        }
        if (process.env['UPDATE_DOCS']) update(page, changes)
        for (const { program, i } of ours) expect(runs[i]!.end, program.name).to.equal('ok')
        if (process.env['UPDATE_DOCS']) return
        for (const [{ line, code }, printed] of changes) expect(printed, `${page}:${line}`).to.equal(code)
      })
    }
  })

  for (const page of pages) {
    it(`${page} quotes files as they are, names commands that exist and has sound JSON`, () => {
      const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
      for (const { language, info, line, code } of blocksOf(read(page))) {
        const where = `${page}:${line}`
        const quoted = /^file=(\S+)$/.exec(info)?.[1]
        if (quoted) expect(code, where).to.equal(read(quoted).trimEnd())
        if (language === 'json' && !quoted) expect(() => JSON.parse(code) as unknown, where).to.not.throw()
        if (language === 'bash')
          expect(
            code.split('\n').filter((command) => !exists(command, scripts)),
            where,
          ).to.deep.equal([])
        expect(['ts', 'text', 'json', 'bash', 'js', 'python'], where).to.include(language)
      }
    })
  }
})

/** Commands of other programs that the pages may name. */
const foreign = [
  /^git clone \S+$/,
  /^cd \S+$/,
  /^npm (init -y|publish|i|install)( |$)/,
  /^npx ts-node\b/,
  /^node --import \S+ \S+$/,
]

/** Whether a line of a bash block is a comment, a script of package.json, a file run by tsx, or on the short list. */
function exists(line: string, scripts: Readonly<Record<string, string>>): boolean {
  const command = line
    .replace(/\s+#.*$/, '')
    .replace(/^([A-Z_]+=\S+ )+/, '')
    .trim()
  if (command === '' || command.startsWith('#')) return true
  const script = /^npm (?:run (?:-s )?)?([\w:-]+)( |$)/.exec(command)?.[1]
  if (script !== undefined && script in scripts) return true
  const file = /^npx tsx (\S+\.ts)/.exec(command)?.[1]
  if (file !== undefined) return existsSync(join(ROOT, file))
  if (/^npx tfjs-lens( |$)/.test(command)) return true
  if (command.startsWith('.')) return existsSync(join(ROOT, command))
  return foreign.some((pattern) => pattern.test(command))
}
