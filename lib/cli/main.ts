#!/usr/bin/env node
/** The command line of users, `tfjs-lens COMMAND`. */
import * as ioi from './ioi.js'
import { runProgram } from './program.js'
import * as repl from './repl.js'

await runProgram('tfjs-lens', 'Mechanistic interpretability in TypeScript on TensorFlow.js', [ioi, repl])
