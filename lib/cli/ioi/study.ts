/** The IOI study as data: every number that the command prints and plots. */
import { ablation } from '../../../analyses/patching/ablation.js'
import { activationPatching } from '../../../analyses/patching/activation-patching.js'
import { attributionPatching } from '../../../analyses/attribution/attribution-patching.js'
import { directLogitAttribution } from '../../../analyses/attribution/direct-logit-attribution.js'
import type { IoiPrompt } from '../../../analyses/prompts/ioi-prompts.js'
import { logitDiff } from '../../core/metrics.js'
import type { HookedModel } from '../../model.js'
import { progressOf } from '../../report/terminal/progress.js'
import type { Provenance } from '../../report/result/provenance.js'
import { Result } from '../../report/result/result.js'
import { latents } from '../../core/sites.js'
import type { Attachable } from '../../core/splice.js'
import { pearson } from '../../stats/correlation.js'

/** Latents of one SAE at the last position: estimate beside exact effect, each [latent, prompt]. */
export interface LatentStudy {
  readonly sae: string
  readonly hook: string
  readonly attribution: Result
  readonly ablation: Result
  /** Pearson's, over all pairs of latent and prompt where the latent fires; null when one side is constant. */
  readonly correlation: number | null
}

export interface IoiStudy {
  readonly prompts: readonly IoiPrompt[]
  readonly logitDiff: Result
  readonly components: Result
  readonly componentsWithSaes: Result
  readonly heads: Result
  readonly residual: Result
  readonly latents: readonly LatentStudy[]
  readonly provenance: Provenance
}

/**
 * Patching runs the corrupted prompts with activations of the clean ones, so that a place is important which restores
 * the answer. SAEs are attached with their error term: the model then computes what it did without them.
 */
export async function studyIoi(
  model: HookedModel,
  saes: readonly Attachable[],
  prompts: readonly IoiPrompt[],
  seed: number,
): Promise<IoiStudy> {
  const [clean, corrupt] = [prompts.map((p) => p.clean), prompts.map((p) => p.corrupt)]
  const [answer, wrong] = [prompts.map((p) => p.answer), prompts.map((p) => p.wrong)]
  const metric = logitDiff(answer, wrong)
  const view = model.withSaes(saes, { errorTerm: true })
  const components = await directLogitAttribution(model, clean, { answer, wrong })
  const patch = { metric, source: clean }
  const latents: LatentStudy[] = []
  const study = {
    prompts,
    components,
    logitDiff: await logitDifferences(model, prompts, components, seed),
    componentsWithSaes: await directLogitAttribution(view, clean, { answer, wrong, latents: 10 }),
    heads: await activationPatching(model, corrupt, {
      ...patch,
      target: 'heads',
      onProgress: progressOf('patching heads'),
    }),
    residual: await activationPatching(model, corrupt, {
      ...patch,
      target: 'resid_pre',
      onProgress: progressOf('patching the residual stream'),
    }),
    latents,
    provenance: await view.provenance({ prependBos: true, seed }),
  }
  for (const sae of saes) latents.push(await studyLatents(model.withSaes(sae, { errorTerm: true }), sae, clean, metric))
  return study
}

/** The logit difference of each prompt, clean and corrupted: axes [prompt, run]. */
async function logitDifferences(
  model: HookedModel,
  prompts: readonly IoiPrompt[],
  components: Result,
  seed: number,
): Promise<Result> {
  const [answer, wrong] = [prompts.map((p) => p.answer), prompts.map((p) => p.wrong)]
  const corrupted = await directLogitAttribution(
    model,
    prompts.map((p) => p.corrupt),
    { answer, wrong },
  )
  const [clean, corrupt] = [components.extra['total'] as number[], corrupted.extra['total'] as number[]]
  return new Result({
    kind: 'logit difference',
    title: 'logit difference, answer − wrong name',
    unit: 'logits',
    values: Float32Array.from(clean.flatMap((value, i) => [value, corrupt[i]!])),
    axes: [components.axes[1]!, { name: 'run', labels: ['clean', 'corrupted'] }],
    provenance: await model.provenance({ prependBos: true, seed }),
  })
}

/** Attribution for all latents, exact ablation for those that fire at the last position of any prompt. */
async function studyLatents(
  view: HookedModel,
  sae: Attachable,
  clean: readonly string[],
  metric: ReturnType<typeof logitDiff>,
): Promise<LatentStudy> {
  const position = -1
  const attribution = await attributionPatching(view, clean, { metric, position })
  const acts = `${sae.hookName}.hook_sae_acts_post`
  const firing = await firingLatents(view, clean, acts)
  const label = `ablating ${firing.latents.length} latents of ${sae.label}`
  const exact = await ablation(view, clean, {
    metric,
    position,
    target: latents(sae, ...firing.latents),
    onProgress: progressOf(label),
  })
  const estimated = attributionOf(attribution, firing.latents)
  const pairs = firing.active.flatMap((row, i) =>
    row.flatMap((fires, b) => (fires ? [[estimated.at(i, b), exact.at(i, b)] as const] : [])),
  )
  const correlation = pearson(
    pairs.map(([x]) => x),
    pairs.map(([, y]) => y),
  )
  return {
    sae: sae.label,
    hook: sae.hookName,
    attribution: estimated,
    ablation: exact,
    correlation: Number.isNaN(correlation) ? null : correlation,
  }
}

/** Latents that fire at the last position of any prompt, and in which prompts each does. */
async function firingLatents(
  view: HookedModel,
  prompts: readonly string[],
  name: string,
): Promise<{ latents: number[]; active: boolean[][] }> {
  using cache = view.runWithCache(prompts, { names: name, positions: -1, logits: false })
  const activations = cache.get(name) // [B,1,S]
  const [batch, , width] = activations.shape as [number, number, number]
  const values = await activations.data()
  const rows = Array.from({ length: batch }, (_, b) => [...values.subarray(b * width, (b + 1) * width)])
  const all = rows[0]!.map((_, latent) => latent)
  const latents = all.filter((latent) => rows.some((row) => row[latent]! > 0))
  return { latents, active: latents.map((latent) => rows.map((row) => row[latent]! > 0)) }
}

/** The attribution [prompt, latent] of some latents as [latent, prompt], the axes of the ablation. */
function attributionOf(attribution: Result, latents: readonly number[]): Result {
  const { kind, title, unit, provenance, extra } = attribution
  const prompts = attribution.axes[0]!
  return new Result({
    kind,
    title,
    unit,
    provenance,
    extra,
    values: Float32Array.from(latents.flatMap((latent) => prompts.labels.map((_, b) => attribution.at(b, latent)))),
    axes: [{ name: 'latent', labels: latents.map((latent) => `latent ${latent}`) }, prompts],
  })
}
