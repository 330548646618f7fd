/** What of a view has to be run: SAEs that change nothing are left out. */
import { crossesBlocks, type View } from '../../core/view.js'
import { blockOf, parseHook } from '../../transformer/hook-names.js'
import type { ResolvedEdit } from '../edits/index.js'

/**
 * The view with the SAEs that a forward pass must run: one with its error term and nothing changed or read inside is the
 * identity.
 * @param names points that are changed or read
 */
export function neededView(view: View, names: readonly string[]): View {
  const isInside = ({ readsAt, writesAt }: View['attached'][number]) =>
    names.some((name) => name.startsWith(`${readsAt}.`) || name.startsWith(`${writesAt}.`))
  const needed = view.attached.filter((a) => !a.options.errorTerm || isInside(a))
  // what sits at another's output needs that other
  const attached = view.attached.filter((a) => needed.some((n) => n === a || n.readsAt.startsWith(`${a.writesAt}.`)))
  return { ...view, attached }
}

/**
 * Whether a view's hook functions all lie in blocks before the first that runs of these edits start in: they act on the
 * clean run then, and on nothing else.
 */
export function editsAfterHooks({ hooks, attached }: View, edits: readonly ResolvedEdit[]): boolean {
  const readers = attached.filter(crossesBlocks).map(({ readsAt }) => blockOf(readsAt))
  const first = Math.min(...readers, ...edits.map(({ layer }) => layer))
  return hooks.every(({ name }) => blockOf(name) < first && parseHook(name).sae === undefined)
}
