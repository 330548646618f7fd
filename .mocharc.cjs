/** Mocha runs every spec, or those that are named: `npx mocha spec/lib/backend/backend.spec.ts`. What `--ignore` names is none. */
const named = process.argv.some(
  (argument, i) => /\.(spec|long)\.ts/.test(argument) && process.argv[i - 1] !== '--ignore',
)

module.exports = {
  import: ['tsx'],
  require: ['./spec/support/root-hooks.ts'],
  reporter: './spec/support/reporter.ts',
  spec: named ? [] : ['spec/**/*.spec.ts'],
  timeout: 60000,
}
