/** All doors of the package as one, for specs that use many of them. */
export * from '../../lib/index.js'
export * from '../../models/index.js'
export * from '../../saes/index.js'
export * from '../../analyses/index.js'
export * from '../../lib/data/index.js'
export * from '../../lib/report/index.js'
export * from '../../lib/sweep/index.js'
