/** The IOI study printed in the terminal and as a page. */
import { bars, scatter } from '../../report/figure/figure.js'
import type { Page, Section } from '../../report/page/page.js'
import type { Result } from '../../report/result/result.js'
import { Table } from '../../report/table/table.js'
import type { IoiStudy, LatentStudy } from './study.js'

/** Rows of the tables of components; results.json has all of them. */
const COMPONENTS = 24

/** One part of the study: what it shows, as words, a table and the result that is plotted. */
interface Part {
  readonly heading: string
  readonly text: string
  readonly table: Table
  readonly plotted?: Section['figure']
}

export function printStudy(study: IoiStudy, top: number): void {
  for (const { heading, text, table } of parts(study, top)) console.log(`\n# ${heading}\n${text}\n${table.toString()}`)
}

export function studyPage(study: IoiStudy, top: number): Page {
  return {
    title: 'Indirect object identification',
    intro:
      `${study.prompts.length} prompts such as “${study.prompts[0]!.clean}” →${study.prompts[0]!.answer}. ` +
      'The corrupted prompt has the other name as the giver. All effects are in logits, of the difference between the right and the wrong name at the last position, and means over prompts unless said otherwise.',
    sections: parts(study, top).flatMap(({ heading, text, table, plotted }): Section[] => [
      { heading, text, ...(plotted && { figure: plotted }) },
      { table },
    ]),
    provenance: study.provenance,
  }
}

function parts(study: IoiStudy, top: number): Part[] {
  return [
    differences(study),
    attribution(
      'Direct logit attribution',
      study.components,
      'What each head, MLP and embedding writes straight to the logit difference.',
    ),
    attribution(
      'Direct logit attribution with SAEs',
      study.componentsWithSaes,
      'The same with the SAEs in the model: where one reads, its latents, bias and error stand for what it reads.',
    ),
    {
      heading: 'Activation patching of heads',
      text: 'Corrupted prompts, each head’s output at all positions taken from the clean ones: how much of the logit difference comes back.',
      table: study.heads.mean('prompt').toTable(),
      plotted: study.heads.plot(),
    },
    {
      heading: 'Activation patching of the residual stream',
      text: 'Corrupted prompts, the residual stream before one layer at one position taken from the clean ones.',
      table: study.residual.mean('prompt').toTable({ limit: 60 }),
      plotted: study.residual.plot(),
    },
    ...study.latents.flatMap((latents) => latentParts(latents, top)),
  ]
}

function differences({ logitDiff, prompts }: IoiStudy): Part {
  const rows = prompts.map(({ clean, answer }, i) => [
    `${clean} →${answer}`,
    logitDiff.at(i, 'clean'),
    logitDiff.at(i, 'corrupted'),
  ])
  const average = logitDiff.mean('prompt')
  return {
    heading: 'Logit differences',
    text: 'Logit of the right name less that of the other, for the clean prompt and for the corrupted one (where the other name is right).',
    table: new Table(
      [{ name: 'prompt' }, { name: 'clean', align: 'right' }, { name: 'corrupted', align: 'right' }],
      [...rows, ['average', average.at('clean'), average.at('corrupted')]],
    ),
  }
}

/** The largest components, the rest as one, and the sum that must be the logit difference. */
function attribution(heading: string, result: Result, text: string): Part {
  const mean = result.mean('prompt')
  const ranked = mean.top(mean.values.length)
  const [shown, others] = [ranked.slice(0, COMPONENTS), ranked.slice(COMPONENTS)]
  const totals = result.extra['total'] as number[]
  const difference = totals.reduce((total, value) => total + value, 0) / totals.length
  return {
    heading,
    text: `${text} The parts sum to the logit difference.`,
    table: new Table(
      [{ name: 'component' }, { name: 'logits', align: 'right' }],
      [
        ...shown.map(({ labels, value }) => [labels[0]!, value]),
        [`${others.length} other parts`, sum(others)],
        ['sum of the parts', sum(ranked)],
        ['logit difference of the model', difference],
      ],
    ),
    plotted: bars({
      title: mean.title,
      unit: mean.unit,
      y: shown.map(({ value }) => value),
      labels: shown.map(({ labels }) => labels[0]!),
      xTitle: 'component',
    }),
  }
}

const sum = (parts: readonly { value: number }[]): number => parts.reduce((total, { value }) => total + value, 0)

function latentParts(
  { sae, hook, attribution: estimated, ablation: exact, correlation }: LatentStudy,
  top: number,
): Part[] {
  const [estimate, effect] = [estimated.mean('prompt'), exact.mean('prompt')]
  const rows = effect.top(top).map(({ labels, value }) => [labels[0]!, value, estimate.at(labels[0]!)])
  const r = correlation === null ? 'is not defined, one side being constant' : `is ${correlation.toFixed(3)}`
  const labels = exact.axes[0]!.labels.flatMap((latent) =>
    exact.axes[1]!.labels.map((_, b) => `${latent}, prompt ${b}`),
  )
  return [
    {
      heading: `Latents of ${sae}`,
      text:
        `Each of the ${effect.values.length} latents at ${hook} that fire at the last position, set to 0 there: the exact change of the logit difference, beside its estimate by attribution patching, gradient × (0 − activation). ` +
        `Their correlation over latents and prompts ${r}. Shown are the ${rows.length} latents of the largest effect.`,
      table: new Table(
        [{ name: 'latent' }, { name: 'ablation', align: 'right' }, { name: 'attribution', align: 'right' }],
        rows,
      ),
      plotted: scatter({
        title: 'attribution patching against ablation, a point for each latent and prompt',
        x: estimated.values,
        y: exact.values,
        labels,
        xTitle: 'attribution (logits)',
        yTitle: 'ablation (logits)',
        identityLine: true,
      }),
    },
  ]
}
