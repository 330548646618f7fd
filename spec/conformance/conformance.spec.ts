/** The conformance command: what must pass passes, nothing recorded is left out, and what is wrong fails. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { runConformance } from './run.js'
import { encodeSafetensors } from '../../lib/weights/formats/safetensors.js'
import { isFull } from '../runner/proofs.js'
import { harness } from '../support/command-line.js'
import { reference } from '../support/reference.js'
import { refusalOf } from '../support/refusal.js'

interface Line {
  readonly case: string
  readonly tensor: string
  readonly maxAbs: number | null
  readonly tolerance: number
  readonly ok: boolean
  readonly error?: string
}
interface Run {
  readonly lines: readonly Line[]
  readonly passed: readonly string[]
  readonly failed: readonly string[]
}
type Json = Record<string, Record<string, unknown>>

const RECORDS = path.resolve(import.meta.dirname, '../reference')
const at = (name: string) => path.join(RECORDS, name)

/** Runs in this process, checks the last line, and names the checks by tensor. */
async function conform(folders: string[], only?: string): Promise<Run> {
  const written: string[] = []
  const tally = await runConformance(folders, { only, write: (line) => written.push(line) })
  const lines = written.slice(0, -1).map((line) => JSON.parse(line) as Line)
  const names = (ok: boolean) => lines.filter((line) => line.ok === ok).map(({ tensor }) => tensor)
  const run = { lines, passed: names(true), failed: names(false) }
  expect(tally).to.deep.equal({ passed: run.passed.length, failed: run.failed.length })
  expect(written.at(-1)).to.equal(`${run.passed.length} passed, ${run.failed.length} failed`)
  return run
}

/** What a run of a model record must check beside its tensors: each number and fact of the JSON. */
function modelFacts(json: Json): string[] {
  const tokenizer = json['tokenizer'] as unknown as Record<string, Record<string, unknown> & unknown[]> | undefined
  const many = (name: string, list: unknown[] = []) => list.map((_, i) => `tokenizer/${name}/${i}`)
  const single = tokenizer?.['to_single_token'] as { text: string }[] | undefined
  const actNames = (json['get_act_name'] ?? []) as unknown as { args: unknown[] }[]
  return [
    ...Object.keys(json['scalars']!),
    ...Object.keys(json['labels']!).map((name) => `labels/${name}`),
    ...actNames.map(({ args }) => `get_act_name/${args.join(' ')}`),
    ...Object.keys(json['stop_at_layer_equals']!).map((layer) => `stop_at_layer_equals/${layer}`),
    ...Object.keys(json['options']!).flatMap((o) =>
      ['hook_names', 'new_or_reshaped', 'logits'].map((f) => `options/${o}/${f}`),
    ),
    ...['hook_names', 'hook_shapes', 'run_with_cache_pos_slice/shapes', 'ln1_backward_hook/norm_of_sum', 'tl_config'],
    ...(tokenizer ? ['tokenizer/special', 'tokenizer/truncation', 'tokenizer/to_single_token_error'] : []),
    ...many('texts', tokenizer?.['texts']),
    ...many('batch', tokenizer?.['batch']?.['cases'] as unknown[]),
    ...many('get_token_position', tokenizer?.['get_token_position']),
    ...(single ?? []).map(({ text }) => `tokenizer/to_single_token/${text}`),
    ...['string_loss', 'left_padded_strings'].filter((fact) => fact in json),
    ...(json['observations'] ? ['observations/left_padded_prompt/row_alone'] : []),
  ]
}

