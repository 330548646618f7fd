/** TransformerLens's options that switch hook points on; here a point is switched on by asking for it. */
import type { HookedModel } from '../../lib/model.js'
import { notYet } from './check.js'
import type { ModelRuns } from './model-runs.js'

const UNGROUP = 'ungroup_grouped_query_attention'

const points: Readonly<Record<string, RegExp>> = {
  use_attn_result: /\.attn\.hook_result$/,
  use_split_qkv_input: /\.hook_[qkv]_input$/,
  use_hook_mlp_in: /\.hook_mlp_in$/,
  use_attn_in: /\.hook_attn_in$/,
  [UNGROUP]: /^$/, // none: it gives points other shapes
}

/** The points an option switches on. */
export function optionPoints(option: string, hookNames: readonly string[]): string[] {
  const pattern = points[option] ?? notYet(`the option '${option}'`)
  return hookNames.filter((name) => pattern.test(name))
}

/** The processed model that an option is tried on: ungrouping is done on loading. */
export function modelFor(option: string, runs: ModelRuns): Promise<HookedModel> {
  return option === UNGROUP ? runs.ungrouped() : runs.processed()
}

/** Names that newer TransformerLens has and the records do not, both at the end. */
const newer = ['unembed.hook_in', 'unembed.hook_out']

/** Names without those that the recorded version does not have, for comparison with recorded ones. */
export function asRecorded(names: readonly string[]): string[] {
  return names.filter((name) => !newer.includes(name))
}
