/** What a sweep has found so far: numbers, what is done, and when it is told. */
import { expect } from 'chai'
import type { JobProgress } from '../../../../lib/core/job-progress.js'
import type { ResumeFile, SweepState } from '../../../../lib/sweep/run/resume-file.js'
import { SweepProgress } from '../../../../lib/sweep/run/sweep-progress.js'

/** Two interventions on three prompts; `told` is what is reported. */
function progressOf(file?: Partial<ResumeFile>) {
  const told: (number | string)[] = []
  const report: JobProgress = Object.assign((done: number) => void told.push(done), {
    [Symbol.dispose]: () => void told.push('ended'),
  })
  const progress = new SweepProgress({ interventions: 2, batch: 3, report, file: file as ResumeFile })
  return { progress, told }
}

const floats = (...numbers: number[]) => Float32Array.from(numbers)

describe('the progress of a sweep', () => {
  it('holds changes from the baseline, and tells of an intervention when all prompts have it', () => {
    const { progress, told } = progressOf()
    progress.setBaseline(floats(1, 2), [0, 1])
    progress.setBaseline(floats(3), [2])
    progress.record([1, 4], floats(12, 22))
    progress.finish([0])
    expect([told, progress.isDone(1), progress.isDone(2)]).to.deep.equal([[], true, false])
    progress.record([2], floats(33))
    expect(told).to.deep.equal([1])
    progress.finish([3, 5])
    expect(told).to.deep.equal([1, 2])
    const { values, baseline, source } = progress.result
    expect([...values]).to.deep.equal([0, 10, 30, 0, 20, 0])
    expect([[...baseline], source]).to.deep.equal([[1, 2, 3], undefined])
    progress[Symbol.dispose]()
    expect(told.at(-1)).to.equal('ended')
  })

  it('has one column where the metric is one number for all prompts', () => {
    const { progress } = progressOf()
    progress.setBaseline(floats(5), [0, 1, 2])
    progress.record([0, 1, 2], floats(7))
    progress.finish([3, 4, 5])
    expect([[...progress.result.values], [...progress.result.baseline]]).to.deep.equal([[2, 0], [5]])
  })

  it('holds the metric on source prompts, some at a time', () => {
    const { progress } = progressOf()
    progress.setSource(floats(4), [0])
    progress.setSource(floats(5, 6), [1, 2])
    expect([...(progress.result.source ?? [])]).to.deep.equal([4, 5, 6])
  })

  it('continues from a file, whose baseline must be that of these prompts', async () => {
    const checked: number[][] = []
    const { progress, told } = progressOf({
      read: (state: SweepState) => {
        state.values.set([1, 2, 3])
        state.done.set([1, 1, 1, 1])
        return Promise.resolve(floats(10, 20, 30))
      },
      check: (before, now) => void checked.push([...before], [...now]),
    })
    await progress.resume()
    expect([told, progress.isDone(3), progress.isDone(4)]).to.deep.equal([[1], true, false])
    progress.setBaseline(floats(20, 30), [1, 2])
    expect(checked).to.deep.equal([[20, 30], [20, 30]]) // prettier-ignore
    progress.finish([4, 5])
    expect([told, [...progress.result.values]]).to.deep.equal([[1, 2], [1, 2, 3, 0, 0, 0]]) // prettier-ignore
  })
})
