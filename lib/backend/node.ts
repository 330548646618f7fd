/** In Node, `process`; in a browser, undefined. Node's modules come from it, so that a bundler never meets them. */
export const node = typeof process !== 'undefined' && process.versions?.node ? process : undefined
