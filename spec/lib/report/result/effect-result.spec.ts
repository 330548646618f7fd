/** Changes of a metric with the metric itself: baselines follow means and selections, and come back from files. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { compare } from '../../../../lib/report/result/compare.js'
import { EffectResult } from '../../../../lib/report/result/effect-result.js'
import { loadSaved } from '../../../../lib/report/result/load-saved.js'
import { Result } from '../../../../lib/report/result/result.js'
import { refusalOf } from '../../../support/refusal.js'

const provenance = { library: 'tfjs-lens', backend: 'cpu', model: 'none', modelFiles: {}, processing: {} }

/** [layer 2, prompt 2, position 2]: restored by 0.5 on the first prompt and by 0.25 on the second, twice in layer 1. */
function effects(extra: Partial<EffectResult['extra']> = {}): EffectResult {
  return new EffectResult({
    kind: 'patching',
    title: 'change of x',
    unit: 'logits',
    values: Float32Array.of(1, 1, 2, 2, 2, 2, 4, 4),
    axes: [
      { name: 'layer', labels: ['L0', 'L1'] },
      { name: 'prompt', labels: ['a', 'b'] },
      { name: 'position', labels: ['0', '1'] },
    ],
    provenance,
    extra: { metric: 'x', baseline: [-1, -5], source: [1, 3], ...extra },
  })
}

describe('lib/report/result/effect-result', () => {
  let folder: string
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'effect-result-'))))
  after(() => rm(folder, { recursive: true }))

  it('has the metric before the change and on the source prompts, as results', () => {
    const { baseline, source } = effects()
    expect([...baseline.values, ...source!.values]).to.deep.equal([-1, -5, 1, 3])
    expect(baseline).to.deep.include({ title: 'x before the change', unit: 'logits', shape: [2] })
    expect(source!.title).to.equal('x on the source prompts')
    expect(baseline.axes).to.deep.equal([{ name: 'prompt', labels: ['a', 'b'] }])
    expect(effects({ source: undefined }).source).to.equal(undefined)
  })

  it('says which share of the difference is restored, for each prompt or of the means', () => {
    const restored = effects().restored()
    expect([...restored.values]).to.deep.equal([0.5, 0.5, 0.25, 0.25, 1, 1, 0.5, 0.5])
    expect(restored).to.deep.include({ kind: 'patching, restored', unit: '', title: 'change of x, share restored' })
    expect([...effects().mean('prompt').restored().values].map((x) => x.toFixed(4))).to.deep.equal(
      [1.5 / 5, 1.5 / 5, 3 / 5, 3 / 5].map((x) => x.toFixed(4)),
    )
    expect(
      effects({ baseline: [1, 3] })
        .restored()
        .values.every((x) => x === Infinity),
    ).to.equal(true)
    expect(
      Number.isNaN(
        effects({ source: [NaN, 3] })
          .restored()
          .at(0, 0, 0),
      ),
    ).to.equal(true)
  })

  it('keeps what still has a meaning in means, sums and selections', () => {
    const mean = effects().mean('prompt')
    expect([mean.baseline.value, mean.source!.value]).to.deep.equal([-3, 2])
    expect(effects().sum('prompt').baseline.value).to.equal(-6)
    expect(effects().select('prompt', 'b').baseline.value).to.equal(-5)
    expect([...effects().select('layer', 0).mean('position').baseline.values]).to.deep.equal([-1, -5])
    expect(mean.mean('layer').sum('position')).to.be.instanceOf(EffectResult)
    expect(mean.extra.metric).to.equal('x')
  })

  it('has one baseline for a metric over all prompts', () => {
    const axes = [{ name: 'prompt', labels: ['all prompts'] }]
    const extra = { metric: 'x', baseline: [3] }
    const all = new EffectResult({ ...effects(), values: Float32Array.of(2), axes, extra })
    expect([all.baseline.value, all.mean('prompt').baseline.value]).to.deep.equal([3, 3])
    const each = effects({ baseline: [3], source: [5] }) // the estimates of a scalar metric are by prompt all the same
    expect([each.baseline.value, each.mean('prompt').baseline.value, each.restored().at(0, 1, 0)]).to.deep.equal([
      3, 3, 1,
    ])
  })

  it('comes back from files, means of it too, and compares', async () => {
    for (const result of [effects(), effects().mean('prompt'), effects({ source: undefined, baseline: [NaN, 1] })]) {
      for (const ending of ['json', 'parquet']) {
        const path = join(folder, `effects.${ending}`)
        await result.write(path)
        const again = await loadSaved(path, [Result, EffectResult])
        expect(again).to.be.instanceOf(EffectResult)
        expect((again as EffectResult).baseline).to.deep.equal(result.baseline)
        expect((again as EffectResult).source).to.deep.equal(result.source)
        expect((again as EffectResult).values).to.deep.equal(result.values)
      }
    }
    const change = compare(effects(), effects())
    expect([...change.difference.values]).to.deep.equal(Array(8).fill(0))
    const json = effects().toJSON()
    const wrong = { ...json, extra: { metric: 'x', baseline: 'none' } }
    expect(await refusalOf(() => EffectResult.fromJSON(wrong))).to.include("field 'extra.baseline' is wrong")
  })

  it('refuses a share where there is no source', async () => {
    expect(await refusalOf(() => effects({ source: undefined }).restored())).to.equal(
      'ArgumentError: restored: the patching has no metric on source prompts. Patch from a source, with a declared ' +
        'metric such as logitDiff(…).',
    )
  })
})
