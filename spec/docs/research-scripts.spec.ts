/** The research scripts run on the embedded model and on recorded ones; what they find obeys laws and the records. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { EffectResult, Result } from 'tfjs-lens'
import { loadData } from 'tfjs-lens/data'
import { expectClose, tolerances } from '../support/close.js'
import { withTypeScript } from '../support/loader.js'
import { pocket } from '../support/pocket.js'
import { runPrograms, type Program, type Run } from '../support/programs.js'
import { reference, type Reference } from '../support/reference.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const script = (name: string) => join(ROOT, 'docs/examples', `${name}.ts`)

describe('the research scripts', function () {
  this.timeout(180_000)

  const folder = mkdtempSync(join(tmpdir(), 'research-'))
  let record: Reference
  let runs: Record<string, Run>

  before(async () => {
    await pocket()
    record = await reference('saes')
    const { prompts, answers } = record.json['transformer'] as { prompts: string[]; answers: [string, string][] }
    const lines = prompts.map((clean, b) => JSON.stringify({ clean, answer: answers[b]![0], wrong: answers[b]![1] }))
    writeFileSync(join(folder, 'prompts.jsonl'), lines.join('\n'))
    const out = (name: string) => ['--out', join(folder, name)]
    const recordedModel = ['--model', `${record.folder}/model`, '--sae', `${record.folder}/sae_lens_6/standard_attn_z`]
    const { prompts: texts, test_prompts: tests } = record.json['study'] as Record<string, string[]>
    writeFileSync(
      join(folder, 'study.jsonl'),
      [...texts!, ...tests!].map((text) => JSON.stringify({ text })).join('\n'),
    )
    const encoder = (name: string) => `${record.folder}/torch_pt/${name}.pt`
    const bareEncoders = ['--model', `${record.folder}/model`, '--sae', encoder('25'), encoder('47'), '--hook', 'blocks.0.mlp.hook_post'] // prettier-ignore
    const programs: Record<string, Program> = {
      features: [script('sae-features'), ...out('features'), '--prompts', '6', '--rows', '32', '--save', join(folder, 'sums.jsonl')], // prettier-ignore
      quotes: [script('closing-quotes'), ...out('quotes'), '--prompts', '60', '--tests', '8'],
      ioi: [script('ioi'), ...out('ioi'), '--prompts', '3', '--latents', '2'],
      bare: [script('closing-quotes'), ...out('bare'), ...bareEncoders, '--data', join(folder, 'study.jsonl'), '--answer', '."', '--tests', '10'], // prettier-ignore
      recorded: [script('ioi'), ...out('recorded'), ...recordedModel, '--data', join(folder, 'prompts.jsonl')],
    }
    const done = await runPrograms(Object.values(programs))
    runs = Object.fromEntries(Object.keys(programs).map((name, i) => [name, done[i]!]))
  })
  after(() => rmSync(folder, { recursive: true }))

  /** The JSON of a run that ended well, left no tensor and wrote a page. */
  function numbersOf(name: string): Record<string, never> {
    expect(runs[name]!.end).to.equal('ok')
    expect(readFileSync(join(folder, name, 'report.html'), 'utf8')).to.match(/<div class="plot"[\s\S]*<\/html>/)
    return JSON.parse(readFileSync(join(folder, name, 'results.json'), 'utf8')) as Record<string, never>
  }

  it('sae-features finds by hand what the search over data finds, and saves its prompts', async () => {
    const { kLargest, examples, accuracy } = numbersOf('features') as unknown as {
      kLargest: { latent: number; indices: [number, number][] }
      examples: { examples: { latent: number; row: number; position: number }[][] }
      accuracy: Record<string, [number, number]>
    }
    const found = examples.examples.find(([first]) => first!.latent === kLargest.latent)!
    expect(found.map(({ row, position }) => [row, position])).to.deep.equal(kLargest.indices)
    expect(accuracy['minus']![0]).to.be.greaterThan(0.5) // models/pocket/CARD.md: 78 % of sums
    const model = await pocket()
    const saved = await loadData(model, join(folder, 'sums.jsonl'), { layout: 'documents', rows: 100 })
    for await (const { tokens } of saved.batches()) expect(tokens.batch).to.equal(36)
    expect(runs['features']!.printed).to.match(/pocket-z\/blocks\.3\.hook_z[\s\S]*» → /)
  })

  it('closing-quotes finds latents whose loss makes the answer less likely', () => {
    const numbers = numbersOf('quotes') as unknown as {
      remainder: Record<'mlp' | 'reconstruction' | 'remainder', number>
      losses: unknown
      answer: [string, { mean: number }][]
      'mean loss increase': number
    }
    const losses = Result.fromJSON(numbers.losses).mean('prompt')
    const increase = numbers['mean loss increase']
    expect(increase).to.be.greaterThan(0.001)
    // the same two runs, once as losses of conditions, once as an ablation, once as the answer's log probability
    expect(losses.at('directions') - losses.at('original')).to.be.closeTo(increase, 1e-5)
    expect(numbers.answer[0]![1].mean).to.be.closeTo(increase, 1e-5)
    const { mlp, reconstruction, remainder } = numbers.remainder
    expect(mlp).to.be.greaterThan(5)
    expect(Math.abs(remainder)).to.be.lessThan(0.1 * reconstruction)
  })

  it('closing-quotes takes bare encoders with their hook point, and shows what they are with an MLP off', () => {
    const bare = numbersOf('bare') as unknown as Record<string, Record<string, unknown>>
    // the encoders' own MLP is off: only their biases are left, whatever the prompt
    expect(bare['withoutEarlyMlp']!['off']).to.equal('blocks.0.mlp.hook_post')
    const [acts, off] = ['acts', 'actsOff'].map((name) => Result.fromJSON(bare['withoutEarlyMlp']![name]).values)
    expect(Math.max(...acts!)).to.be.greaterThan(10 * Math.max(...off!, 0.01))
    const quotes = numbersOf('quotes') as unknown as Record<string, Record<string, unknown>>
    expect(quotes['withoutEarlyMlp']!['off']).to.equal('blocks.1.mlp.hook_post')
    expect(Result.fromJSON(quotes['withoutEarlyMlp']!['acts']).values).to.not.deep.equal(Result.fromJSON(quotes['withoutEarlyMlp']!['actsOff']).values) // prettier-ignore
  })

  it('ioi finds errors kept to change nothing, and gradients and ablations in agreement', () => {
    const numbers = numbersOf('ioi') as unknown as { differences: unknown; 'correlation of latents and errors': number }
    const differences = Result.fromJSON(numbers.differences)
    expect(differences.axes[1]!.labels).to.include('4 SAEs')
    for (let b = 0; b < 3; b++) {
      expect(differences.at(b, 'model')).to.be.greaterThan(5) // models/pocket/CARD.md: 10.4 on average
      expect(differences.at(b, 'one, with error')).to.be.closeTo(differences.at(b, 'model'), tolerances.noise)
      expect(differences.at(b, '4, with errors')).to.be.closeTo(differences.at(b, 'model'), tolerances.noise)
    }
    expect(numbers['correlation of latents and errors']).to.be.greaterThan(0.95)
  })

  it('ioi has the recorded numbers of a recorded model', () => {
    const { ablated, attribution } = numbersOf('recorded') as unknown as {
      ablated: unknown
      attribution: { label: string; x: number; y: number }[]
    }
    const effects = record.values('transformer/ablation/effects') // [prompt, latent]
    const { shape, values: found } = EffectResult.fromJSON(ablated)
    const [latents, prompts] = shape as [number, number]
    expectClose(Array.from(effects, (_, i) => found[(i % latents) * prompts + Math.floor(i / latents)]!), effects, tolerances.saes) // prettier-ignore
    const ofLatents = attribution.filter(({ label }) => label.startsWith('latent'))
    expectClose(ofLatents.map(({ x }) => x), record.values('transformer/attribution/at_position'), tolerances.saes) // prettier-ignore
    expectClose(ofLatents.map(({ y }) => y), record.values('transformer/attribution/ablation_at_position'), tolerances.saes) // prettier-ignore
  })

  it('are run by name, and a wrong name gets the nearest and the list', () => {
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [...withTypeScript, 'docs/examples/run.ts', ...args], { cwd: ROOT, encoding: 'utf8' })
    const wrong = run('closing-quote')
    expect(wrong.status).to.equal(1)
    expect(wrong.stderr).to.match(/there is no 'closing-quote'\. Did you mean 'closing-quotes'\? There are\n/)
    const several = run('closing-quotes', '--answer', ' Carl and', '--prompts', '20', '--out', join(folder, 'none'))
    expect([several.status, several.stderr.trim().split('\n').at(-1)]).to.deep.equal([1, 'TokenError: toSingleToken: " Carl and" is 2 tokens: " Carl" (465), " and" (267). Give exactly one.']) // prettier-ignore
    const listed = run()
    for (const name of ['sae-features', 'closing-quotes', 'ioi']) {
      expect(listed.stdout).to.match(new RegExp(`^  ${name} `, 'm'))
      expect(existsSync(script(name))).to.equal(true)
    }
    expect(run('ioi', '--help').stdout).to.match(/--sae <release\/id\.\.\.>/)
  })
})
