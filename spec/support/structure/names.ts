/** Names: what they say, that one has one meaning, and that the public ones are explained. */
import ts from 'typescript'
import { targetOf, type Module } from './source.js'

const VAGUE_NAME = /(^|\/)(utils?|helpers?|common)(\.|\/)/
/** The share of public names that may go without a comment. */
const UNDOCUMENTED = 0.1

/** Files whose name says nothing. */
export function vagueNameFaults({ path }: Module): string[] {
  return VAGUE_NAME.test(path) ? [`${path}: a name that says nothing`] : []
}

/** Names that two files declare and export: one has to guess which is meant. Commands share theirs on purpose. */
export function doubleNameFaults(modules: readonly Module[]): string[] {
  const places = new Map<string, string[]>()
  for (const module of modules.filter(({ path }) => !path.startsWith('lib/cli/'))) {
    for (const name of declaredNames(module).keys()) places.set(name, [...(places.get(name) ?? []), module.path])
  }
  const several = [...places].filter(([, paths]) => paths.length > 1)
  return several.map(([name, paths]) => `${name}: exported by ${paths.join(' and ')}`)
}

/** The public names without a comment, where they are more than `UNDOCUMENTED` of all. */
export function undocumentedFaults(modules: readonly Module[], doors: readonly string[]): string[] {
  const byPath = new Map(modules.map((module) => [module.path, module]))
  const names = new Map<string, boolean>()
  for (const door of doors) {
    for (const [name, { path, node }] of exportsOf(door, byPath)) names.set(`${path}: ${name}`, isDocumented(node))
  }
  const bare = [...names].filter(([, documented]) => !documented).map(([name]) => `${name} has no comment`)
  return bare.length > UNDOCUMENTED * names.size ? bare : []
}

interface Exported {
  readonly path: string
  readonly node: ts.Node
}

/** What a module exports, with the file and the statement that declare it; what comes from packages is left out. */
function exportsOf(path: string, modules: ReadonlyMap<string, Module>): Map<string, Exported> {
  const module = modules.get(path)
  if (!module) return new Map()
  const found = new Map<string, Exported>()
  for (const [name, node] of declaredNames(module)) found.set(name, { path, node })
  for (const node of module.nodes.filter(ts.isExportDeclaration)) {
    if (!node.moduleSpecifier || !ts.isStringLiteral(node.moduleSpecifier)) continue
    const inner = exportsOf(targetOf(node.moduleSpecifier.text, path), modules)
    for (const [name, as] of renames(node, [...inner.keys()])) {
      const exported = inner.get(name)
      if (exported) found.set(as, exported)
    }
  }
  return found
}

/** Which names of the other module `export … from` hands on, and as what. */
function renames({ exportClause }: ts.ExportDeclaration, all: readonly string[]): (readonly [string, string])[] {
  if (!exportClause || !ts.isNamedExports(exportClause)) return all.map((name) => [name, name])
  return exportClause.elements.map(({ name, propertyName }) => [(propertyName ?? name).text, name.text])
}

/** The names that a module declares and exports, each with its (first) declaration. */
function declaredNames({ tree }: Module): Map<string, ts.Node> {
  const found = new Map<string, ts.Node>()
  for (const statement of tree.statements.filter(isExported)) {
    const names = ts.isVariableStatement(statement)
      ? statement.declarationList.declarations.map(({ name }) => name)
      : 'name' in statement
        ? [statement.name as ts.Node]
        : []
    for (const name of names.filter(ts.isIdentifier)) if (!found.has(name.text)) found.set(name.text, statement)
  }
  return found
}

function isExported(statement: ts.Statement): boolean {
  const modifiers = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : []
  return modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
}

function isDocumented(node: ts.Node): boolean {
  return ts.getJSDocCommentsAndTags(node).length > 0
}
