/** Packages that are required instead of imported. */

/** The source of a module that hands on, by these names, what `require` gives. */
export function moduleOf(name, exported) {
  const names = exported.filter((each) => each !== 'default').map((each) => JSON.stringify(each)) // zod exports `null`
  return `
    import { createRequire } from 'node:module'
    const all = createRequire(${JSON.stringify(import.meta.url)})(${JSON.stringify(name)})
    const { ${names.map((each, i) => `${each}: _${i}`).join(', ')} } = all
    export { ${names.map((each, i) => `_${i} as ${each}`).join(', ')} }
    export default all.default ?? all`
}
