/**
 * What is known of models, their weights and their circuits. `loadModel` is in `tfjs-lens`.
 * @module tfjs-lens/models
 */
export type { LoadEvent } from './load-model.js'
export type { Gpt2Config } from './gpt2.js'
export type { GptNeoConfig } from './gpt-neo.js'
export type { GptNeoxConfig } from './gpt-neox.js'
export type { GemmaConfig } from './gemma.js'
export type { Gemma2Config } from './gemma2.js'
export type { LlamaConfig } from './llama-config.js'
export type { NeelConfig } from './neel.js'
export type { Qwen2Config } from './qwen2.js'
export { pocketText } from './pocket-text.js'
export type { Architecture, ForwardInput, ModelConfig } from '../lib/transformer/architecture.js'
export type { At } from '../lib/core/hooks.js'
export { compositionScores, copyingScore, ovCircuit, qkCircuit } from '../lib/residual/circuits.js'
export type { Parts, PartsOptions } from '../lib/residual/decompose.js'
export { FactoredMatrix, type Complex, type Dense, type Svd } from '../lib/residual/factored-matrix.js'
export type { SelfCheck } from '../lib/core/self-check.js'
export { residualDirections } from '../lib/transformer/unembed.js'
export { allProcessing, noProcessing, type ProcessingFlags } from '../lib/weights/process.js'
