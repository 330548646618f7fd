/**
 * Releases on the Hugging Face hub by the names SAELens has for them: where each SAE lies, and what its files do not
 * say.
 */
import { range } from '../../lib/stats/range.js'
import type { SaeFacts } from '../formats/sae-files.js'
import type { Release, ReleasedSae } from './release.js'

/** Where the SAEs of several layers are, `#` standing for the layer. */
interface Pattern {
  readonly id: string
  readonly path: string
  readonly neuronpedia?: string
}

/** SAEs of several layers by the same pattern. */
function layers(list: readonly number[], { id, path, neuronpedia }: Pattern): ReleasedSae[] {
  return list.map((layer) => {
    const filled = (pattern: string) => pattern.replaceAll('#', String(layer))
    const facts = neuronpedia === undefined ? {} : { neuronpediaId: filled(neuronpedia) }
    return { id: filled(id), path: filled(path), facts }
  })
}

const centred: SaeFacts = { processing: { centerWritingWeights: true } }

/** Residual stream of GPT-2 small by Joseph Bloom, on weights whose writing is centred. */
const gpt2Residual: Release[] = [
  {
    name: 'gpt2-small-res-jb',
    repository: 'jbloom/GPT2-Small-SAEs-Reformatted',
    model: 'gpt2-small',
    facts: centred,
    saes: [
      ...layers(range(12), {
        id: 'blocks.#.hook_resid_pre',
        path: 'blocks.#.hook_resid_pre',
        neuronpedia: 'gpt2-small/#-res-jb',
      }),
      ...layers([11], {
        id: 'blocks.#.hook_resid_post',
        path: 'blocks.#.hook_resid_post',
        neuronpedia: 'gpt2-small/12-res-jb',
      }),
    ],
  },
  {
    name: 'gpt2-small-res-jb-feature-splitting',
    repository: 'jbloom/GPT2-Small-Feature-Splitting-Experiment-Layer-8',
    model: 'gpt2-small',
    facts: centred,
    saes: range(8).flatMap((i) => {
      const id = `blocks.8.hook_resid_pre_${768 * 2 ** i}`
      return layers([8], { id, path: id, neuronpedia: `gpt2-small/#-res_fs${768 * 2 ** i}-jb` })
    }),
  },
]

/** Scale of the inputs, √d_in / mean ‖x‖, and version in the folder's name, by layer. */
const mlpTm = [
  [1.049317316132615, 1],
  [2.3693984005104283, 0],
  [1.6411934982190302, 0],
  [1.8958522157897557, 0],
  [1.81673478700627, 0],
  [1.550234472245924, 0],
  [1.3237742807210804, 0],
  [1.1042905114723296, 0],
  [0.9123762783479742, 1],
  [0.6955335635232373, 0],
  [0.3619728926727644, 0],
  [0.2851548652550073, 2],
] as const

const gpt2Mlp: Release = {
  name: 'gpt2-small-mlp-tm',
  repository: 'tommmcgrath/gpt2-small-mlp-out-saes',
  model: 'gpt2-small',
  facts: centred,
  saes: mlpTm.flatMap(([normScale, version], layer) =>
    layers([layer], {
      id: 'blocks.#.hook_mlp_out',
      path: `sae_group_gpt2_blocks.#.hook_mlp_out_24576:v${version}`,
    }).map((sae) => ({
      ...sae,
      normScale,
    })),
  ),
}

/** What differs in the file names: l1, dictionary size, dead-neuron cutoff, version; by layer. */
const hookZ = [
  ['1.80e+00', 24576, '1.00e-06', 9],
  ['8.00e-01', 24576, '1.00e-06', 5],
  ['1.00e+00', 24576, '1.00e-06', 4],
  ['9.00e-01', 24576, '1.00e-06', 9],
  ['1.10e+00', 24576, '1.00e-06', 7],
  ['1.00e+00', 49152, '1.00e-06', 9],
  ['1.10e+00', 24576, '1.00e-06', 9],
  ['1.10e+00', 49152, '1.00e-06', 9],
  ['1.30e+00', 24576, '1.00e-05', 6],
  ['1.20e+00', 24576, '1.00e-06', 9],
  ['1.30e+00', 24576, '1.00e-05', 9],
  ['3.00e+00', 24576, '3.16e-06', 9],
] as const

/** Heads' outputs of GPT-2 small by Connor Kissane and Rob Krzyzanowski, on unprocessed weights: z with b_V in it. */
const gpt2HookZ: Release = {
  name: 'gpt2-small-hook-z-kk',
  repository: 'ckkissane/attn-saes-gpt2-small-all-layers',
  model: 'gpt2-small',
  facts: {
    modelName: 'gpt2-small',
    contextSize: 128,
    processing: { foldLn: false, centerWritingWeights: false, centerUnembed: false, foldValueBiases: false },
  },
  saes: hookZ.flatMap(([l1, dSae, cutoff, version], layer) => {
    const settings = `lr1.20e-03_l1${l1}_ds${dSae}_bs4096_dc${cutoff}_rsanthropic_rie25000_nr4_v${version}`
    return layers([layer], {
      id: 'blocks.#.hook_z',
      path: `gpt2-small_L#_Hcat_z_${settings}.pt`,
      neuronpedia: 'gpt2-small/#-att-kk',
    })
  }),
}

