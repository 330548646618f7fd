/** Short names of models, TransformerLens's among them, and the repositories of the Hugging Face hub they stand for. */

export interface KnownModel {
  /** `org/name` as the hub and Python's cache write it. */
  readonly repository: string
  /** The context TransformerLens gives the model, in tokens, where it is not the one of its config.json. */
  readonly nCtx?: number
}

const pythiaSizes = ['70m', '160m', '410m', '1b', '1.4b', '2.8b', '6.9b', '12b']
const instruct = (names: readonly string[]) => names.flatMap((name) => [name, `${name}-Instruct`])

/** Repositories that go by the last part of their id, by owner. */
const plain: Readonly<Record<string, readonly string[]>> = {
  EleutherAI: [
    'gpt-neox-20b',
    'pythia-14m',
    'pythia-31m',
    ...pythiaSizes.flatMap((size) => ['', '-deduped', '-v0', '-deduped-v0'].map((kind) => `pythia-${size}${kind}`)),
    ...[1, 2, 3].map((seed) => `pythia-160m-seed${seed}`),
  ],
  google: ['gemma-2b', 'gemma-7b', 'gemma-2-2b', 'gemma-2-9b', 'gemma-2-27b'].flatMap((name) => [name, `${name}-it`]),
  'meta-llama': [
    ...instruct([
      'Meta-Llama-3-8B',
      'Meta-Llama-3-70B',
      'Llama-3.1-8B',
      'Llama-3.1-70B',
      'Llama-3.2-1B',
      'Llama-3.2-3B',
    ]),
    'Llama-3.3-70B-Instruct',
  ],
  HuggingFaceTB: instruct([
    'SmolLM-135M',
    'SmolLM-360M',
    'SmolLM-1.7B',
    'SmolLM2-135M',
    'SmolLM2-360M',
    'SmolLM2-1.7B',
  ]),
  Qwen: [
    ...['0.5B', '1.8B', '4B', '7B', '14B'].flatMap((size) => [`Qwen1.5-${size}`, `Qwen1.5-${size}-Chat`]),
    ...instruct(['Qwen2-0.5B', 'Qwen2-1.5B', 'Qwen2-7B']),
    ...instruct(['0.5B', '1.5B', '3B', '7B', '14B', '32B', '72B'].map((size) => `Qwen2.5-${size}`)),
  ],
}

/** Repositories with names of their own. */
const named: Readonly<Record<string, readonly string[]>> = {
  gpt2: ['gpt2-small'],
  'gpt2-medium': [],
  'gpt2-large': [],
  'gpt2-xl': [],
  distilgpt2: ['distillgpt2', 'distill-gpt2', 'distil-gpt2', 'gpt2-xs'],
  'EleutherAI/gpt-neo-125M': ['gpt-neo-125M', 'gpt-neo-small', 'neo-small', 'neo'],
  'EleutherAI/gpt-neo-1.3B': ['gpt-neo-1.3B', 'gpt-neo-medium', 'neo-medium'],
  'EleutherAI/gpt-neo-2.7B': ['gpt-neo-2.7B', 'gpt-neo-large', 'neo-large'],
  'roneneldan/TinyStories-1Layer-21M': ['tiny-stories-1L-21M'],
  'roneneldan/TinyStories-2Layers-33M': ['tiny-stories-2L-33M'],
  'roneneldan/TinyStories-Instuct-1Layer-21M': ['tiny-stories-instruct-1L-21M'], // its owner's spelling
  'roneneldan/TinyStories-Instruct-2Layers-33M': ['tiny-stories-instruct-2L-33M'],
  'NeelNanda/Attn-Only-2L512W-Shortformer-6B-big-lr': [
    'attn-only-2l-demo',
    'attn-only-2l-induction-demo',
    'attn-only-demo',
  ],
  'NeelNanda/SoLU_1L512W_Wiki_Finetune': ['solu-1l-wiki', 'solu-1l-wiki-finetune', 'solu-1l-finetune'],
  'NeelNanda/SoLU_4L512W_Wiki_Finetune': ['solu-4l-wiki', 'solu-4l-wiki-finetune', 'solu-4l-finetune'],
  'meta-llama/Llama-2-7b-hf': ['Llama-2-7b'],
  'meta-llama/Llama-2-7b-chat-hf': ['Llama-2-7b-chat'],
  'meta-llama/Llama-2-13b-hf': ['Llama-2-13b'],
  'meta-llama/Llama-2-13b-chat-hf': ['Llama-2-13b-chat'],
  'meta-llama/Llama-2-70b-chat-hf': ['Llama-2-70b-chat'],
  'codellama/CodeLlama-7b-hf': ['CodeLlama-7b'],
  'codellama/CodeLlama-7b-Python-hf': ['CodeLlama-7b-python'],
  'codellama/CodeLlama-7b-Instruct-hf': ['CodeLlama-7b-instruct'],
  'TinyLlama/TinyLlama-1.1B-Chat-v1.0': ['TinyLlama', 'TinyLlama-1.1B', 'TinyLlama-1.1B-Chat'],
  'TinyLlama/TinyLlama_v1.1': ['TinyLlama-v1.1'],
}

