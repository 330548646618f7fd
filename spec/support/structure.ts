/** The rules of the source tree, as a function from its files to what is wrong with them. */
import { posix } from 'node:path'
import ts from 'typescript'

/** A source file: its path from the root of the repository, with forward slashes, and its text. */
export interface Source {
  readonly path: string
  readonly text: string
}

interface Import {
  /** A path from the root for a file of ours, else the name of a package. */
  readonly target: string
  /** Whether it is gone at run time. */
  readonly typeOnly: boolean
  /** Whether it is `import()`, which runs later and so closes no cycle. */
  readonly dynamic: boolean
}

interface Module extends Source {
  readonly tree: ts.SourceFile
  readonly nodes: readonly ts.Node[]
  readonly imports: readonly Import[]
}

const MAX_FILE_LINES = 300
const MAX_FUNCTION_LINES = 60
const BACKEND_PACKAGE = /^@tensorflow\/tfjs-(node|backend-)/
const MODEL_DOORS = ['models/index.ts', 'models/load-model.ts']
const VAGUE_NAME = /(^|\/)(utils?|helpers?|common)(\.|\/)/

/** Everything that breaks a rule, one sentence each; empty for a sound tree. */
export function faults(sources: readonly Source[]): string[] {
  const modules = sources.map(parse)
  return [
    ...modules.flatMap(directionFaults),
    ...modules.flatMap((module) => doorFaults(module, modules)),
    ...cycles(modules).map((cycle) => `cycle: ${cycle.join(' → ')}`),
    ...modules.flatMap(sizeFaults),
    ...sources.filter(({ path }) => VAGUE_NAME.test(path)).map(({ path }) => `${path}: a name that says nothing`),
  ]
}

function parse({ path, text }: Source): Module {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const nodes = [...descendants(tree)]
  return { path, text, tree, nodes, imports: nodes.flatMap((node) => importOf(node, path)) }
}

function importOf(node: ts.Node, path: string): Import[] {
  const specifier = specifierOf(node)
  if (!specifier || !ts.isStringLiteral(specifier)) return []
  const name = specifier.text
  const target = name.startsWith('.') ? posix.join(posix.dirname(path), name).replace(/\.js$/, '.ts') : name
  return [{ target, typeOnly: isTypeOnly(node), dynamic: ts.isCallExpression(node) }]
}

function specifierOf(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier
  if (ts.isImportTypeNode(node)) return ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined
  const isImportCall = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
  return isImportCall ? node.arguments[0] : undefined
}

function isTypeOnly(node: ts.Node): boolean {
  if (ts.isImportTypeNode(node)) return true
  if (ts.isExportDeclaration(node)) return node.isTypeOnly || allTypes(node.exportClause)
  const clause = ts.isImportDeclaration(node) ? node.importClause : undefined
  if (!clause) return false
  return clause.phaseModifier === ts.SyntaxKind.TypeKeyword || (!clause.name && allTypes(clause.namedBindings))
}

function allTypes(names: ts.NamedImportBindings | ts.NamedExportBindings | undefined): boolean {
  if (!names || ts.isNamespaceImport(names) || ts.isNamespaceExport(names)) return false
  return names.elements.length > 0 && [...names.elements].every(({ isTypeOnly }) => isTypeOnly)
}

/** `models → lib`, `saes → lib`, `analyses → lib` and types of saes; lib imports none of ours, its doors excepted. */
function directionFaults({ path, imports }: Module): string[] {
  const from = path.split('/')[0]!
  const isDoor = path === 'lib/index.ts' || path.startsWith('lib/cli/')
  const wrong = imports.filter(({ target, typeOnly }) => {
    const to = target.split('/')[0]!
    if (!['lib', 'models', 'saes', 'analyses'].includes(to) || to === from || to === 'lib') return false
    return !isDoor && !(from === 'analyses' && to === 'saes' && typeOnly)
  })
  return wrong.map(({ target }) => `${path}: imports ${target}, against the direction of the tree`)
}

/** Architectures, kinds of SAE and backend packages: each has one file that may import it. */
function doorFaults({ path, imports }: Module, modules: readonly Module[]): string[] {
  const kinds = modules.filter(isSaeKind).map((module) => module.path)
  return imports.flatMap(({ target }) => {
    const door = doorOf(target, kinds)
    const isDoor = path === door || (door?.endsWith('/') && path.startsWith(door)) || path === 'saes/index.ts'
    return door === undefined || isDoor ? [] : [`${path}: imports ${target}, which only ${door} may`]
  })
}

function doorOf(target: string, saeKinds: readonly string[]): string | undefined {
  if (BACKEND_PACKAGE.test(target)) return 'lib/backend/'
  if (/^models\/[^/]+$/.test(target) && !MODEL_DOORS.includes(target)) return 'models/'
  return saeKinds.includes(target) ? 'saes/kinds/kinds.ts' : undefined
}

/** A file of saes with a class that extends Sae or another kind. */
function isSaeKind({ path, tree, nodes }: Module): boolean {
  const heritage = nodes.filter(ts.isHeritageClause)
  return path.startsWith('saes/') && heritage.some(({ types }) => types.some((type) => /Sae$/.test(type.getText(tree))))
}

/** Each ring of imports that load one another, once, from its first file and back to it. */
function cycles(modules: readonly Module[]): string[][] {
  const next = new Map(modules.map(({ path, imports }) => [path, imports.filter((i) => !i.typeOnly && !i.dynamic)]))
  const done = new Set<string>()
  const found: string[][] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) found.push([...trail.slice(at), path])
    if (at >= 0 || done.has(path)) return
    for (const { target } of next.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of next.keys()) visit(path, [])
  return found
}

function sizeFaults({ path, text, tree, nodes }: Module): string[] {
  const length = text.trimEnd().split('\n').length
  const long = length > MAX_FILE_LINES ? [`${path}: ${length} lines, over ${MAX_FILE_LINES}`] : []
  const functions = nodes.filter((node) => ts.isFunctionLike(node) && 'body' in node && node.body)
  const tooLong = functions.flatMap((node) => {
    const first = lineOf(tree, node.getStart(tree))
    const lines = lineOf(tree, node.getEnd()) - first + 1
    return lines > MAX_FUNCTION_LINES
      ? [`${path}:${first}: a function of ${lines} lines, over ${MAX_FUNCTION_LINES}`]
      : []
  })
  return [...long, ...tooLong]
}

function lineOf(tree: ts.SourceFile, position: number): number {
  return tree.getLineAndCharacterOfPosition(position).line + 1
}

function* descendants(node: ts.Node): Generator<ts.Node> {
  const children: ts.Node[] = []
  ts.forEachChild(node, (child) => void children.push(child))
  for (const child of children) {
    yield child
    yield* descendants(child)
  }
}
