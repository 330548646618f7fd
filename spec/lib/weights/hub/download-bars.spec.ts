import { expect } from 'chai'
import { downloadBars } from '../../../../lib/weights/hub/download-bars.js'

describe('lib/weights/hub/download-bars', () => {
  it('shows large files in megabytes, and small ones not at all', () => {
    let written = ''
    let time = 0
    const bars = downloadBars({ stream: { write: (text) => void (written += text) }, now: () => (time += 500) })
    for (const [file, total] of [
      ['large.bin', 12e6],
      ['small.json', 1e3],
    ] as const) {
      const of = { name: 'org/name', file }
      bars({ status: 'initiate', ...of })
      bars({ status: 'download', ...of })
      for (const part of [0.25, 0.6, 1])
        bars({ status: 'progress', ...of, loaded: part * total, total, progress: 100 * part })
      bars({ status: 'done', ...of })
    }
    expect(written).to.match(
      /^org\/name\/large\.bin \(MB\): 12 to do\norg\/name\/large\.bin \(MB\): 12 of 12 in \d\.\d s\n$/,
    )
  })
})