/** Models that follow a pattern: repository, its short names. */
function* patterns(): Generator<[repository: string, names: readonly string[]]> {
  for (const size of ['1M', '3M', '8M', '28M', '33M']) {
    yield [`roneneldan/TinyStories-${size}`, [`tiny-stories-${size}`]]
    yield [`roneneldan/TinyStories-Instruct-${size}`, [`tiny-stories-instruct-${size}`]]
  }
  const widths = { 6: 768, 8: 1024, 10: 1280, 12: 1536 }
  for (const [layers, width] of Object.entries({ 1: 512, 2: 512, 3: 512, 4: 512, ...widths })) {
    for (const [kind, name] of [
      ['SoLU', 'solu'],
      ['GELU', 'gelu'],
      ['Attn_Only', 'attn-only'],
    ] as const) {
      if (kind !== 'SoLU' && width !== 512) continue
      const short = `${name}-${layers}l`
      yield [`NeelNanda/${kind}_${layers}L${width}W_C4_Code`, [short, `${short}-new`, `${short}-c4-code`]]
    }
  }
  const stanford = {
    small: [
      'alias-gpt2-small-x21',
      'battlestar-gpt2-small-x49',
      'caprica-gpt2-small-x81',
      'darkmatter-gpt2-small-x343',
      'expanse-gpt2-small-x777',
    ],
    medium: [
      'arwen-gpt2-medium-x21',
      'beren-gpt2-medium-x49',
      'celebrimbor-gpt2-medium-x81',
      'durin-gpt2-medium-x343',
      'eowyn-gpt2-medium-x777',
    ],
  }
  for (const [size, names] of Object.entries(stanford)) {
    for (const [i, name] of names.entries()) {
      yield [`stanford-crfm/${name}`, [name, `stanford-gpt2-${size}-${'abcde'[i]}`]]
    }
  }
  for (const [owner, names] of Object.entries(plain)) for (const name of names) yield [`${owner}/${name}`, [name]]
  yield* Object.entries(named)
}

const contexts: Readonly<Record<string, number>> = { 'roneneldan/TinyStories-2Layers-33M': 512 }

/** All short names, as they are best written. */
export const shortNames: readonly string[] = [...patterns()].flatMap(([repository, names]) =>
  repository.includes('/') ? names : [repository, ...names],
)

const models = new Map<string, KnownModel>()
for (const [repository, names] of patterns()) {
  const model = { repository, nCtx: contexts[repository] }
  for (const name of [repository, ...names]) models.set(name.toLowerCase(), model)
}

/** What a short name or a repository's id stands for, whatever its case; undefined for a model that is not listed. */
export function knownModel(name: string): KnownModel | undefined {
  return models.get(name.toLowerCase())
}