/** OpenAI's version 5 of GPT-2 small (Gao et al. 2024, arXiv:2406.04093) in SAELens's layout. */
const openAi: Release[] = (
  [
    ['attn-out', 'hook_attn_out', 'att'],
    ['mlp-out', 'hook_mlp_out', 'mlp'],
    ['resid-mid', 'hook_resid_mid', 'res_mid'],
    ['resid-post', 'hook_resid_post', 'res_post'],
  ] as const
).flatMap(([site, hook, short]) =>
  ['32k', '128k'].map((size) => {
    const ending = site === 'resid-post' && size === '32k' ? '.pt/' : '' // a folder all the same
    return {
      name: `gpt2-small-${site}-v5-${size}`,
      repository: `jbloom/GPT2-Small-OAI-v5-${size}-${site}-SAEs`,
      model: 'gpt2-small',
      facts: {},
      saes: layers(range(12), {
        id: `blocks.#.${hook}`,
        path: `v5_${size}_layer_#${ending}`,
        neuronpedia: `gpt2-small/#-${short}_${size}-oai`,
      }),
    }
  }),
)

/** Neel Nanda's replications: plain dicts of four tensors, whose configs name no hook point. */
const neel = 'NeelNanda/sparse_autoencoder'
const geluModels: Release[] = [
  {
    name: 'gelu-1l',
    repository: neel,
    model: 'gelu-1l',
    facts: { modelName: 'gelu-1l', hookName: 'blocks.0.mlp.hook_post' },
    saes: Object.entries({ 25: 25, 47: 47, run1: 25, run2: 47 }).map(([id, file]) => {
      return { id, path: `${file}.pt`, facts: {} }
    }),
  },
  {
    name: 'gelu-2l',
    repository: neel,
    model: 'gelu-2l',
    facts: { modelName: 'gelu-2l' },
    saes: ['L0_16384_mlp_out_51', 'L1_16384_mlp_out_50'].map((run, layer) => ({
      id: `blocks.${layer}.hook_mlp_out`,
      path: `gelu-2l_${run}.pt`,
      facts: { hookName: `blocks.${layer}.hook_mlp_out` },
    })),
  },
]

const residPost = 'blocks.#.hook_resid_post'

/** Residual streams of larger models, in SAELens's layout. */
const others: Release[] = [
  {
    name: 'gemma-2b-res-jb',
    repository: 'jbloom/Gemma-2b-Residual-Stream-SAEs',
    model: 'gemma-2b',
    facts: {},
    saes: [
      ...layers([0], {
        id: residPost,
        path: `gemma_2b_${residPost}_16384_anthropic`,
        neuronpedia: 'gemma-2b/#-res-jb',
      }),
      ...layers([6], {
        id: residPost,
        path: `gemma_2b_${residPost}_16384_anthropic_fast_lr`,
        neuronpedia: 'gemma-2b/#-res-jb',
      }),
      ...layers([10], { id: residPost, path: `gemma_2b_${residPost}_16384`, neuronpedia: 'gemma-2b/#-res-jb' }),
      ...layers([12], { id: residPost, path: `gemma_2b_${residPost}_16384`, neuronpedia: 'gemma-2b/#-res-jb' }).map(
        (sae) => ({
          ...sae,
          normScale: 0.21381938399317255,
        }),
      ),
      ...layers([17], { id: residPost, path: `gemma_2b_${residPost}_16384` }),
    ],
  },
  {
    name: 'gemma-2b-it-res-jb',
    repository: 'jbloom/Gemma-2b-IT-Residual-Stream-SAEs',
    model: 'gemma-2b-it',
    facts: {},
    saes: layers([12], { id: residPost, path: `gemma_2b_it_${residPost}_16384`, neuronpedia: 'gemma-2b-it/#-res-jb' }),
  },
  {
    name: 'llama-3-8b-it-res-jh',
    repository: 'Juliushanhanhan/llama-3-8b-it-res',
    model: 'meta-llama/Meta-Llama-3-8B-Instruct',
    facts: {},
    saes: layers([25], { id: residPost, path: residPost, neuronpedia: 'llama3-8b-it/#-res-jh' }),
  },
  ...(['standard', 'snap'] as const).map((kind) => ({
    name: `gemma-2-2b-res-${kind === 'snap' ? 'snap-' : ''}matryoshka-dc`,
    repository: 'chanind/gemma-2-2b-batch-topk-matryoshka-saes-w-32k-l0-40',
    model: 'gemma-2-2b',
    facts: {},
    saes: layers(range(25), { id: residPost, path: `${kind}/${residPost}` }),
  })),
  {
    name: 'gemma-2-9b-res-matryoshka-dc',
    repository: 'chanind/gemma-2-9b-batch-topk-matryoshka-saes-w-32k-l0-60',
    model: 'gemma-2-9b',
    facts: {},
    saes: layers(range(41), { id: residPost, path: residPost }),
  },
]

const pythia: Release[] = [
  ['res', 'hook_resid_post'],
  ['mlp', 'hook_mlp_out'],
  ['att', 'hook_attn_out'],
].map(([short, hook]) => ({
  name: `pythia-70m-deduped-${short}-sm`,
  repository: `ctigges/pythia-70m-deduped__${short}-sm_processed`,
  model: 'pythia-70m-deduped',
  facts: {},
  saes: [
    ...(short === 'res' ? [{ id: 'blocks.0.hook_resid_pre', path: 'e-res-sm', facts: {} }] : []),
    ...layers(range(6), {
      id: `blocks.#.${hook}`,
      path: `#-${short}-sm`,
      neuronpedia: `pythia-70m-deduped/#-${short}-sm`,
    }),
  ],
}))

export const hubReleases: readonly Release[] = [
  ...gpt2Residual,
  gpt2Mlp,
  gpt2HookZ,
  ...openAi,
  ...geluModels,
  ...others,
  ...pythia,
]
