/** Jobs of activation patching: the clean prompt's activations in the run of the corrupted one, one place at a time. */
import { activationPatching } from '../../analyses/index.js'
import type { EffectResult } from '../../lib/report/result/effect-result.js'
import { job, largest, logitTie, type Prepared } from './job.js'

export const patch = (target: 'resid_pre' | 'heads') =>
  job(async (material): Promise<Prepared<EffectResult>> => {
    const model = await material.model()
    const [clean, corrupted] = [material.ids('clean_1x16'), material.ids('corrupted_1x16')].map((r) =>
      model.toTokens(r),
    )
    const metric = material.logitDiff('answer_1x16')
    return {
      run: () => activationPatching(model, corrupted!, { metric, target, source: clean!, onProgress: () => undefined }),
      report(result) {
        const [rows, columns] = result.axes.map(({ labels }) => labels.length) as [number, number]
        const base = result.baseline.at(0)
        const effects = Array.from(result.values, (change) => change + base)
        const { indices, tied } = largest(result.values.map(Math.abs), 1, logitTie)
        return {
          work: { effects: [rows, columns], runs: rows * columns + 1 },
          check: {
            clean: result.source!.at(0),
            corrupted: base,
            sum: effects.reduce((sum, effect) => sum + effect, 0),
            row_3: effects.slice(3 * columns, 4 * columns),
            largest_change: [Math.floor(indices[0]! / columns), indices[0]! % columns],
          },
          ties: { largest_change: tied[0]! },
        }
      },
      dispose: () => undefined,
    }
  })
