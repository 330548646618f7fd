/** What Node is started with to run TypeScript. */

const option = (file: string): string[] => ['--import', new URL(`../runner/loader/${file}`, import.meta.url).href]

/** For files of this repository. */
export const withTypeScript: readonly string[] = option('register.mjs')

/** For projects of their own, whose packages are found as Node finds them. */
export const withTypeScriptAlone: readonly string[] = option('typescript.mjs')
