/**
 * A folder for the benchmark with seeded random weights, laid out as spec/bench/make_models.py does: `make-models.ts
 * FOLDER small|tiny`. Tensors are made, written and forgotten one file at a time. Inputs are those of today's jobs.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { loadModel } from '../../models/load-model.js'
import type { HookedModel } from '../../lib/model.js'
import { random, type Random } from '../../lib/stats/random.js'
import { encodeSafetensors } from '../../lib/weights/formats/safetensors.js'

interface Sizes {
  readonly dModel: number
  readonly nHeads: number
  readonly nCtx: number
  readonly dVocab: number
  readonly dSae: number
}
const SIZES: Record<string, Sizes> = {
  small: { dModel: 768, nHeads: 12, nCtx: 1024, dVocab: 50257, dSae: 24576 },
  tiny: { dModel: 24, nHeads: 4, nCtx: 128, dVocab: 211, dSae: 512 },
}
const LAYERS = 12
const SEED = 0
/** Latents that fire on a token, on average. */
const FIRING = 60

type Tensors = Record<string, { shape: number[]; values: Float32Array }>

function normals(r: Random, shape: number[], std: number, mean = 0) {
  const values = new Float32Array(shape.reduce((product, n) => product * n, 1))
  for (let i = 0; i < values.length; i++) values[i] = mean + std * r.normal()
  return { shape, values }
}

// ---- the model, in a shard for the embeddings and one for each block

async function makeModel(folder: string, s: Sizes): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeJson(join(folder, 'config.json'), {
    model_type: 'gpt2',
    activation_function: 'gelu_new',
    n_embd: s.dModel,
    n_head: s.nHeads,
    n_layer: LAYERS,
    n_positions: s.nCtx,
    vocab_size: s.dVocab,
    layer_norm_epsilon: 1e-5,
  })
  const r = random(SEED)
  const weightMap: Record<string, string> = {}
  for (let shard = 0; shard <= LAYERS; shard++) {
    const file = `model-${String(shard + 1).padStart(5, '0')}-of-${String(LAYERS + 1).padStart(5, '0')}.safetensors`
    const tensors = shard === 0 ? outerTensors(r, s) : blockTensors(r, s, shard - 1)
    for (const name of Object.keys(tensors)) weightMap[name] = file
    await writeFile(join(folder, file), encodeSafetensors(tensors))
  }
  await writeJson(join(folder, 'model.safetensors.index.json'), { metadata: {}, weight_map: weightMap })
}

function outerTensors(r: Random, { dModel, nCtx, dVocab }: Sizes): Tensors {
  return {
    'wte.weight': normals(r, [dVocab, dModel], 0.05),
    'wpe.weight': normals(r, [nCtx, dModel], 0.02),
    'ln_f.weight': normals(r, [dModel], 0.1, 1),
    'ln_f.bias': normals(r, [dModel], 0.05),
  }
}

/**
 * Inputs of unit variance give outputs of about unit variance; queries and keys are larger, to look at a few places.
 */
function blockTensors(r: Random, { dModel: d }: Sizes, layer: number): Tensors {
  const fan = 1 / Math.sqrt(d)
  const qkv = normals(r, [d, 3 * d], fan)
  qkv.values.forEach((v, i) => (qkv.values[i] = i % (3 * d) < 2 * d ? 1.8 * v : v))
  const tensors: Tensors = {
    'ln_1.weight': normals(r, [d], 0.1, 1),
    'ln_1.bias': normals(r, [d], 0.05),
    'ln_2.weight': normals(r, [d], 0.1, 1),
    'ln_2.bias': normals(r, [d], 0.05),
    'attn.c_attn.weight': qkv,
    'attn.c_attn.bias': normals(r, [3 * d], 0.05),
    'attn.c_proj.weight': normals(r, [d, d], 0.8 * fan),
    'attn.c_proj.bias': normals(r, [d], 0.05),
    'mlp.c_fc.weight': normals(r, [d, 4 * d], fan),
    'mlp.c_fc.bias': normals(r, [4 * d], 0.05),
    'mlp.c_proj.weight': normals(r, [4 * d, d], 0.7 * fan),
    'mlp.c_proj.bias': normals(r, [d], 0.05),
  }
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [`h.${layer}.${name}`, tensor]))
}

