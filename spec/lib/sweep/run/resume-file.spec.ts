/** A sweep that is stopped: its signal, and the file that it continues from. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { logitDiff } from '../../../../lib/core/metrics.js'
import type { HookedModel } from '../../../../lib/model.js'
import type { Intervention, SweepOptions } from '../../../../lib/sweep/index.js'
import { expectClose, tolerances } from '../../../support/close.js'
import { ioi, type Ioi } from '../../../support/ioi.js'
import { pocket } from '../../../support/pocket.js'
import { refusalOf } from '../../../support/refusal.js'

const quiet = { onProgress: false } as const
const heads: Intervention[] = [0, 1, 2, 3].flatMap((l) =>
  [0, 5].map((unit) => ({ hook: `blocks.${l}.attn.hook_z`, unit, to: 'zero' as const })),
)

describe('a sweep that is stopped', () => {
  let model: HookedModel
  let few: Ioi
  before(async () => {
    model = await pocket()
    few = await ioi(3)
  })

  let folder: string
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'tfjs-lens-'))))
  afterEach(() => rm(folder, { recursive: true }))

  /** Stops after some interventions. */
  async function stopped(
    checkpoint: string | undefined,
    after: number,
    options: Partial<SweepOptions> = {},
  ): Promise<number> {
    const stop = new AbortController()
    let done = 0
    const onProgress = () => {
      if (++done === after) stop.abort(new Error('enough'))
    }
    const given = {
      budget: 1,
      signal: stop.signal,
      onProgress,
      ...options,
      ...(checkpoint !== undefined && { checkpoint }),
    }
    const outcome = await model
      .sweep(few.clean, { interventions: heads, metric: few.metric, ...given })
      .then(() => 'whole', String)
    expect(outcome).to.equal('Error: enough')
    return done
  }

  it('throws the reason of the signal and leaves nothing behind', async () => {
    expect(await stopped(undefined, 2)).to.be.within(2, 3)
    const gone = AbortSignal.abort(new Error('before'))
    const outcome = model.sweep(few.clean, { interventions: heads, metric: few.metric, ...quiet, signal: gone })
    expect(await outcome.then(() => 'whole', String)).to.equal('Error: before')
  })

  it('continues where it was', async () => {
    const checkpoint = join(folder, 'heads.json')
    const whole = await model.sweep(few.clean, { interventions: heads, metric: few.metric, ...quiet })
    const first = await stopped(checkpoint, 3)
    const counts: number[] = []
    const onProgress = (done: number) => void counts.push(done)
    const result = await model.sweep(few.clean, { interventions: heads, metric: few.metric, checkpoint, onProgress })
    expectClose(result.values, whole.values, tolerances.noise)
    expect(counts).to.deep.equal(heads.map((_, i) => i + 1))
    expect(first).to.be.below(heads.length)
    const text = await readFile(checkpoint, 'utf8')
    const again = await model.sweep(few.clean, { interventions: heads, metric: few.metric, checkpoint, ...quiet })
    expectClose(again.values, result.values, 0, 'nothing is left to run')
    expect(await readFile(checkpoint, 'utf8')).to.equal(text)
  })

  it('refuses the file of another sweep, or of none', async () => {
    const checkpoint = join(folder, 'heads.json')
    await model.sweep(few.clean, { interventions: heads, metric: few.metric, ...quiet, checkpoint })
    const other = (edits: readonly Intervention[], metric = few.metric) =>
      refusalOf(() => model.sweep(few.clean, { interventions: edits, metric, ...quiet, checkpoint }))
    const message = `MismatchError: sweep: '${checkpoint}' holds the results of another sweep. Name another file, or delete it.`
    expect(await other(heads.slice(1))).to.equal(message)
    expect(await other(heads, logitDiff(few.wrong, few.answer))).to.equal(message)
    await writeFile(checkpoint, 'not json')
    expect(await other(heads)).to.equal(`MismatchError: sweep: '${checkpoint}' is no file of a sweep. Name another file, or delete it.`) // prettier-ignore
  })
})
