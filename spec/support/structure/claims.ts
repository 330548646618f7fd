/** What a page says of files. */
import { posix } from 'node:path'
import type { Source, Tree } from './source.js'

/** Claims that do not hold: a path in backquotes, one of the drawn tree, or "`name` is in `file`". */
export function claimFaults({ pages, sources, exists }: Tree): string[] {
  const texts = new Map(sources.map(({ path, text }) => [path, text]))
  return pages.flatMap((page) => [
    ...[...namedPaths(page.text), ...drawnPaths(page.text)]
      .filter((path) => !exists(path))
      .map((path) => `${page.path}: there is no ${path}`),
    ...searches(page)
      .filter(({ name, file }) => !texts.get(file)?.includes(`at('${name}'`))
      .map(({ name, file }) => `${page.path}: no at('${name}' in ${file}`),
  ])
}

/** Paths of our folders between backquotes. */
function namedPaths(text: string): string[] {
  const prose = text.replace(/^```.*?^```/gms, '')
  return [...prose.matchAll(/`((?:lib|models|saes|analyses|spec|docs)\/[\w./-]*)`/g)].map(([, path = '']) => path)
}

/** The tree of the page: a line `folder/  what it is` with the lines below it, indented, that are inside of it. */
function drawnPaths(text: string): string[] {
  const drawings = [...text.matchAll(/^```text\n(.*?)^```/gms)].map(([, drawing = '']) => drawing)
  const tree = drawings.find((drawing) => /^lib\/ /m.test(drawing)) ?? ''
  let folder = ''
  return tree.split('\n').flatMap((line) => {
    const [, indent = '', name = '', rest = ''] = /^(\s*)([\w./-]+)(\s.*)$/.exec(line) ?? []
    if (name === '') return []
    if (indent === '') folder = name
    const others = [...rest.matchAll(/\s([\w-]+\/)\s/g)].map(([, other = '']) => other)
    const inside = indent === '' ? [name] : [name, ...others].map((path) => posix.join(folder, path))
    const files = [...rest.matchAll(/\s([\w-]+\.ts)\b/g)].map(([, file = '']) => posix.join(folder, file))
    return [...inside, ...files]
  })
}

/** "`hook_pattern` is in `models/gpt2.ts`": the line that computes it is found by searching its name. */
function searches({ text }: Source): { name: string; file: string }[] {
  const found = text.matchAll(/`(hook_\w+)` is in `([\w./-]+\.ts)`/g)
  return [...found].map(([, name = '', file = '']) => ({ name, file }))
}