// ---- SAEs

/** Random directions, with thresholds such that about FIRING latents fire on each of the tokens. */
async function makeSae(
  folder: string,
  model: HookedModel,
  hook: string,
  tokens: number[][],
  seed: number,
  dSae: number,
) {
  const d = model.config.dModel
  const { W_enc, W_dec } = directions(seed, dSae, d)
  using cache = model.runWithCache(tokens, { names: hook, logits: false })
  const [mean, deviation] = tf.tidy(() => {
    const x = cache.get(hook).reshape<tf.Tensor2D>([-1, d])
    const pre = tf.matMul(x.sub(x.mean(0)), tf.tensor2d(W_enc, [d, dSae]))
    return [x.mean<tf.Tensor1D>(0), pre.square().mean<tf.Tensor1D>(0).sqrt()]
  })
  const b_dec = Float32Array.from(mean!.dataSync())
  const b_enc = Float32Array.from(deviation!.dataSync(), (sd) => -upperQuantile(FIRING / dSae) * sd)
  tf.dispose([mean!, deviation!])
  await mkdir(folder, { recursive: true })
  await writeJson(join(folder, 'cfg.json'), saeConfig(hook, d, dSae))
  const tensors: Tensors = {
    W_enc: { shape: [d, dSae], values: W_enc },
    b_enc: { shape: [dSae], values: b_enc },
    W_dec: { shape: [dSae, d], values: W_dec },
    b_dec: { shape: [d], values: b_dec },
  }
  await writeFile(join(folder, 'sae_weights.safetensors'), encodeSafetensors(tensors))
  return { W_enc, b_enc, b_dec }
}

/** W_dec with rows of length 1, and its transpose. */
function directions(seed: number, dSae: number, d: number) {
  const { values: W_dec } = normals(random(seed), [dSae, d], 1)
  const W_enc = new Float32Array(W_dec.length)
  for (let s = 0; s < dSae; s++) {
    const row = W_dec.subarray(s * d, (s + 1) * d)
    const length = Math.hypot(...row)
    row.forEach((v, i) => (W_enc[i * dSae + s] = row[i] = v / length))
  }
  return { W_enc, W_dec }
}

/** z such that a standard normal number exceeds it with probability p < ½. Abramowitz & Stegun 26.2.23, to 5e-4. */
function upperQuantile(p: number): number {
  const t = Math.sqrt(-2 * Math.log(p))
  const above = 2.515517 + t * (0.802853 + t * 0.010328)
  return t - above / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
}

function saeConfig(hook: string, dIn: number, dSae: number) {
  return {
    architecture: 'standard',
    d_in: dIn,
    d_sae: dSae,
    dtype: 'float32',
    apply_b_dec_to_input: true,
    normalize_activations: 'none',
    reshape_activations: hook.endsWith('hook_z') ? 'hook_z' : 'none',
    metadata: { model_name: 'gpt2-small', hook_name: hook, context_size: 128, prepend_bos: true },
  }
}

// ---- inputs

