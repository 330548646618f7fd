/**
 * The `gen/` and `sample/` tensors of a model record: greedy generation, and the probabilities that tokens are drawn
 * from.
 */
import * as tf from '@tensorflow/tfjs'
import type { GenerateOptions } from '../../lib/generation/index.js'
import { samplingProbabilities } from '../../lib/generation/sampling.js'
import { Tokens } from '../../lib/tokens/tokens.js'
import type { CheckList, Routes } from './check.js'
import { rowsOf, type ModelRuns } from './model-runs.js'

interface Recorded {
  readonly generation?: { readonly new_tokens: number; readonly eos_token_id_of_gen_ids_stop: number }
  readonly sample_cases?: Readonly<
    Record<string, { temperature?: number; top_k?: number; top_p?: number; freq_penalty?: number }>
  >
  readonly observations?: {
    readonly left_padded_prompt?: { readonly prompt: number[][]; readonly row_alone: number[] }
  }
}

export function generationRoutes(runs: ModelRuns): Routes {
  return [
    [/^gen\/ids$/, () => generatedIds(runs, { stopAtEos: false })],
    [
      /^gen\/ids_stop$/,
      () => generatedIds(runs, { stopAtEos: true, eosId: recorded(runs).generation!.eos_token_id_of_gen_ids_stop }),
    ],
    [/^gen\/last_logits$/, () => lastLogits(runs)],
    [/^sample\/(?!input_)(\w+)$/, (name) => probabilities(runs, name!)],
  ]
}

/** A padded row generates what the row alone does. */
export function addGenerationFacts(list: CheckList, runs: ModelRuns): void {
  const said = recorded(runs).observations?.left_padded_prompt
  if (!said) return
  list.fact('observations/left_padded_prompt/row_alone', said.row_alone, async () => {
    const model = await runs.processed()
    const padId = said.prompt[1]![0]!
    const real = said.prompt[1]!.filter((id) => id !== padId)
    const prompts = Tokens.padded([said.prompt[0]!, real], padId, 'left')
    using generation = await model.generate(prompts, {
      ...greedy,
      maxNewTokens: said.row_alone.length,
      stopAtEos: false,
    })
    return generation.newIds[1]
  })
}

const greedy = { sample: false } as const
const recorded = (runs: ModelRuns): Recorded => runs.record.expected as Recorded

async function prompts(runs: ModelRuns): Promise<Tokens> {
  return new Tokens(rowsOf(await runs.record.read('gen/prompt')))
}

async function generatedIds(runs: ModelRuns, options: GenerateOptions): Promise<tf.Tensor> {
  const maxNewTokens = recorded(runs).generation!.new_tokens
  using generation = await (
    await runs.processed()
  ).generate(await prompts(runs), { ...greedy, ...options, maxNewTokens })
  return tf.tensor2d(generation.rows as number[][], undefined, 'int32')
}

async function lastLogits(runs: ModelRuns): Promise<tf.Tensor> {
  const options = { ...greedy, stopAtEos: false, maxNewTokens: recorded(runs).generation!.new_tokens, logits: true }
  using generation = await (await runs.processed()).generate(await prompts(runs), options)
  return generation.logits!.clone()
}

async function probabilities(runs: ModelRuns, name: string): Promise<tf.Tensor> {
  const { temperature, top_k: topK, top_p: topP, freq_penalty: freqPenalty } = recorded(runs).sample_cases![name]!
  const logits = await runs.record.read('sample/input_logits')
  const seen = rowsOf(await runs.record.read('sample/input_tokens'))
  const [rows, vocab] = logits.shape as [number, number]
  const drawn = seen.map((row, b) =>
    Float32Array.from(
      samplingProbabilities(
        logits.values.subarray(b * vocab, (b + 1) * vocab),
        { temperature, topK, topP, freqPenalty },
        row,
      ),
    ),
  )
  return tf.tensor2d(
    drawn.flatMap((row) => [...row]),
    [rows, vocab],
  )
}
