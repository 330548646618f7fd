/** The benchmark's jobs by name. */
import type { JobName } from './job-names.js'
import type { Job } from './job.js'
import * as lens from './jobs-lens.js'
import * as model from './jobs-model.js'
import { patch } from './jobs-patch.js'
import * as sae from './jobs-sae.js'
import * as text from './jobs-text.js'

export const jobs: Readonly<Record<JobName, Job>> = {
  load: model.load,
  load_sae: model.loadSae,
  forward_8x64: model.forward('tokens_8x64'),
  forward_1x16: model.forward('clean_1x16'),
  cache_all_8x64: model.cacheAll,
  cache_resid_8x64: model.cacheResid,
  grad_8x64: model.gradient,
  generate_1x16_64: text.generate,
  sae_run_8x64: sae.saeRun('gpt2-small-sae'),
  sae_z_run_8x64: sae.saeRun('gpt2-small-sae-z'),
  latent_ablation_50: sae.latentAblation,
  latent_attribution: sae.latentAttribution,
  patch_resid_1x16: patch('resid_pre'),
  patch_heads_1x16: patch('heads'),
  dla_1x16: model.dla,
  max_acts: text.maxActs,
  logit_stats: lens.logitStats,
  tsea: lens.tsea,
}