function makeInputs(dVocab: number) {
  const r = random(SEED + 1)
  const bos = dVocab - 1
  const text = (rows: number, length: number) =>
    Array.from({ length: rows }, () => [bos, ...Array.from({ length: length - 1 }, () => r.integer(bos))])
  const frame = text(1, 16)[0]!
  // two names, one of them said twice, at position 10 again; the other is the answer
  const pairs = Array.from({ length: 4 }, () => {
    const [a, b] = [r.integer(bos), r.integer(bos)]
    return [a, b].map((twice) => ({
      row: Object.assign([...frame], { 2: a, 4: b, 10: twice }),
      once: a + b - twice,
      twice,
    }))
  }).flat()
  const ioi = pairs.map(({ row }) => row)
  const answers = pairs.map(({ once, twice }) => [once, twice])
  return {
    seed: SEED,
    bos,
    tokens_8x64: text(8, 64),
    answers_8x64: Array.from({ length: 8 }, () => [r.integer(bos), r.integer(bos)]),
    clean_1x16: ioi.slice(0, 1),
    corrupted_1x16: ioi.slice(1, 2),
    answer_1x16: answers.slice(0, 1),
    ioi_8x16: ioi,
    answers_8x16: answers,
    corpus_64x128: text(64, 128),
    token_sets: tokenSets(r, dVocab),
  }
}

/** Of the sizes that SAELens' patterns and letters have in GPT-2's vocabulary. */
function tokenSets(r: Random, dVocab: number): Record<string, number[]> {
  const ids = Array.from({ length: dVocab }, (_, id) => id)
  // prettier-ignore
  const shares = [
    0.71, 0.25, 0.7, 0.04, 0.05, 4e-4, 3e-4, 0.06, 4e-4, 4e-3, 0.04, 3e-3,
    5e-3, 0.02, 0.08, 0.1, 0.13, 0.07, 0.05, 0.05, 0.05, 0.07, 0.04, 0.03,
  ]
  const set = (share: number) => r.sample(ids, Math.max(1, Math.round(share * dVocab))).sort((a, b) => a - b)
  return Object.fromEntries(shares.map((share, i) => [`set ${i}`, set(share)]))
}

/** A position of row 0 and up to 50 latents that fire there: the position with the most of them. */
function latentsThatFire(acts: number[][]) {
  const firing = acts.map((row) => row.flatMap((act, latent) => (act > 0 ? [latent] : [])))
  const pos = firing.reduce((best, list, p) => (p > 2 && list.length > firing[best]!.length ? p : best), 3)
  return { pos, latents: firing[pos]!.slice(0, 50) }
}

async function main(folder: string, s: Sizes): Promise<void> {
  const started = performance.now()
  await makeModel(join(folder, 'gpt2-small'), s)
  const inputs = makeInputs(s.dVocab)
  using model = await loadModel(join(folder, 'gpt2-small'))
  const at7 = 'blocks.7.hook_resid_pre'
  const sae = await makeSae(join(folder, 'gpt2-small-sae'), model, at7, inputs.tokens_8x64, SEED + 2, s.dSae)
  await makeSae(join(folder, 'gpt2-small-sae-z'), model, 'blocks.5.attn.hook_z', inputs.tokens_8x64, SEED + 3, s.dSae)
  using cache = model.runWithCache(inputs.ioi_8x16, { names: at7, logits: false })
  const acts = tf.tidy(() => {
    const x = cache.get<tf.Tensor3D>(at7).slice([0, 0, 0], [1, -1, -1]).squeeze<tf.Tensor2D>([0])
    const pre = tf.matMul(x.sub(sae.b_dec), tf.tensor2d(sae.W_enc, [s.dModel, s.dSae])).add<tf.Tensor2D>(sae.b_enc)
    return pre.relu<tf.Tensor2D>() // [P,S]
  })
  const ablation = latentsThatFire(acts.arraySync())
  acts.dispose()
  const latents_32 = Array.from({ length: 32 }, (_, i) => Math.floor((i * s.dSae) / 32))
  await writeJson(join(folder, 'inputs.json'), { ...inputs, latents_32, ablation })
  console.error(`bench: random weights made in ${((performance.now() - started) / 1000).toFixed(0)} s`)
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, JSON.stringify(value))
}

const [folder, size] = process.argv.slice(2)
await main(folder!, SIZES[size!]!)
process.exit(0)
