/** TypeScript alone: the same as register.mjs for projects of their own, whose packages are to be found as Node does. */
import { register } from 'node:module'

process.setSourceMapsEnabled(true)
register('./hooks.mjs', import.meta.url, { data: { packages: [] } })
