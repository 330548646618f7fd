/** How good an SAE is. */
export { reconstructionLoss, ReconstructionLoss, type ReconstructionLossOptions } from './reconstruction-loss.js'
export { evaluateSae, type EvaluationOptions } from './sae-evaluation.js'
export { SaeEvaluation, type EvaluationMetrics } from './sae-evaluation-result.js'
