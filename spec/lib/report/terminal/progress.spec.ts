import { expect } from 'chai'
import { duration, progress } from '../../../../lib/report/terminal/progress.js'

describe('progress', () => {
  /** A stream that keeps what is written to it, and a clock that is moved by hand. */
  function fake(isTTY: boolean) {
    const written: string[] = []
    let time = 0
    const stream = { isTTY, columns: 60, write: (text: string) => written.push(text) }
    return { written, wait: (ms: number) => (time += ms), output: { stream, now: () => time } }
  }

  it('writes a line after a second and one at the end where there is no terminal', () => {
    const { written, wait, output } = fake(false)
    const bar = progress('Patching', 100, output)
    for (let i = 0; i < 100; i++) {
      bar.tick()
      wait(25)
      if (i < 40) expect(written).to.deep.equal([])
    }
    bar.done()
    bar.done()
    expect(written).to.deep.equal(['Patching: 100 to do\n', 'Patching: 100 of 100 in 2.5 s\n'])
  })

  it('leaves no line of what took less than a second', () => {
    for (const isTTY of [false, true]) {
      const { written, wait, output } = fake(isTTY)
      const bar = progress('Patching', 2, output)
      bar.tick()
      wait(900)
      bar.tick()
      bar.done()
      expect(written.at(-1)).to.equal(isTTY ? '\r\x1b[K' : undefined)
    }
  })

  it('draws a bar with the time left on a terminal', () => {
    const { written, wait, output } = fake(true)
    const bar = progress('Patching', 100, output)
    wait(1000)
    bar.tick(25)
    expect(written.at(-1)).to.equal(`\r\x1b[KPatching ${'█'.repeat(6)}${'░'.repeat(18)} 25/100, 3.0 s left`)
    wait(3000)
    bar.tick(75)
    bar.done()
    expect(written.slice(-2)).to.deep.equal(['\r\x1b[K', 'Patching: 100 of 100 in 4.0 s\n'])
  })

  it('shows how many are done where nobody knows of how many', () => {
    for (const isTTY of [false, true]) {
      const { written, wait, output } = fake(isTTY)
      const bar = progress('Rows', Infinity, output)
      wait(2000)
      bar.tick(32)
      expect(written.at(-1)).to.equal(isTTY ? '\r\x1b[KRows 32, 2.0 s' : 'Rows: begun\n')
      bar.done()
      expect(written.at(-1)).to.equal('Rows: 32 in 2.0 s\n')
    }
  })

  it('redraws ten times a second at most', () => {
    const { written, wait, output } = fake(true)
    const bar = progress('Patching', 10_000, output)
    for (let i = 0; i < 10_000; i++) {
      wait(0.1)
      bar.tick()
    }
    expect(written.length).to.be.within(8, 11) // one second
  })

  it('keeps to one line of the terminal, whatever the label holds', () => {
    const { written, output } = fake(true)
    progress(`a\nb\x1b[2J${'x'.repeat(100)}`, 1, output)
    expect(written[0]!.slice('\r\x1b[K'.length)).to.match(/^a⏎b\\x1b\[2Jx+…$/)
    expect(written[0]!.length).to.equal('\r\x1b[K'.length + 59)
  })

  it('writes durations for people', () => {
    const texts = [0, 949, 9949, 9950, 59_499, 185_000, 7_800_000].map(duration)
    expect(texts).to.deep.equal(['0.0 s', '0.9 s', '9.9 s', '10 s', '59 s', '3 min 5 s', '2 h 10 min'])
  })

  it('writes to stderr, never to stdout', () => {
    const { written, output } = fake(false)
    const [error, out] = [process.stderr.write, process.stdout.write]
    let toStdout = ''
    process.stderr.write = output.stream.write as unknown as typeof error
    process.stdout.write = ((text: string) => (toStdout += text)) as unknown as typeof out
    try {
      let time = 0
      const bar = progress('Quiet', 1, { now: () => (time += 2000) })
      bar.done()
    } finally {
      Object.assign(process.stderr, { write: error })
      Object.assign(process.stdout, { write: out })
    }
    expect(written.join('')).to.include('Quiet')
    expect(toStdout).to.equal('')
  })
})