const inputs = /^((probe_|corrupt_)?tokens|leftpad\/.*|ac\/answers|ac\/wrongs|gen\/prompt|sample\/input_tokens)$/
/** What the record of SAEs states of its model with SAEs beside tensors. */
const transformerFacts = [
  ...['plain', 'one', 'one_error_term', 'three', 'three_error_term'].map((label) => `${label}/cache_names`),
  ...['one_error_term', 'three_error_term'].map((label) => `${label}/max_difference_from_plain_logits`),
  ...['value', 'forward_names', 'correlation_with_ablation'].map((name) => `attribution/${name}`),
  'stopped/cache_names',
  'remove_batch_dim_shapes',
  'ablation/live_features',
  'error_node/live_anywhere',
  'path_patching/cache_names_with_split_input',
].map((name) => `transformer/${name}`)
/** What the record of SAEs gives to the feature functions. */
const featureInputs = /^features\/(k_largest\/x|windows\/indices|batches\/\d+)$/
/** What it states of features beside tensors. */
function featureFacts({ features, study }: Json): string[] {
  const each = (section: string) => Object.keys(features![section] as object)
  const inner = (section: string, inside: (id: string) => unknown) =>
    each(section).flatMap((id) =>
      Object.keys(inside(id) as object).map((latent) => `features/${section}/${id}/${latent}`),
    )
  const { top_logits: top, dfa } = features as Record<string, Record<string, { examples: object }>>
  const facts = [
    'dla_labels',
    'direction_dfa_labels',
    'reconstruction_second',
    'reconstruction_first',
    'directions',
    'losses',
  ]
  const tables = ['top_directions/rows', 'top_directions/index', 'ablate_directions', 'logprob_boosts', 'logit_boosts']
  const ranks = ['directions', 'mean', 'mean_other_token'].map((name) => `answer_ranks_${name}`)
  const rest = ['ablate_everywhere', 'ablate_each_position', 'direction_dla_top']
  for (const name of [...facts, ...tables, ...ranks, ...rest]) expect(study).to.have.property(name.split('/')[0]!)
  return [
    ...inner('top_logits', (id) => top![id]),
    ...each('examples').map((id) => `features/examples/${id}`),
    ...inner('dfa', (id) => dfa![id]!.examples),
    'features/last_tokens/most_common',
    ...[...facts, ...tables, ...ranks, ...rest].map((name) => `study/${name}`),
  ].map((name) => `expected.json/${name}`)
}

/** Facts on statistics of latents and token sets. */
function logitLensFacts({ logit_lens: lens }: Json): string[] {
  const { all_layers: layers, quick_list: list } = lens as Record<string, Record<string, object>>
  return [
    ...Object.keys(layers!['percentiles']!).map((name) => `logit_lens/all_layers/percentiles/${name}`),
    'logit_lens/features_by_skewness',
    ...Object.keys(list!['urls']!).map((name) => `logit_lens/quick_list/${name}`),
    ...['letters', 'regexes', 'decades'].map((kind) => `tsea/token_sets/${kind}`),
  ].map((name) => `expected.json/${name}`)
}

/** What the library may still lack; when it does not, it passes. */
const maybe = /^fm\//

function expectNotSupported(lines: readonly Line[]): void {
  for (const line of lines) {
    expect(line, JSON.stringify(line)).to.include({ ok: false, maxAbs: null })
    expect(line.error).to.match(/not supported/)
  }
}

