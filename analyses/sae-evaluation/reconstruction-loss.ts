/** What the model loses at one position when an SAE's reconstruction, or nothing, stands in for the activation. */
import { z } from 'zod'
import type { HookName } from '../../lib/core/hooks.js'
import { progressOptionNames } from '../../lib/core/job-options.js'
import type { AttachedSae } from '../../lib/core/view.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { Result } from '../../lib/report/result/result.js'
import { readResult } from '../../lib/report/result/result-json.js'
import { numberField } from '../../lib/report/result/saved.js'
import { tokenOptionsOf, type Prompts, tokenOptionNames, type Tokens } from '../../lib/tokens/tokens.js'
import type { Sae } from '../../saes/index.js'
import { saeWithError } from '../attached-saes.js'
import { errorOut, lossesAt, type EditThere } from '../loss-sweep.js'
import { lossPositions, lossRecovered } from '../losses.js'
import { compareLosses, withoutError, withReplaced, type CompareLossesOptions } from '../patching/index.js'
import type { PromptPositions } from '../prompt-positions.js'

/** Which SAE `reconstructionLoss` looks at, and where. */
export interface ReconstructionLossOptions extends CompareLossesOptions {
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

const optionNames: OptionNames<ReconstructionLossOptions> = {
  ...tokenOptionNames,
  ...progressOptionNames,
  position: true,
  hook: true,
}

type About = {
  readonly position: 'all' | number | readonly number[]
  readonly lossRecovered: number
}

/** Axes [prompt, condition], nats: what `reconstructionLoss` returns. */
export class ReconstructionLoss extends Result<About> {
  static override readonly format: string = 'tfjs-lens-reconstruction-loss'
  static readonly extraSchema: z.ZodType<About> = z.object({
    position: z.union([z.literal('all'), z.int(), z.array(z.int())]),
    lossRecovered: numberField,
  })

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static override fromJSON(value: unknown): ReconstructionLoss {
    return new ReconstructionLoss(readResult(value, ReconstructionLoss))
  }

  /** (ablated − encoded) / (ablated − original) of the means over prompts; NaN where the ablation costs nothing. */
  get lossRecovered(): number {
    return this.extra.lossRecovered
  }

  /** Whose prediction is judged. */
  get position(): PromptPositions {
    return this.extra.position
  }
}

/**
 * Losses of each prompt with the activation as it is, 0, and the reconstruction of the view's SAE (attached with its
 * error term), changed only at the position whose prediction is judged: axes [prompt, condition], conditions
 * `original`, `ablated`, `encoded`; nats.
 *
 * @example
 * const losses = await reconstructionLoss(model.withSaes(sae, { errorTerm: true }), prompts)
 * console.log(losses.lossRecovered)
 * @throws ArgumentError when the SAE is attached without its error term; HookError
 */
export async function reconstructionLoss(
  view: HookedModel,
  prompts: Prompts,
  options: ReconstructionLossOptions = {},
): Promise<ReconstructionLoss> {
  checkOptions('reconstructionLoss', options, optionNames)
  const { hook, position = -2, ...rest } = options
  const attached = saeWithError('reconstructionLoss', view, hook)
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  const losses =
    typeof position === 'number'
      ? await lossesAt(view, tokens, {
          name: 'reconstructionLoss',
          position,
          interventions: changes(attached),
          options: rest,
        })
      : await compareLosses(changedViews(view, attached, { tokens, position }), tokens, { ...rest, position })
  const mean = (condition: string) => losses.select('condition', condition).mean('prompt').at()
  return new ReconstructionLoss({
    ...losses,
    kind: 'reconstruction loss',
    extra: {
      position: typeof position === 'object' ? [...position] : position,
      lossRecovered: lossRecovered(mean('original'), mean('ablated'), mean('encoded')),
    },
  })
}

/** The conditions as edits of a sweep, for one position. */
function changes({ writesAt }: AttachedSae<Sae>): Record<'ablated' | 'encoded', EditThere[]> {
  return { ablated: [{ hook: writesAt, to: 'zero' }], encoded: [errorOut(writesAt)] }
}

/** The conditions as views, for positions of each prompt's own. */
function changedViews(
  view: HookedModel,
  attached: AttachedSae<Sae>,
  { tokens, position }: { readonly tokens: Tokens; readonly position: Exclude<PromptPositions, number> },
): Record<'original' | 'ablated' | 'encoded', HookedModel> {
  const positions = lossPositions('reconstructionLoss', tokens, position)
  return {
    original: view,
    ablated: withReplaced(view, { hook: attached.writesAt }, { positions }),
    encoded: withoutError(view, { positions, hook: attached.readsAt }),
  }
}
