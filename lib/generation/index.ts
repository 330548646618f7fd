/** The door of generation. */
export { Generation, generate } from './generation.js'
export { generateOptionNames, type GenerateOptions } from './options.js'
export { streamTokens, type GenerationStep, type GenerationTask } from './steps.js'
