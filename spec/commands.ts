/** The command line of the repository: harnesses that hold the library to recorded numbers and to its peers' speed. */
import { runProgram } from '../lib/cli/program.js'
import * as bench from './bench/main.js'
import * as conformance from './conformance/main.js'

await runProgram('commands', "tfjs-lens's harnesses", [conformance, bench])
