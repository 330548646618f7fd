/** The rules of the source tree, as functions from its files to what is wrong with them. */
import { circleFaults, cycleFaults } from './circles.js'
import { claimFaults } from './claims.js'
import { directionFaults, doorFaults, layerFaults } from './imports.js'
import { doubleNameFaults, undocumentedFaults, vagueNameFaults } from './names.js'
import { columnFaults, lengthFaults, parameterFaults } from './sizes.js'
import { parse, type Module, type Tree } from './source.js'
import { ignoreFaults, nonNullFaults } from './style.js'

export type { Source, Tree } from './source.js'

const rules = {
  direction: (modules) => modules.flatMap(directionFaults),
  layers: (modules) => modules.flatMap(layerFaults),
  doors: (modules) => modules.flatMap((module) => doorFaults(module, modules)),
  cycles: cycleFaults,
  circles: circleFaults,
  lengths: (modules) => modules.flatMap(lengthFaults),
  columns: (modules) => modules.flatMap(columnFaults),
  parameters: (modules) => modules.flatMap(parameterFaults),
  ignores: (modules) => modules.flatMap(ignoreFaults),
  nonNulls: nonNullFaults,
  vagueNames: (modules) => modules.flatMap(vagueNameFaults),
  doubleNames: doubleNameFaults,
  undocumented: (modules, { doors }) => undocumentedFaults(modules, doors),
  claims: (_, tree) => claimFaults(tree),
} satisfies Record<string, (modules: readonly Module[], tree: Tree) => string[]>

export type Rule = keyof typeof rules

/** What breaks each rule, one sentence each; all empty for a sound tree. */
export function faults(tree: Tree): Record<Rule, string[]> {
  const modules = tree.sources.map(parse)
  const each = Object.entries(rules).map(([name, rule]) => [name, rule(modules, tree)] as const)
  return Object.fromEntries(each) as Record<Rule, string[]>
}
