/** Whether an SAE belongs to a model: hook point, width, and the weight processing it was trained on. */
import { MismatchError } from '../lib/errors.js'
import { checkHookName } from '../lib/hooks.js'
import type { ModelFacts } from '../lib/splice.js'
import type { ProcessingFlags } from '../lib/weights/process.js'
import type { SaeConfig } from './config.js'

/**
 * Refuses a model the SAE was not made for: no such hook point, another width, or weights processed otherwise where that
 * changes this activation. `force` accepts other processing.
 * @throws HookError, MismatchError
 */
export function checkFits(cfg: SaeConfig, label: string, model: ModelFacts, force: boolean): void {
  checkHookName('withSaes', cfg.hookName, model.hookPoints, model.name)
  const features = model.featureShape(cfg.hookName)
  const width = features.reduce((product, n) => product * n, 1)
  if (features.length > 1 !== cfg.flattenHeads || width !== cfg.dIn) {
    throw new MismatchError(
      `withSaes: the SAE '${label}' takes ${cfg.dIn} numbers, but ${cfg.hookName} of ${model.name} gives [B,P,${features}]. Use an SAE trained on this model.`,
    )
  }
  if (!force) checkProcessing(cfg, label, model)
}

function checkProcessing({ processing, hookName }: SaeConfig, label: string, model: ModelFacts): void {
  const flags = Object.entries(processing) as [keyof ProcessingFlags, boolean][]
  const wrong = flags.filter(([flag, wanted]) => model.processing[flag] !== wanted && model.dependsOn(flag, hookName))
  if (wrong.length === 0) return
  const wants = wrong.map(([flag, wanted]) => `${flag}: ${wanted}`).join(', ')
  throw new MismatchError(
    `withSaes: the SAE '${label}' was trained with { ${wants} }, which changes ${hookName}; ${model.name} was loaded otherwise. ` +
      `Load the model with process: { ${wants} }, or pass force: true.`,
  )
}
