/** Ways out that have to stay rare: formatting by hand, and the compiler overruled. */
import ts from 'typescript'
import { lineOf, placeOf, type Module } from './source.js'

/** Non-null assertions that a thousand lines may have. */
const MAX_NON_NULL = 5

/** `prettier-ignore` at anything but a table of data. */
export function ignoreFaults(module: Module): string[] {
  const lines = module.text.split('\n')
  return lines.flatMap((line, i) => {
    if (!/\/[/*]\s*prettier-ignore/.test(line) || isTable(ignoredNode(module, line, i + 1))) return []
    return [`${module.path}:${i + 1}: prettier-ignore, and no table of data`]
  })
}

/** The largest node that ends on the comment's line, or begins on the next one where the comment has its own. */
function ignoredNode({ tree, nodes }: Module, text: string, line: number): ts.Node | undefined {
  const own = /^\s*\/[/*]/.test(text)
  return nodes.find((node) =>
    own ? lineOf(tree, node.getStart(tree)) === line + 1 : lineOf(tree, node.getEnd()) === line && isWhole(node),
  )
}

/** What prettier's comment may stand behind: a statement, a property or an element. */
function isWhole(node: ts.Node): boolean {
  return ts.isStatement(node) || ts.isPropertyAssignment(node) || ts.isArrayLiteralExpression(node.parent)
}

/** Rows of literals: no function, and no call but that of a constructor, as of a Map. */
function isTable(node: ts.Node | undefined): boolean {
  if (!node) return false
  let [rows, code] = [false, false]
  const visit = (inner: ts.Node): void => {
    rows ||= ts.isArrayLiteralExpression(inner) || ts.isObjectLiteralExpression(inner)
    code ||= ts.isCallExpression(inner) || ts.isFunctionLike(inner) || ts.isReturnStatement(inner) || isComputed(inner)
    ts.forEachChild(inner, visit)
  }
  visit(node)
  return rows && !code
}

function isComputed(node: ts.Node): boolean {
  return ts.isConditionalExpression(node) || ts.isTemplateExpression(node) || ts.isPropertyAccessExpression(node)
}

/** Each `!` that overrules the compiler, where the tree has more of them than `MAX_NON_NULL` in a thousand lines. */
export function nonNullFaults(modules: readonly Module[]): string[] {
  const lines = modules.reduce((sum, { text }) => sum + text.trimEnd().split('\n').length, 0)
  const found = modules.flatMap((module) =>
    module.nodes.filter(ts.isNonNullExpression).map((node) => `${placeOf(module, node)}: ${node.getText(module.tree)}`),
  )
  return found.length * 1000 >= MAX_NON_NULL * lines ? found : []
}
