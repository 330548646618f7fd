/**
 * `node --import ./spec/runner/loader/register.mjs FILE.ts`: TypeScript as it is, in less than half the time that tsx
 * needs to start with this library.
 *
 * Most of that time goes into finding files and handing them between threads. Here a `.js` beside a `.ts` is that file,
 * and what esbuild made of it is kept in node_modules/.cache. And two packages are required, not imported: tfjs is
 * CommonJS, whose 3 MB Node would read character by character for the names they export, and zod is a hundred files.
 */
import { createRequire, register } from 'node:module'

const require = createRequire(import.meta.url)
const packages = ['@tensorflow/tfjs', 'zod'].map((name) => [name, Object.keys(require(name))])
process.setSourceMapsEnabled(true) // now, so that Node does not read those of the packages
register('./hooks.mjs', import.meta.url, { data: { packages } })
