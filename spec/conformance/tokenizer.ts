/** What a model record says of its tokenizer: texts and ids, positions, padding. */
import * as tf from '@tensorflow/tfjs'
import { TokenError } from '../../lib/errors/errors.js'
import type { HookedModel } from '../../lib/model.js'
import type { PaddingSide } from '../../lib/tokens/tokens.js'
import type { CheckList } from './check.js'
import { takeNumber, type ModelRuns } from './model-runs.js'

interface TokenizerFacts {
  readonly texts: readonly TextFacts[]
  readonly truncation: {
    readonly text: string
    readonly truncated_length: number
    readonly untruncated_length: number
    readonly truncated_last_ids: readonly number[]
  }
  readonly batch: { readonly texts: readonly string[]; readonly cases: readonly BatchFacts[] }
  readonly get_token_position: readonly PositionFacts[]
  readonly to_single_token: readonly { readonly text: string; readonly id: number }[]
  readonly to_single_token_error?: { readonly text: string }
}
interface TextFacts {
  readonly text: string
  readonly to_string: string
  readonly round_trip: boolean
  readonly [key: `to_tokens_${string}`]: readonly number[]
}
interface BatchFacts {
  readonly padding_side: PaddingSide
  readonly prepend_bos: boolean
  readonly tokens: readonly (readonly number[])[]
  readonly attention_mask: readonly (readonly number[])[]
}
interface PositionFacts {
  readonly token: string
  readonly text: string
  readonly mode: 'first' | 'last'
  readonly prepend_bos: boolean
  /** Null where TransformerLens refuses. */
  readonly position: number | null
}

export function addTokenizerFacts(list: CheckList, runs: ModelRuns): void {
  const { tokenizer, string_loss, left_padded_strings } = runs.record.expected as {
    tokenizer?: TokenizerFacts
    string_loss?: { text: string; prepend_bos: boolean; loss: number }
    left_padded_strings?: { texts: string[] }
  }
  const model = () => runs.processed()
  if (tokenizer) addFacts(list, model, tokenizer)
  if (string_loss) {
    const { text, prepend_bos: prependBos, loss } = string_loss
    const atol = runs.expected.scalars?.['tl/loss']?.atol ?? 0
    list.number('string_loss', loss, { atol }, async () => (await model()).loss(text, { prependBos }))
  }
  if (left_padded_strings) {
    const atol = runs.record.entry('tl/logits').atol ?? 0
    list.number('left_padded_strings', 0, { atol }, async () => paddingEffect(await model(), left_padded_strings.texts))
  }
}

function addFacts(list: CheckList, model: () => Promise<HookedModel>, facts: TokenizerFacts): void {
  const special = specialFacts(facts)
  list.fact('tokenizer/special', special, async () => pick(specialOf(await model()), Object.keys(special)))
  facts.texts.forEach((recorded, i) => {
    list.fact(`tokenizer/texts/${i}`, recorded, async () =>
      pick(textFacts(await model(), recorded), Object.keys(recorded)),
    )
  })
  const { text, ...lengths } = facts.truncation
  list.fact('tokenizer/truncation', lengths, async () => truncationOf(await model(), text))
  facts.batch.cases.forEach((recorded, i) => {
    list.fact(`tokenizer/batch/${i}`, recorded, async () => batchOf(await model(), facts.batch.texts, recorded))
  })
  facts.get_token_position.forEach((recorded, i) => {
    const { token, text: where, mode, prepend_bos: prependBos } = recorded
    list.fact(`tokenizer/get_token_position/${i}`, recorded.position, async () => {
      const subject = await model()
      return unlessRefused(() => subject.getTokenPosition(token, where, { mode, prependBos }))
    })
  })
  for (const { text: single, id } of facts.to_single_token) {
    list.fact(`tokenizer/to_single_token/${single}`, id, async () => (await model()).toSingleToken(single))
  }
  const several = facts.to_single_token_error?.text
  if (several !== undefined) {
    list.fact('tokenizer/to_single_token_error', null, async () => {
      const subject = await model()
      return unlessRefused(() => subject.toSingleToken(several))
    })
  }
}

/** The facts that are plain numbers, texts and flags. */
function specialFacts(facts: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => typeof value !== 'object'))
}

function specialOf(model: HookedModel): Record<string, unknown> {
  const tokenizer = model.tokenizer!
  const text = (id: number | undefined) => (id === undefined ? null : tokenizer.tokenString(id))
  const { bosId, eosId, padId } = tokenizer
  return {
    vocab_size: tokenizer.vocabSize,
    bos_token_id: bosId,
    eos_token_id: eosId,
    pad_token_id: padId,
    bos_token: text(bosId),
    eos_token: text(eosId),
    pad_token: text(padId),
    tokenizer_prepends_bos: tokenizer.prependsBos,
    default_prepend_bos: model.toTokens('').rows[0]![0] === bosId,
    n_ctx: model.config.nCtx,
  }
}

function textFacts(model: HookedModel, { text }: TextFacts): Record<string, unknown> {
  const withoutBos = text === '' ? [] : model.toTokens(text, { prependBos: false }).rows[0]!
  const back = model.toString(withoutBos)
  return {
    text,
    to_tokens_bos: model.toTokens(text).rows[0],
    to_str_tokens_bos: model.toStrTokens(text),
    to_tokens_no_bos: withoutBos,
    to_str_tokens_no_bos: model.toStrTokens(text, { prependBos: false }),
    to_string: back,
    round_trip: back === text,
  }
}

function truncationOf(model: HookedModel, text: string): unknown {
  const [cut] = model.toTokens(text).rows
  return {
    truncated_length: cut!.length,
    untruncated_length: 1 + model.tokenizer!.encode(text).length, // toTokens refuses what the context cannot hold
    truncated_last_ids: cut!.slice(-5),
  }
}

function batchOf(model: HookedModel, texts: readonly string[], recorded: BatchFacts): BatchFacts {
  const { padding_side: paddingSide, prepend_bos: prependBos } = recorded
  const { rows, mask } = model.toTokens(texts, { paddingSide, prependBos })
  return { ...recorded, tokens: rows, attention_mask: mask ?? rows.map((row) => row.map(() => 1)) }
}

/** The largest change of the second text's logits when it is padded on the left to the length of the first. */
function paddingEffect(model: HookedModel, texts: readonly string[]): number {
  return takeNumber(
    tf.tidy(() => {
      const alone = model.run(texts[1]!)
      const padded = model.run(texts, { paddingSide: 'left' })
      const { shape } = alone
      return padded
        .slice([1, padded.shape[1] - shape[1], 0], shape)
        .sub(alone)
        .abs()
        .max()
    }),
  )
}

function pick(facts: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.map((key) => [key, facts[key]]))
}

/** What the call gives, or null when the library refuses its tokens. */
function unlessRefused(call: () => number): number | null {
  try {
    return call()
  } catch (error) {
    if (error instanceof TokenError) return null
    throw error
  }
}
