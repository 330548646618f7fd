import { expect } from 'chai'
import { jobProgress } from '../../../lib/core/job-progress.js'

describe('jobProgress', () => {
  it('tells the caller what is done, and of how much', () => {
    const told: number[][] = []
    using report = jobProgress('rows', { onProgress: (...numbers) => told.push(numbers) }, 3)
    report(1)
    report(3)
    expect(told).to.deep.equal([
      [1, 3],
      [3, 3],
    ])
  })

  it('tells Infinity where nobody knows how much there is', () => {
    const told: number[] = []
    using report = jobProgress('rows', { onProgress: (_, total) => told.push(total) })
    report(1)
    expect(told).to.deep.equal([Infinity])
  })

  it('is silent for false, and writes no line of what is short', () => {
    const written: string[] = []
    const { write } = process.stderr
    process.stderr.write = (text: string) => written.push(text) > 0
    try {
      for (const onProgress of [false, undefined] as const) {
        using report = jobProgress('rows', { onProgress }, 2)
        report(2)
      }
    } finally {
      process.stderr.write = write
    }
    expect(written.join('')).to.not.include('\n')
  })
})
