import { expect } from 'chai'
import { ArgumentError, ShapeError } from '../../../../lib/errors/errors.js'
import { animatedScatter } from '../../../../lib/report/figure/animated.js'
import type { Figure } from '../../../../lib/report/figure/figure.js'
import type { JsonObject } from '../../../../lib/report/result/json.js'

const two = {
  frames: [
    { name: 'blocks.0', x: [0, 1], y: [1, 10], labels: ['latent 0', '<b>'] },
    { name: 'blocks.1', x: [2, 3, 4], y: [100, 1000, NaN], labels: ['latent 0', 'latent 1', 'latent 2'] },
  ],
  frameTitle: 'layer',
}

const note = ({ layout }: Figure) => (layout.meta as JsonObject).note
const frameData = (figure: Figure) => figure.frames!.map(({ data }) => (data as JsonObject[])[0]!)

describe('figure-animated', () => {
  it('has a frame each, the first one drawn, and a step of the slider that leads to each', () => {
    const figure = animatedScatter(two)
    expect(figure.data[0]).to.deep.include({ mode: 'markers', x: [0, 1], y: [1, 10], text: ['latent 0', '&lt;b&gt;'] })
    expect(frameData(figure).map(({ x, y }) => [x, y])).to.deep.equal([[[0, 1], [1, 10]], [[2, 3], [100, 1000]]]) // prettier-ignore
    expect(figure.frames!.map(({ traces }) => traces)).to.deep.equal([[0], [0]])
    const [slider] = figure.layout.sliders as { steps: { label: string; method: string; args: unknown[] }[] }[]
    expect(slider!.steps.map(({ label }) => label)).to.deep.equal(['blocks.0', 'blocks.1'])
    expect(slider!.steps.map(({ args }) => args[0])).to.deep.equal(figure.frames!.map(({ name }) => [name]))
    const [menu] = figure.layout.updatemenus as { buttons: { label: string; args: unknown[] }[] }[]
    // plotly plays all frames for null, and halts for a list of null.
    expect(menu!.buttons.map(({ label, args }) => [label, args[0]])).to.deep.equal([['Play', null], ['Pause', [null]]]) // prettier-ignore
    expect(note(figure)).to.equal('1 point left out (NaN or infinite)')
  })

  it('keeps its axes over all frames, also logarithmic ones', () => {
    const plain = animatedScatter(two).layout as { xaxis: { range: number[] }; yaxis: { range: number[] } }
    expect(plain.xaxis.range).to.deep.equal([-0.12, 3.12])
    expect(plain.yaxis.range).to.deep.equal([1 - 999 * 0.04, 1000 + 999 * 0.04])
    const log = animatedScatter({ ...two, log: 'y' }).layout as unknown as typeof plain
    expect(log.yaxis).to.deep.include({ type: 'log', range: [-0.12, 3.12] }) // powers of ten
    expect(note(animatedScatter({ ...two, log: 'xy' }))).to.match(/^2 points left out .*not above 0/)
  })

  it('keeps equal names of frames apart', () => {
    const same = [0, 1].map((i) => ({ name: 'layer', x: [i], y: [i] }))
    expect(new Set(animatedScatter({ frames: same }).frames!.map(({ name }) => name))).to.have.property('size', 2)
  })

  it('bounds the points of a frame by a choice that follows from the seed and is the same in each frame', () => {
    const x = Float32Array.from({ length: 24_576 }, (_, i) => i)
    const frames = ['a', 'b', 'c'].map((name) => ({ name, x, y: x }))
    const places = (figure: Figure) => frameData(figure).map((data) => data.x as number[])
    const [first, second] = places(animatedScatter({ frames, points: 500, seed: 3 }))
    expect(first).to.have.length(500)
    expect(second).to.deep.equal(first)
    expect(new Set(first)).to.have.property('size', 500)
    // Spread over all: the mean of 500 of 0 to 24575 lies within four standard errors of the middle.
    const mean = first!.reduce((sum, place) => sum + place, 0) / 500
    expect(mean).to.be.closeTo(12_287.5, (4 * 24_576) / Math.sqrt(12 * 500))
    expect(places(animatedScatter({ frames, points: 500, seed: 4 }))[0]).to.not.deep.equal(first)
    expect(places(animatedScatter({ frames, points: 500, seed: 3 }))[0]).to.deep.equal(first)
    expect(note(animatedScatter({ frames, points: 500 }))).to.equal(
      '1,500 of 73,728 points drawn, at most 500 a frame, chosen at random',
    )
  })

  it('refuses what it cannot draw', () => {
    expect(() => animatedScatter({ frames: [] })).to.throw(
      ArgumentError,
      'animatedScatter: there are 0 frames. Give one at least.',
    )
    expect(() => animatedScatter({ ...two, points: 0 })).to.throw(
      ArgumentError,
      'animatedScatter: points is 0. It must be a whole number from 1.',
    )
    expect(() => animatedScatter({ ...two, seed: -1 })).to.throw(ArgumentError, 'random: seed is -1.')
    expect(() => animatedScatter({ frames: [{ name: 'a', x: [1], y: [] }] })).to.throw(ShapeError, "y of 'a' has 0")
    expect(() => animatedScatter({ frames: [{ name: 'a', x: [1], y: [1], labels: [] }] })).to.throw(
      ShapeError,
      "animatedScatter: x of 'a' has 1 values, but there are 0 labels",
    )
    const empty = animatedScatter({ frames: [{ name: 'a', x: [NaN], y: [1] }] })
    expect(empty.data[0]!.x).to.deep.equal([])
  })
})
