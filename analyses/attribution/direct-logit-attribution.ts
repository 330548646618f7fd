/**
 * Direct logit attribution: what each part of the model writes straight to a token's logit, past all later layers.
 * Where the view has an SAE, the part it reconstructs is told apart into its latents, its bias and its error.
 */
import { ArgumentError, MismatchError } from '../../lib/errors/errors.js'
import { type Answers } from '../../lib/core/metrics.js'
import { promptPositions } from '../../lib/core/positions.js'
import type { HookedModel } from '../../lib/model.js'
import { tokenOptionsOf, type Prompts, type TokenOptions } from '../../lib/tokens/tokens.js'
import { Result } from '../../lib/report/result/result.js'
import { parseHook } from '../../lib/transformer/hook-names.js'
import { plainPoint } from '../../lib/core/splice.js'
import type { AttachedSae } from '../../lib/core/view.js'
import { promptAxis } from '../../lib/core/labels.js'
import { LogitReader, type Row } from './logit-reader.js'

export interface DlaOptions extends TokenOptions {
  /** The token whose logit is taken apart: one for all prompts, or one for each. */
  readonly answer: Answers
  /** Take the difference to this token's logit. @default none: the answer's logit, less its mean over the vocabulary where W_U is centred */
  readonly wrong?: Answers
  /** @default -1, the last real token */
  readonly position?: number
  /** How many latents of each SAE get a row of their own; the others are summed. @default 20 */
  readonly latents?: number
}

/**
 * Parts of the logit (difference) at one position, in logits: axes [component, prompt]. Components: heads `L0H0` …,
 * `0_mlp_out` …, `embed`, `pos_embed`, latents `<hook> latent 7` …, `<hook> other latents`, `<hook> b_dec`,
 * `<hook> error`, `bias` (b_O and b_out), `b_U`, and `hooks`, what the view's own hook functions change. They sum to the logit (difference), which `extra.total` holds as the
 * model computed it; where logits are soft-capped, as it was before the cap. Scales of the final norm, and of norms
 * behind attention and MLPs, are taken as given, as TransformerLens's logit_attrs takes the final one's.
 * @throws MismatchError on a model whose final norm is not folded (foldLn: false)
 */
export async function directLogitAttribution(
  view: HookedModel,
  prompts: Prompts,
  options: DlaOptions,
): Promise<Result> {
  if (!view.processing.foldLn) {
    throw new MismatchError(
      `directLogitAttribution: ${view.name} was loaded with foldLn: false, so the final norm's weights would be left out. Load it with foldLn.`,
    )
  }
  const { latents = 20 } = options
  if (!Number.isInteger(latents) || latents < 0)
    throw new ArgumentError(`directLogitAttribution: latents is ${latents}. It must be a whole number, at least 0.`)
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  const positions = promptPositions(tokens, options.position ?? -1, 'directLogitAttribution')
  const ids = [
    view.answerIds('directLogitAttribution', options.answer, tokens),
    options.wrong === undefined ? undefined : view.answerIds('directLogitAttribution', options.wrong, tokens),
  ] as const
  const names = view.hookPoints.filter((p) => needed.test(p.name) && !p.onRequest).map((p) => p.name)
  const capped = view.config.finalSoftCap !== undefined // then logits are not what the parts add up to
  const ofAnswers = [...new Set(ids.flatMap((list) => list ?? []))]
  const logits = capped ? true : ofAnswers
  using cache = view.runWithCache(tokens, { names: capped ? [...names, BEFORE_CAP] : names, logits })
  const read = new LogitReader(view, cache, positions, ids)
  try {
    const total = capped ? read.total(cache.get(BEFORE_CAP)) : read.total(cache.logits, ofAnswers)
    const provenance = await view.provenance({ prependBos: options.prependBos ?? true })
    const parts = componentRows(view, read, latents)
    const rows = provenance.hooks ? [...parts, remainder(parts, total)] : parts
    return new Result({
      kind: 'direct logit attribution',
      title: options.wrong === undefined ? 'direct effect on the logit' : 'direct effect on the logit difference',
      unit: 'logits',
      values: Float32Array.from(rows.flatMap(([, values]) => [...values])),
      axes: [{ name: 'component', labels: rows.map(([label]) => label) }, promptAxis(view, tokens)],
      provenance,
      notes: notesOf(view),
      extra: { total: [...total] },
    })
  } finally {
    read.dispose()
  }
}

