/** `npm run spec:long`: what takes minutes. One test alone: `npm run spec:long -- --grep jumprelu`. */
module.exports = {
  import: ['tsx'],
  require: ['./spec/support/root-hooks.ts'],
  reporter: './spec/support/reporter.ts',
  spec: ['spec/long/*.long.ts'],
  timeout: 3_600_000,
}
