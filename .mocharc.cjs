/** Mocha runs every spec, or those that are named: `npx mocha spec/lib/backend.spec.ts`. */
const named = process.argv.slice(2).some((argument) => /\.(spec|long)\.ts/.test(argument))

module.exports = {
  import: ['tsx'],
  require: ['./spec/support/root-hooks.ts'],
  reporter: './spec/support/reporter.ts',
  spec: named ? [] : ['spec/**/*.spec.ts'],
  timeout: 60000,
}