/** What a view's own hooks add to the residual stream, or take from it. */
function remainder(parts: readonly Row[], total: Float32Array): Row {
  return ['hooks', total.map((logit, b) => logit - parts.reduce((sum, [, values]) => sum + values[b]!, 0))]
}

/** What the numbers are not. */
function notesOf({ config, hookNames }: HookedModel): string[] {
  const { finalSoftCap: cap } = config
  const hasPostNorms = hookNames.some((name) => name.endsWith('.ln1_post.hook_scale'))
  return [
    ...(cap === undefined
      ? []
      : [`Logits are soft-capped at ${cap}: parts and total are those of the logit before its cap.`]),
    ...(hasPostNorms
      ? [
          'Heads pass one more norm: their parts hold for its scale in this run, which depends on all heads of the layer.',
        ]
      : []),
  ]
}

const BEFORE_CAP = 'unembed.hook_out'

const needed =
  /^hook_(pos_)?embed$|attn\.hook_z$|hook_mlp_out$|hook_resid_(pre|mid|post)$|mlp\.hook_post$|^ln_final\.hook_scale$|ln[12]_post\.hook_scale$|hook_sae_(acts_post|error|output)$/

/** Walks the residual stream from its last SAE on (what an SAE of the stream reads is taken apart by its latents). */
function componentRows(view: HookedModel, read: LogitReader, latents: number): Row[] {
  const { nLayers } = view.config
  const at = (hook: string) => writerAt(view, hook)
  const start = lastStreamSae(view)
  const stream: Row[] = start ? read.sae(start.sae, latents) : embeddings(view, read, latents)
  const heads: Row[] = []
  const mlps: Row[] = []
  const split: Row[] = []
  const biases: string[] = []
  for (let l = 0; l < nLayers; l++) {
    const block = `blocks.${l}`
    if (!start || l >= start.attnFrom) {
      const [whole, inner] = [at(`${block}.hook_attn_out`), at(`${block}.attn.hook_z`)]
      if (whole) split.push(...read.sae(whole, latents))
      else {
        biases.push(`${block}.attn.b_O`)
        if (inner) split.push(...read.sae(inner, latents))
        else read.heads(l).forEach((values, h) => heads.push([`L${l}H${h}`, values]))
      }
    }
    if (!start || l >= start.mlpFrom) {
      const [whole, inner] = [at(`${block}.hook_mlp_out`), at(`${block}.mlp.hook_post`)]
      if (inner && !whole) biases.push(`${block}.mlp.b_out`)
      const sae = whole ?? inner
      if (sae) split.push(...read.sae(sae, latents))
      else mlps.push([`${l}_mlp_out`, read.vector(`${block}.hook_mlp_out`)])
    }
  }
  return [...heads, ...mlps, ...stream, ...split, ['bias', read.biases(biases)], ['b_U', read.unembedBias()]]
}

const embeddings = (view: HookedModel, read: LogitReader, latents: number): Row[] =>
  ['embed', 'pos_embed'].flatMap((name): Row[] => {
    if (!view.hookNames.includes(`hook_${name}`)) return []
    const sae = writerAt(view, `hook_${name}`)
    return sae ? read.sae(sae, latents) : [[name, read.vector(`hook_${name}`)]]
  })

/** The SAE whose output goes on at a hook point: the last of those that sit there. */
function writerAt(view: HookedModel, hook: string): AttachedSae | undefined {
  return view.attached.filter(({ writesAt }) => plainPoint(writesAt) === hook).at(-1)
}

/** The last SAE on the residual stream itself, and the first layers whose attention and MLP write behind it. */
function lastStreamSae(view: HookedModel): { sae: AttachedSae; attnFrom: number; mlpFrom: number } | undefined {
  const order = ['hook_resid_pre', 'hook_resid_mid', 'hook_resid_post']
  const found = view.attached.flatMap((sae) => {
    const { layer, local } = parseHook(plainPoint(sae.writesAt))
    const place = order.indexOf(local)
    return layer === undefined || place < 0 ? [] : [{ sae, layer, place }]
  })
  const last = found.sort((a, b) => a.layer * 3 + a.place - b.layer * 3 - b.place).at(-1)
  return (
    last && {
      sae: last.sae,
      attnFrom: last.place > 0 ? last.layer + 1 : last.layer,
      mlpFrom: last.place > 1 ? last.layer + 1 : last.layer,
    }
  )
}
