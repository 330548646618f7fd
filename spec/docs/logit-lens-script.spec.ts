/** The logit lens script: on the embedded model it obeys laws, on a recorded one it has the recorded numbers. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { loadSae, Result, type HookedModel } from 'tfjs-lens'
import {
  Enrichment,
  enrichment,
  LatentStatistics,
  latentStatistics,
  topLogits,
  type RankedLatent,
} from 'tfjs-lens/analyses'
import { openInBrowser, saeNames } from '../../docs/examples/setup/research.js'
import { expectClose } from '../support/close.js'
import { pocket } from '../support/pocket.js'
import { runPrograms, type Run } from '../support/programs.js'
import { reference, type Reference } from '../support/reference.js'

const script = fileURLToPath(new URL('../../docs/examples/logit-lens.ts', import.meta.url))
const onProgress = () => undefined

/** What spec/reference/saes/expected.json asks for under `logit_lens/` and `tsea/`. */
const ofStatistics = { atol: 1e-5, rtol: 2e-4 }
const ofScores = { atol: 1e-5, rtol: 1e-5 }

interface Numbers {
  readonly sparsity: unknown
  readonly statistics: unknown
  readonly cosine: unknown
  readonly queries: Readonly<Record<string, RankedLatent[]>>
  readonly links: Readonly<Record<string, string>>
  readonly sets: Readonly<Record<string, number[]>>
  readonly enrichment: unknown
}

