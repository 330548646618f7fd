/** The benchmark's jobs, in the order they run. spec/bench/README.md says what each of them is. */
import { ArgumentError } from '../../lib/errors/errors.js'
import { didYouMean } from '../../lib/errors/nearest.js'

export const JOB_NAMES = [
  'load',
  'load_sae',
  'forward_8x64',
  'forward_1x16',
  'cache_all_8x64',
  'cache_resid_8x64',
  'grad_8x64',
  'generate_1x16_64',
  'sae_run_8x64',
  'sae_z_run_8x64',
  'latent_ablation_50',
  'latent_attribution',
  'patch_resid_1x16',
  'patch_heads_1x16',
  'dla_1x16',
  'max_acts',
  'logit_stats',
  'tsea',
] as const

export type JobName = (typeof JOB_NAMES)[number]

/** Job names from a comma separated list, or 'all'. @throws ArgumentError for a name that is none, or an empty list. */
export function parseJobs(list: string): JobName[] {
  if (list === 'all') return [...JOB_NAMES]
  const names = list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const unknown = names.find((name) => !isJob(name))
  if (unknown !== undefined || names.length === 0) {
    throw new ArgumentError(
      `bench: there is no job '${unknown ?? list}'.${didYouMean(unknown ?? list, JOB_NAMES)} ` +
        `The jobs are ${JOB_NAMES.join(', ')}, or all.`,
    )
  }
  return names as JobName[]
}

function isJob(name: string): name is JobName {
  return (JOB_NAMES as readonly string[]).includes(name)
}
