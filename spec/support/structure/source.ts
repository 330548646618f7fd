/** A source file as the rules of the tree read it: its syntax, its nodes and what it imports. */
import { posix } from 'node:path'
import ts from 'typescript'

/** A file: its path from the root of the repository, with forward slashes, and its text. */
export interface Source {
  readonly path: string
  readonly text: string
}

/** What the rules are held to. */
export interface Tree {
  /** The TypeScript files of lib, models, saes and analyses. */
  readonly sources: readonly Source[]
  /** Pages whose claims about files have to hold. */
  readonly pages: readonly Source[]
  /** The source files that package.json's exports lead to. */
  readonly doors: readonly string[]
  /** Whether the repository has this file, or this folder when the path ends with a slash. */
  readonly exists: (path: string) => boolean
}

export interface Import {
  /** A path from the root for a file of ours, else the name of a package. */
  readonly target: string
  /** Whether it is gone at run time. */
  readonly typeOnly: boolean
  /** Whether it is `import()`, which runs later and so closes no cycle. */
  readonly dynamic: boolean
}

export interface Module extends Source {
  readonly tree: ts.SourceFile
  readonly nodes: readonly ts.Node[]
  readonly imports: readonly Import[]
}

export function parse({ path, text }: Source): Module {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const nodes = [...descendants(tree)]
  return { path, text, tree, nodes, imports: nodes.flatMap((node) => importOf(node, path)) }
}

/** The line of a position, counted from 1. */
export function lineOf(tree: ts.SourceFile, position: number): number {
  return tree.getLineAndCharacterOfPosition(position).line + 1
}

/** Where a node begins, as `path:line`. */
export function placeOf({ path, tree }: Module, node: ts.Node): string {
  return `${path}:${lineOf(tree, node.getStart(tree))}`
}

/** The file that a relative specifier names, else the package's name. */
export function targetOf(specifier: string, path: string): string {
  return specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts') : specifier
}

function importOf(node: ts.Node, path: string): Import[] {
  const specifier = specifierOf(node)
  if (!specifier || !ts.isStringLiteral(specifier)) return []
  const target = targetOf(specifier.text, path)
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

function* descendants(node: ts.Node): Generator<ts.Node> {
  const children: ts.Node[] = []
  ts.forEachChild(node, (child) => void children.push(child))
  for (const child of children) {
    yield child
    yield* descendants(child)
  }
}
