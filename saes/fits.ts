/** Whether an SAE belongs to a model: hook point, width, and the weight processing it was trained on. */
import { MismatchError } from '../lib/errors/errors.js'
import { checkHookName } from '../lib/core/hook-filters.js'
import type { ModelFacts } from '../lib/core/splice.js'
import type { ProcessingFlags } from '../lib/weights/process.js'
import type { SaeConfig } from './config.js'

/**
 * Refuses a model the SAE was not made for: no such hook point, another width, or weights processed otherwise where that
 * changes this activation. `force` accepts other processing.
 * @throws HookError, MismatchError
 */
export function checkFits(config: SaeConfig, label: string, model: ModelFacts, force: boolean): void {
  checkWidth(config.hookName, config.dIn, config.flattenHeads, `takes ${config.dIn} numbers`, label, model)
  if (config.hookNameOut !== undefined) checkOutput(config.hookName, config.hookNameOut, config.dOut!, label, model)
  if (!force) checkProcessing(config, label, model)
}

function checkWidth(hook: string, numbers: number, flat: boolean, does: string, label: string, model: ModelFacts) {
  checkHookName('withSaes', hook, model)
  const features = model.featureShape(hook)
  const width = features.reduce((product, n) => product * n, 1)
  if (features.length > 1 === flat && width === numbers) return
  throw new MismatchError(
    `withSaes: the SAE '${label}' ${does}, but ${hook} of ${model.name} gives [B,P,${features}]. Use an SAE trained on this model.`,
  )
}

/** What a transcoder writes must fit, and come behind what it reads. */
function checkOutput(hook: string, output: string, numbers: number, label: string, model: ModelFacts): void {
  checkWidth(output, numbers, false, `writes ${numbers} numbers`, label, model)
  const place = (name: string) => model.hookPoints.findIndex((point) => point.name === name)
  if (place(output) > place(hook)) return
  throw new MismatchError(
    `withSaes: the transcoder '${label}' reads ${hook} and writes ${output}, which ${model.name} computes first. It must write behind where it reads.`,
  )
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
