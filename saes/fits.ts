/** Whether an SAE belongs to a model: hook point, width, and the weight processing it was trained on. */
import { MismatchError } from '../lib/errors/errors.js'
import { checkHookName } from '../lib/core/hook-filters.js'
import type { ModelFacts } from '../lib/core/splice.js'
import type { ProcessingFlags } from '../lib/weights/process.js'
import type { SaeConfig } from './config.js'

/** What has to fit a model. */
interface Fitted {
  readonly config: SaeConfig
  readonly label: string
}

/**
 * Refuses a model the SAE was not made for: no such hook point, another width, or weights processed otherwise where
 * that changes this activation. `force` accepts other processing.
 * @throws HookError, MismatchError
 */
export function checkFits(sae: Fitted, model: ModelFacts, force: boolean): void {
  const { hookName, dIn, flattenHeads, hookNameOut, dOut = dIn } = sae.config
  const reads = { hook: hookName, numbers: dIn, flat: flattenHeads, does: `takes ${dIn} numbers` }
  checkWidth(sae, reads, model)
  if (hookNameOut !== undefined) {
    checkWidth(sae, { hook: hookNameOut, numbers: dOut, flat: false, does: `writes ${dOut} numbers` }, model)
    checkOrder(sae, hookNameOut, model)
  }
  if (!force) checkProcessing(sae, model)
}

/** What an SAE reads or writes, and the words for it. */
interface End {
  readonly hook: string
  readonly numbers: number
  /** Whether the activation has more than one axis, which are flattened. */
  readonly flat: boolean
  readonly does: string
}

function checkWidth({ label }: Fitted, { hook, numbers, flat, does }: End, model: ModelFacts): void {
  checkHookName('withSaes', hook, model)
  const features = model.featureShape(hook)
  const width = features.reduce((product, n) => product * n, 1)
  if (features.length > 1 === flat && width === numbers) return
  throw new MismatchError(
    `withSaes: the SAE '${label}' ${does}, but ${hook} of ${model.name} gives [B,P,${features}]. ` +
      'Use an SAE trained on this model.',
  )
}

/** A transcoder must write after where it reads. */
function checkOrder({ label, config: { hookName } }: Fitted, output: string, model: ModelFacts): void {
  const place = (name: string) => model.hookPoints.findIndex((point) => point.name === name)
  if (place(output) > place(hookName)) return
  throw new MismatchError(
    `withSaes: the transcoder '${label}' reads ${hookName} and writes ${output}, which ${model.name} computes first. ` +
      'It must write after where it reads.',
  )
}

function checkProcessing({ label, config: { processing, hookName } }: Fitted, model: ModelFacts): void {
  const flags = Object.entries(processing) as [keyof ProcessingFlags, boolean][]
  const wrong = flags.filter(([flag, wanted]) => model.processing[flag] !== wanted && model.dependsOn(flag, hookName))
  if (wrong.length === 0) return
  const wants = wrong.map(([flag, wanted]) => `${flag}: ${wanted}`).join(', ')
  throw new MismatchError(
    `withSaes: the SAE '${label}' was trained with { ${wants} }, which changes ${hookName}; ` +
      `${model.name} was loaded otherwise. Load the model with process: { ${wants} }, or pass force: true.`,
  )
}