describe('the logit lens script', function () {
  this.timeout(120_000)

  const folder = mkdtempSync(join(tmpdir(), 'logit-lens-'))
  let model: HookedModel
  let record: Reference
  let runs: Record<'embedded' | 'recorded' | 'bare', Run>

  before(async () => {
    model = await pocket()
    record = await reference('saes')
    const given = join(folder, 'sets.json')
    const named = Object.entries(recordedSets()).map(([name, ids]) => [`recorded ${name}`, ids])
    writeFileSync(given, JSON.stringify({ ...Object.fromEntries(named), some: ['Mary', 'John'], digits: 'Ġ?\\d$' }))
    const saes = ['v3_standard', 'v3_standard_next'].map((id) => `${record.folder}/sae_lens_3/${id}`)
    const bare = `${record.folder}/sae_lens_6/standard_attn_z`
    const recorded = ['--model', `${record.folder}/model`, '--study', saes[0]!, '--sets', given]
    const few = ['--latents', '40', '--permutations', '99']
    const programs = {
      embedded: [script, '--out', join(folder, 'embedded'), ...few],
      recorded: [script, '--out', join(folder, 'recorded'), ...few, ...recorded, '--sae', ...saes],
      bare: [script, '--out', join(folder, 'bare'), '--model', `${record.folder}/model`, '--sae', bare, ...few, '--rows', '8'], // prettier-ignore
    } as const
    const [embedded, ofRecord, ofBare] = await runPrograms(Object.values(programs))
    runs = { embedded: embedded!, recorded: ofRecord!, bare: ofBare! }
  })
  after(() => rmSync(folder, { recursive: true }))

  function recordedSets(): Record<string, number[]> {
    const { token_sets: sets } = record.json['tsea'] as { token_sets: Record<string, number[]> }
    return Object.fromEntries(Object.entries(sets).filter(([, ids]) => ids.length > 0))
  }

  /** The numbers of a run that ended well and left no tensor, and its page. */
  function outputOf(name: keyof typeof runs): { numbers: Numbers; page: string } {
    expect(runs[name].end).to.equal('ok')
    const read = (file: string) => readFileSync(join(folder, name, file), 'utf8')
    return { numbers: JSON.parse(read('results.json')) as Numbers, page: read('report.html') }
  }

  it('has a page with all its parts, and no NaN in it', () => {
    const { page } = outputOf('embedded')
    const headings = [...page.matchAll(/<h2 [^>]*>([^<]*)</g)].map(([, heading]) => heading)
    expect(headings).to.deep.equal(['SAEs', 'Moments', 'Layer by layer', 'Weights', 'Queries', 'Token sets', 'Enrichment', 'Top latents by category', 'Provenance']) // prettier-ignore
    const captions = [...page.matchAll(/<figcaption>([^<]*)</g)].map(([, caption]) => caption)
    for (const caption of [
      'log sparsity of 3840 latents',
      'kurtosis of 3840 latents',
      'mean of 3840 latents, columns of W_U of norm 1',
      'kurtosis against skewness of 3840 latents',
      'kurtosis of latents',
      'percentiles of kurtosis of latents',
      'kurtosis against skewness of latents, SAE by SAE',
      'cosine of decoder and encoder against log sparsity of 3840 latents',
    ]) {
      expect(captions).to.include(caption)
    }
    const groups = ['letters', 'patterns', 'parts of speech', 'names', 'years', 'words']
    for (const group of groups) expect(captions).to.include(`enrichment of ${group}`)
    expect([...page.matchAll(/<td[^>]*>[^<]*NaN[^<]*</g)]).to.deep.equal([])
    expect(runs.embedded.printed).to.include('the vocabulary has no token of countries')
    expect(runs.embedded.printed).to.include('No lists on Neuronpedia: the config of the SAE names no place there.')
  })

  it('measures all SAEs of a release as one by one, and lists what the tables say', async () => {
    const { numbers } = outputOf('embedded')
    const statistics = LatentStatistics.fromJSON(numbers.statistics)
    expect(saeNames(['pocket-res', './folder'])).to.have.length(6)
    expect(statistics.shape).to.deep.equal([5 * 768, 5])
    using sae = await loadSae('pocket-res', 'blocks.2.hook_resid_pre')
    const view = model.withSaes(sae)
    const own = await latentStatistics(view, { onProgress })
    for (const latent of ['0', '20', '767']) {
      for (const name of own.axes[1]!.labels) {
        expect(statistics.at(`blocks.2.hook_resid_pre/${latent}`, name)).to.be.closeTo(own.at(latent, name), 1e-6)
      }
    }
    const skewed = statistics.select('statistic', 'skewness').values.subarray(2 * 768, 3 * 768)
    const top = numbers.queries['highest skewness']!.map(({ value }) => value)
    expectClose(top, [...skewed].sort((a, b) => b - a).slice(0, 5), 1e-6) // the JSON has the digits of float32
    const { latents } = await topLogits(view, { latents: [numbers.queries['highest skewness']![0]!.latent], k: 1 })
    expect(runs.embedded.printed).to.match(new RegExp(`${latents[0]!.latent} +│ +\\S+ │ ${latents[0]!.top[0]!.token.replace(/^ /, '·')} `)) // prettier-ignore
  })

  it('has scores, signs and p-values that are those of the analysis', async () => {
    const { numbers } = outputOf('embedded')
    const found = Enrichment.fromJSON(numbers.enrichment)
    expect(found.axes[2]!.labels).to.deep.equal(['score', 'signed', 'p'])
    for (const set of ['girls_names', 'colours', 'positive_words', 'VBD', "1990's", '2 digits', 'b']) {
      const of = (measure: string) => [...found.select('set', set).select('measure', measure).values]
      expect(of('signed').map(Math.abs)).to.deep.equal(of('score'))
      expect(of('p').every((p) => p >= 0.01 - 1e-7 && p <= 1)).to.equal(true) // 99 random sets: from 1 / 100
    }
    using sae = await loadSae('pocket-res', 'blocks.2.hook_resid_pre')
    const latents = found.axes[1]!.labels.map(Number).slice(0, 4)
    const sets = { girls_names: numbers.sets['girls_names']! }
    const again = await enrichment(model.withSaes(sae), sets, { latents, permutations: 99, onProgress })
    for (const latent of latents.map(String)) {
      for (const measure of ['score', 'signed', 'p']) {
        expect(found.at('girls_names', latent, measure)).to.be.closeTo(again.at('girls_names', latent, measure), 1e-6)
      }
    }
  })

  it('has the recorded statistics and links of a recorded model', () => {
    const { numbers, page } = outputOf('recorded')
    const [plain, cosine] = [LatentStatistics.fromJSON(numbers.statistics), LatentStatistics.fromJSON(numbers.cosine)]
    for (const name of ['mean', 'std', 'skewness', 'kurtosis']) {
      expectClose(cosine.select('statistic', name).values, record.values(`logit_lens/all_layers/${name}`), ofStatistics, name) // prettier-ignore
      expectClose(plain.select('statistic', name).values.subarray(0, 96), record.values(`logit_lens/cosine_False/${name}`), ofStatistics, name) // prettier-ignore
    }
    expectClose(plain.select('statistic', 'log sparsity').values, record.values('logit_lens/all_layers/log_feature_sparsity'), 0) // prettier-ignore
    const { features_by_skewness: order } = record.json['logit_lens'] as { features_by_skewness: number[] }
    expect(numbers.queries['highest skewness']!.map(({ latent }) => latent)).to.deep.equal(order.slice(0, 5))
    for (const [query, link] of Object.entries(numbers.links)) {
      const { searchParams, pathname } = new URL(link)
      expect([pathname, searchParams.get('name')]).to.deep.equal(['/quick-list/', query])
      const expected = numbers.queries[query]!.map(({ latent }) => ({ modelId: 'gpt2-small', layer: '1-res-jb', index: String(latent) })) // prettier-ignore
      expect(JSON.parse(searchParams.get('features')!)).to.deep.equal(expected)
      expect(runs.recorded.printed).to.include(link)
      expect(page).to.include(`<a href="${link.replaceAll('&', '&#38;')}">${query}, on Neuronpedia</a>`)
    }
    expect(Object.keys(numbers.links).length).to.be.greaterThan(3)
  })

  it('has the recorded enrichment of a recorded model, of its own sets and of given ones', () => {
    const { numbers } = outputOf('recorded')
    const found = Enrichment.fromJSON(numbers.enrichment)
    const groups = record.json['tsea'] as Record<string, { sets: string[] }>
    const { features_by_skewness: order } = record.json['logit_lens'] as { features_by_skewness: number[] }
    expect(found.axes[1]!.labels.map(Number)).to.deep.equal(order)
    for (const [group, prefix] of [
      ['regexes', ''],
      ['letters', ''],
      ['words', 'recorded '],
    ] as const) {
      const scores = groups[group]!.sets.flatMap((set) => [...found.select('set', `${prefix}${set}`).select('measure', 'score').values]) // prettier-ignore
      expectClose(scores, record.values(`tsea/${group}`), ofScores, group)
    }
    for (const name of groups['regexes']!.sets) expect(numbers.sets[name]).to.deep.equal(recordedSets()[name])
    expect(numbers.sets['digits']).to.have.length(12)
  })

  it('counts sparsity on text where an SAE comes without, and does with one SAE', () => {
    const { numbers, page } = outputOf('bare')
    const sparsity = Result.fromJSON(numbers.sparsity)
    expect(sparsity.at(0, 'min')).to.be.at.least(-10.001)
    expect(sparsity.at(0, 'max')).to.be.at.most(0.001)
    expect(runs.bare.printed).to.include('counted on 8 rows of text:')
    expect(page).not.to.include('Layer by layer')
  })

  it('opens lists in a browser only through its command', async function () {
    if (process.platform !== 'linux') this.skip()
    const [bin, seen] = [join(folder, 'xdg-open'), join(folder, 'opened')]
    writeFileSync(bin, `#!/bin/sh\nprintf %s "$1" > '${seen}.part' && mv '${seen}.part' '${seen}'\n`)
    chmodSync(bin, 0o755)
    const { PATH } = process.env
    try {
      process.env['PATH'] = `${folder}${delimiter}${PATH}`
      openInBrowser('https://neuronpedia.org/quick-list/?name=a%20b&features=%5B%5D')
      for (let i = 0; i < 200 && !existsSync(seen); i++) await new Promise((next) => setTimeout(next, 20))
    } finally {
      process.env['PATH'] = PATH
    }
    expect(readFileSync(seen, 'utf8')).to.equal('https://neuronpedia.org/quick-list/?name=a%20b&features=%5B%5D')
  })
})
