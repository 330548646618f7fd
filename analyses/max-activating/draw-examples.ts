/** Examples as coloured text in the terminal and as HTML. */
import ansis from 'ansis'
import { highlightHtml, highlightText, type Highlight } from '../../lib/report/page/highlight.js'
import { formatFor, formatNumber } from '../../lib/report/table/number-text.js'
import { trustedHtml, type Page } from '../../lib/report/page/page.js'
import { escapeHtml } from '../../lib/report/table/token-text.js'
import type { MaxActivatingExample, MaxActivating } from './max-activating-result.js'

/** Which examples are shown. */
export interface ShownExamples {
  /** @default all that were searched */
  readonly latents?: readonly number[]
  /** Examples of each. @default all */
  readonly limit?: number
}

interface Group {
  readonly latent: number
  readonly title: string
  readonly examples: readonly MaxActivatingExample[]
  /** Of the latent's largest example: what the full colour stands for. */
  readonly max: number
}

function groupsOf(result: MaxActivating, { latents = result.about.latents, limit }: ShownExamples): Group[] {
  return latents.map((latent) => {
    const examples = result.of(latent).slice(0, limit)
    const max = examples[0]?.activation ?? 0
    const much = examples.length === 0 ? 'no example' : `largest activation ${max.toFixed(3)}`
    return { latent, title: `latent ${latent}, ${much}`, examples, max }
  })
}

/** What the two texts of an example are where it has both. */
const sourceCaption = 'source: the token that adds most (orange)'
const textCaption = 'destination: where it fires (green)'

/** The text around an example, by activation. */
const textOf = ({ tokens, activations, position, start }: MaxActivatingExample, max: number): Highlight => {
  return { tokens, values: activations, max, mark: position - start }
}

/** The text around the source token that adds most, as long as that around the example, by attribution. */
function sourceOf({ dfa, tokens }: MaxActivatingExample): Highlight | undefined {
  if (!dfa) return undefined
  const half = (tokens.length - 1) / 2
  const source = dfa.source - dfa.start
  const begin = Math.max(0, source - half)
  const end = source + half + 1
  const values = dfa.scores.slice(begin, end)
  return { tokens: dfa.tokens.slice(begin, end), values, mark: source - begin, colour: 'orange' }
}

/** `59:12`: row and position. */
const placeOf = ({ row, position }: MaxActivatingExample): string => `${row}:${position}`

/** Coloured lines for the terminal. */
export function drawExamples(result: MaxActivating, shown: ShownExamples): string {
  return groupsOf(result, shown)
    .map(({ title, examples, max }) => {
      const format = formatFor(examples.map(({ activation }) => activation))
      const width = Math.max(0, ...examples.map(({ activation }) => formatNumber(activation, format).length))
      const room = Math.max(0, ...examples.map((example) => placeOf(example).length))
      const lines = examples.map((example) => {
        const source = sourceOf(example)
        const from = source ? `${highlightText(source)} ${ansis.dim('→')} ` : ''
        const number = formatNumber(example.activation, format).padStart(width)
        return `${number} ${ansis.dim(placeOf(example).padEnd(room))} ${from}${highlightText(textOf(example, max))}`
      })
      const hasSource = examples.some(({ dfa }) => dfa)
      const caption = `${' '.repeat(width + room + 2)}${sourceCaption} → ${textCaption}`
      return [ansis.bold(title), ...(hasSource ? [ansis.dim(caption)] : []), ...lines].join('\n')
    })
    .join('\n\n')
}

/** A heading and a table for each latent. */
export function examplesHtml(result: MaxActivating, shown: ShownExamples): string {
  return groupsOf(result, shown)
    .map((group) => `<h3>${escapeHtml(group.title)}</h3>${groupHtml(group)}`)
    .join('\n')
}

function groupHtml({ examples, max }: Group): string {
  if (examples.length === 0) return '<p class="note">It does not fire.</p>'
  const format = formatFor(examples.map(({ activation }) => activation))
  const hasSource = examples.some(({ dfa }) => dfa)
  const rows = examples.map((example) => {
    const source = sourceOf(example)
    const cells = [
      `<th scope="row" class="number">${escapeHtml(formatNumber(example.activation, format))}</th>`,
      `<td class="number">${placeOf(example)}</td>`,
      ...(hasSource ? [`<td>${source ? highlightHtml(source) : ''}</td>`] : []),
      `<td>${highlightHtml(textOf(example, max))}</td>`,
    ]
    return `<tr>${cells.join('')}</tr>`
  })
  const heads = ['activation', 'row:position', ...(hasSource ? [sourceCaption, textCaption] : ['text'])]
  const head = heads.map((name, i) => `<th scope="col"${i < 2 ? ' class="number"' : ''}>${name}</th>`).join('')
  const table = `<table><thead><tr>${head}</tr></thead>\n<tbody>${rows.join('\n')}</tbody></table>`
  return `<div class="scroll" role="region" tabindex="0" aria-label="examples">${table}</div>`
}

/** A page with a section for each latent. */
export function examplesPage(result: MaxActivating, shown: ShownExamples): Page {
  const { sae, hook, rows, tokens, k } = result.about
  return {
    title: `Most activating examples of ${sae}`,
    intro:
      `Up to ${k} examples of each latent at ${hook}, of ${tokens} tokens in ${rows} rows. Tokens are coloured by ` +
      'activation; rest the pointer on one to see it.',
    sections: groupsOf(result, shown).map((group) => ({
      heading: group.title,
      html: trustedHtml(groupHtml(group)),
    })),
    provenance: result.provenance,
  }
}
