/** How long, how wide, and with how many parameters. */
import ts from 'typescript'
import { lineOf, placeOf, type Module } from './source.js'

const MAX_FILE_LINES = 300
const MAX_FUNCTION_LINES = 60
const MAX_COLUMNS = 120
const MAX_PARAMETERS = 3

/** Files and functions that are too long. */
export function lengthFaults(module: Module): string[] {
  const { path, text, tree } = module
  const length = text.trimEnd().split('\n').length
  const long = length > MAX_FILE_LINES ? [`${path}: ${length} lines, over ${MAX_FILE_LINES}`] : []
  const tooLong = functionsOf(module).flatMap((node) => {
    const lines = lineOf(tree, node.getEnd()) - lineOf(tree, node.getStart(tree)) + 1
    const place = placeOf(module, node)
    return lines > MAX_FUNCTION_LINES ? [`${place}: a function of ${lines} lines, over ${MAX_FUNCTION_LINES}`] : []
  })
  return [...long, ...tooLong]
}

/** Lines that are too wide. */
export function columnFaults({ path, text }: Module): string[] {
  return text.split('\n').flatMap((line, i) => {
    const { length } = [...line]
    return length > MAX_COLUMNS ? [`${path}:${i + 1}: ${length} columns, over ${MAX_COLUMNS}`] : []
  })
}

/** Functions with too many positional parameters; more belong into an object with names. */
export function parameterFaults(module: Module): string[] {
  return functionsOf(module).flatMap((node) => {
    const { length } = node.parameters.filter(({ name }) => name.getText(module.tree) !== 'this')
    return length > MAX_PARAMETERS ? [`${placeOf(module, node)}: ${length} parameters, over ${MAX_PARAMETERS}`] : []
  })
}

/** Functions, methods and arrows that are written out; not their types. */
function functionsOf({ nodes }: Module): ts.SignatureDeclaration[] {
  return nodes.filter((node) => ts.isFunctionLike(node)).filter((node) => 'body' in node && node.body !== undefined)
}