describe('spec/conformance/main', () => {
  for (const name of ['gpt2', 'gpt2_sharded', 'gpt2_hub_names']) {
    it(`holds the library to models/${name}`, async () => {
      const { lines, passed, failed } = await conform([at(`models/${name}`)])
      const { json } = await reference(`models/${name === 'gpt2_hub_names' ? 'gpt2' : name}`)
      const tensors = Object.keys((json as Json)['tensors']!).filter((tensor) => !inputs.test(tensor))
      // a checkpoint held to another's record is held to its numbers, not to its tokenizer
      const isOther = name === 'gpt2_hub_names'
      const facts = modelFacts(json as Json).filter(
        (f) => !isOther || !/^(tokenizer\/|string_loss|left_padded)/.test(f),
      )
      const due = [...tensors, ...facts]
      expect([...passed, ...failed]).to.have.members(due)
      expect(failed.filter((tensor) => !maybe.test(tensor))).to.deep.equal([])
      expect(new Set(lines.map((line) => line.case))).to.deep.equal(new Set([name]))
      expectNotSupported(lines.filter(({ ok }) => !ok))
      const groups = [
        'hf',
        'tl',
        'cache',
        'stop_at_layer',
        'weights',
        'grad',
        'intervention',
        'ac',
        'labels',
        'options',
      ]
      const fuller =
        name === 'gpt2_sharded' ? [] : ['cache_raw', 'option', 'grad_split', 'sweep', 'sample', 'get_act_name']
      expect(passed.map((tensor) => tensor.split('/')[0])).to.include.members([...groups, ...fuller])
    })
  }

  it('holds the library to the embedded model, all but its JumpReLU SAE', async function () {
    this.timeout(180_000) // some 600 runs, on wasm with one thread
    const parts = isFull() ? ['pocket'] : ['*blocks.1.*', 'pocket/dla*', 'pocket/ablate_head']
    const lines: Line[] = []
    for (const only of parts) lines.push(...(await conform([at('pocket')], only)).lines)
    const json = (await reference('pocket')).json as Json
    const saes = Object.keys(json['saes']!)
    const own = Object.keys(json['tensors']!).filter((tensor) => !tensor.startsWith('sae/'))
    const ofSae = (id: string) =>
      ['acts_last', 'logit_diff', 'attribution_last', 'ablation_last'].map((t) => `sae/${id}/${t}`)
    const all = [
      ...['tokens', 'corrupt_tokens', 'answer', 'wrong', ...own, 'dla_labels', 'logit_diff_mean'].map(
        (t) => `pocket/${t}`,
      ),
      ...saes.flatMap((id) => [...ofSae(id), 'hook'].map((tensor) => `pocket/${id}/${tensor}`)),
    ]
    const due = isFull() ? all : all.filter((name) => /blocks\.1\.|^pocket\/(dla|ablate_head)/.test(name))
    expect(due.length).to.be.at.least(all.length / 4)
    expect(lines.map(({ case: name, tensor }) => `${name}/${tensor}`)).to.have.members(due)
    const failed = lines.filter(({ ok }) => !ok)
    expect(failed).to.have.length.of.at.most(5)
    for (const { case: name } of failed) expect(name).to.match(/^pocket\/pocket-scope\//)
    for (const line of lines) expect(line.tolerance).to.be.oneOf([0, 2e-4])
  })

  it('holds the library to the standard SAEs, alone and in the model', async () => {
    const { lines } = await conform([at('saes')])
    const json = (await reference('saes')).json as Json
    const saes = json['saes'] as Json
    const isStandard = (id: string) => {
      const { loader, settings } = saes[id] as { loader: string; settings: Record<string, string> }
      const { architecture, activation_fn_str: activation = 'relu' } = settings
      return loader.startsWith('sae_lens folder') && architecture === 'standard' && activation === 'relu'
    }
    const isInput = (t: string) => t === 'model/tokens' || t.endsWith('/cotangent') || featureInputs.test(t)
    const tensors = Object.keys(json['tensors']!).filter((t) => !isInput(t))
    const facts = Object.values(saes).flatMap((sae) => [
      'settings',
      ...['hooks', 'hooks_with_error_term', 'mean_l0'].filter((f) => f in sae),
    ])
    const sections = ['vis', 'vis_02', 'malicious']
    const samples = (json['model']!['tokenizer_samples'] as unknown[]).map((_, i) => `model/tokenizer_samples/${i}`)
    const copies = Object.values(saes).flatMap((sae) => {
      const others = (sae as { files: string[] }).files.slice(1).filter((file) => !file.endsWith('.json'))
      return others.map((file) => `files/${path.basename(file)}`)
    })
    const due = [
      ...tensors,
      ...facts,
      ...copies,
      ...transformerFacts,
      ...featureFacts(json),
      ...logitLensFacts(json),
      ...samples,
      ...sections.map((s) => `expected.json/${s}`),
    ]
    expect(lines.map(({ tensor }) => tensor)).to.have.members(due)

    const standard = Object.keys(saes).filter(isStandard)
    expect(standard).to.have.length.above(10)
    const mustPass = lines.filter(({ case: name, tensor }) =>
      name === 'saes'
        ? /^(expected\.json\/)?(model|transformer|features|study|logit_lens|tsea)\//.test(tensor)
        : standard.includes(name.slice(5)),
    )
    expect(mustPass.filter(({ ok }) => !ok)).to.deep.equal([])
    expect(mustPass.length).to.be.above(standard.length * 17)
    expectNotSupported(lines.filter(({ ok }) => !ok))
  })

  describe('with a record that is wrong', () => {
    let folder: string
    const copy = () => path.join(folder, 'deeper', 'copied')

    beforeEach(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'tfjs-lens-'))
      await cp(at('models/gpt2_sharded'), copy(), { recursive: true })
    })
    afterEach(() => rm(folder, { recursive: true }))

    async function editJson(edit: (json: Json) => void): Promise<void> {
      const file = path.join(copy(), 'expected.json')
      const json = JSON.parse(await readFile(file, 'utf8')) as Json
      edit(json)
      await writeFile(file, JSON.stringify(json))
    }
    type Tensors = Record<string, { shape: readonly number[]; values: Float32Array | Int32Array }>
    async function editTensors(edit: (tensors: Tensors) => void): Promise<void> {
      const { json, tensor } = await reference('models/gpt2_sharded')
      const tensors: Tensors = Object.fromEntries(Object.keys((json as Json)['tensors']!).map((n) => [n, tensor(n)]))
      edit(tensors)
      await writeFile(path.join(copy(), 'expected.safetensors'), encodeSafetensors(tensors))
    }

    it('finds one changed number among all, in a folder of folders and of another name', async () => {
      await editTensors((tensors) => (tensors['grad/blocks.0.attn.hook_q']!.values[7]! += 0.01))
      const [before, after] = [await conform([at('models/gpt2_sharded')]), await conform([folder])]
      expect(after.failed).to.have.members([...before.failed, 'grad/blocks.0.attn.hook_q'])
      const line = after.lines.find(({ tensor }) => tensor === 'grad/blocks.0.attn.hook_q')!
      expect(line.case).to.equal('copied')
      expect(line.maxAbs).to.be.closeTo(0.01, 1e-4)
      expect(line.error).to.match(
        /^1 of 672 numbers off, the worst at \[0,0,0,7\]: -?[\d.e-]+, recorded is -?[\d.e-]+$/,
      )
    })

    it('fails a wrong shape, a tensor that is missing and one that nobody knows', async () => {
      await editTensors((tensors) => {
        const { shape, values } = tensors['tl/logits']!
        tensors['tl/logits'] = { shape: [shape[1]!, shape[0]!, shape[2]!], values }
        delete tensors['hf/logits']
        tensors['tl/new'] = { shape: [1], values: new Float32Array(1) }
      })
      await editJson((json) => delete (json['tensors']!['tl/logits'] as Record<string, unknown>)['shape'])
      const errors = Object.fromEntries((await conform([copy()], 'copied/?*/*')).lines.map((l) => [l.tensor, l.error]))
      expect(errors['tl/logits']).to.equal('the library gives the shape [3,20,384], recorded is [20,3,384]')
      expect(errors['hf/logits']).to.match(/^read .*expected\.safetensors: no tensor 'hf\/logits'/)
      expect(errors['tl/new']).to.equal("not supported yet: 'tl/new'")
      expect(errors['tl/loss_per_token']).to.equal(undefined)
    })

    it('fails a shape that the record itself is not sure of', async () => {
      await editJson((json) => ((json['tensors']!['tl/logits'] as Record<string, unknown>)['shape'] = [3, 20, 5]))
      const [line] = (await conform([copy()], 'tl/logits')).lines
      expect(line!.error).to.equal('the record lists the shape [3,20,5] and holds one of shape [3,20,384]')
    })

    it('fails another mask, and NaN', async () => {
      await editTensors((tensors) => {
        tensors['cache/blocks.0.attn.hook_attn_scores']!.values[1] = 0.5
        tensors['cache/blocks.1.attn.hook_attn_scores']!.values[0] = NaN
      })
      const errors = (await conform([copy()], 'copied/cache/*attn_scores')).lines.map(({ error }) => error)
      expect(errors[0]).to.equal('at [0,0,0,1] the library gives -Infinity, recorded is 0.5')
      expect(errors[1]).to.match(/^at \[0,0,0,0\] the library gives -?[\d.]+, recorded is NaN$/)
      expect(errors).to.have.length(2)
    })

    it('fails changed names, labels and numbers of the JSON', async () => {
      await editJson((json) => {
        ;(json['hook_names'] as unknown as string[])[3] = 'blocks.0.ln1.hook_scales'
        ;(json['labels']!['ac/accumulated_resid'] as string[]).pop()
        ;(json['scalars']!['tl/loss'] as { value: number }).value += 1e-3
      })
      const { failed } = await conform([copy()])
      expect(failed).to.have.members(['hook_names', 'labels/ac/accumulated_resid', 'tl/loss'])
    })

    it('fails when the model is another: here by its layer_norm_epsilon', async () => {
      const file = path.join(copy(), 'config.json')
      const config = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>
      await writeFile(file, JSON.stringify({ ...config, layer_norm_epsilon: 1e-3 }))
      expect((await conform([copy()], '?f/logits')).failed).to.deep.equal(['hf/logits'])
    })

    it('fails a record of an unknown kind or without sound JSON, and goes on', async () => {
      const other = path.join(folder, 'other')
      await cp(copy(), other, { recursive: true })
      await editJson((json) => delete (json as Record<string, unknown>)['kind'])
      await writeFile(path.join(other, 'expected.json'), '{"kind": ')
      const { lines } = await conform([at('models/gpt2_hub_names'), folder], 'expected.json')
      expect(lines.map((line) => `${line.case}/${line.tensor}`)).to.deep.equal([
        'copied/expected.json',
        'other/expected.json',
      ])
      expect(lines[0]!.error).to.match(/^not supported yet: a record without any of 'kind', 'tolerances', 'dla_labels'/)
      expect(lines[1]!.error).to.match(/unexpected end at line 1/)
    })

    it('ends the command with exit code 1', async () => {
      await editTensors((tensors) => (tensors['weights/blocks.1.attn.b_V']!.values[0] = 1e-3)) // its tolerance is 0
      const { stdout, status } = harness(['conformance', folder, '--only', 'weights/blocks.1.attn.b_*'])
      expect(stdout.split('\n').slice(-2)).to.deep.equal(['3 passed, 1 failed', ''])
      expect(status).to.equal(1)
    })

    it('fails a record that refers to one that is not there', async () => {
      await editJson((json) => ((json as Record<string, unknown>)['same_values_as'] = 'gone'))
      const { lines } = await conform([copy()])
      expect(lines.map(({ tensor, ok }) => [tensor, ok])).to.deep.equal([['expected.json', false]])
      expect(lines[0]!.error).to.match(/there is no folder '.*gone'/)
    })
  })

  it('refuses, before any check, a folder without records and a pattern without checks', async () => {
    const write = () => expect.fail('a line was written')
    const refusal = (folders: string[], only?: string) => refusalOf(() => runConformance(folders, { only, write }))
    const nowhere = path.join(RECORDS, 'nowhere')
    expect(await refusal([at('models/gpt2'), nowhere])).to.equal(
      `ArgumentError: conformance: '${nowhere}' is no folder with a record. ` +
        'Name a folder with an expected.json, or a folder of such folders.',
    )
    expect(await refusal([at('scripts')])).to.match(/is no folder with a record/)
    expect(await refusal([at('models/gpt2')], 'gpt3')).to.equal(
      "ArgumentError: conformance: --only 'gpt3' matches no check. " +
        'Give a part of a case/tensor, or a pattern with * for all of it.',
    )
  })

  it('takes a record once, however often it is named, and leaves unasked runs undone', async () => {
    const { lines } = await conform([at('models/gpt2'), `${at('models')}/gpt2/`], 'gpt2/tl/logits')
    expect(lines.map(({ tensor }) => tensor)).to.deep.equal(['tl/logits'])
  })

  it('is a command whose stdout is its lines and whose exit code is the outcome', () => {
    const good = harness(['conformance', at('models/gpt2_sharded'), '--only', 'tl/*'])
    expect(good.status, good.stderr).to.equal(0)
    const lines = good.stdout.split('\n')
    expect(lines.slice(0, -2).map((line) => (JSON.parse(line) as Line).tensor)).to.have.members([
      'tl/logits',
      'tl/loss_per_token',
      'tl/loss',
      'tl/loss_unprocessed',
      'tl/leftpad_loss',
    ])
    expect([lines.slice(-2), good.status]).to.deep.equal([['5 passed, 0 failed', ''], 0])
    expect(good.stderr).to.match(/^backend: /)

    const none = harness(['conformance', at('models/gpt2_sharded'), '--only', 'nothing'])
    expect([none.stdout, none.status]).to.deep.equal(['', 1])
    expect(none.stderr).to.match(/--only 'nothing' matches no check/)
  })
})
