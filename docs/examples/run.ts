/** Runs a script of this folder by its name: `npm run example -- ioi --out out/ioi`, or lists them all. DEBUG=1 shows where an error is from. */
import { readdirSync, readFileSync } from 'node:fs'
import { didYouMean } from '../../lib/errors/nearest.js'

const here = new URL('.', import.meta.url)
const names = readdirSync(here).flatMap((file) => (/^(?!run\b).*\.ts$/.test(file) ? [file.slice(0, -3)] : []))

/** The first line of a script's own description. */
function about(name: string): string {
  return /^ \* (.*)$/m.exec(readFileSync(new URL(`${name}.ts`, here), 'utf8'))![1]!
}

const [name] = process.argv.splice(2, 1)
const list = names.map((each) => `  ${each.padEnd(18)} ${about(each)}`).join('\n')
if (name === undefined || name === '--help') {
  console.log(`npm run example -- NAME [options], --help tells which\n${list}`)
} else if (names.includes(name)) {
  await import(new URL(`${name}.ts`, here).href).catch((error: unknown) => {
    if (process.env['DEBUG']) throw error
    console.error(error instanceof Error ? `${error.name}: ${error.message}` : error)
    process.exitCode = 1
  })
} else {
  console.error(`example: there is no '${name}'.${didYouMean(name, names)} There are\n${list}`)
  process.exitCode = 1
}
