import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { animatedScatter } from '../../../../lib/report/figure/animated.js'
import { boxPlot } from '../../../../lib/report/figure/box.js'
import { bars, heatmap, lines } from '../../../../lib/report/figure/figure.js'
import { describeFigure } from '../../../../lib/report/page/page-figure.js'
import { renderPage, trustedHtml, writePage, type Page } from '../../../../lib/report/page/page.js'
import { Table } from '../../../../lib/report/table/table.js'

const hostile = '</script><script>alert(1)</script><!--"\'\u2028&'
const figure = heatmap({ z: [[1, -2]], x: [hostile, ' b'], y: ['0'], title: hostile, unit: 'logits' })

const page: Page = {
  title: hostile,
  intro: `${hostile}\n\nSecond\nparagraph.`,
  sections: [
    { heading: 'Same name', text: hostile, table: new Table([hostile], [[hostile], [1.5]], { title: hostile }) },
    { heading: 'Same name', figure },
    { figure: bars({ y: [1], labels: [hostile] }) },
    { heading: hostile, html: trustedHtml('<em id="mine">kept</em>') },
  ],
  provenance: { library: 'tfjs-lens 0.1.0', backend: 'cpu', model: hostile, modelFiles: {}, processing: {} },
}

/** Content of the scripts in the order of the page, cut at the first end tag as a browser does. */
function scripts(html: string): { attributes: string; content: string }[] {
  return [...html.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)].map(([, attributes, content]) => {
    return { attributes: attributes!, content: content! }
  })
}

/** What the page's script hands to plotly, run with a document of that JSON whose colours are named 'value of …'. */
function drawnBy(script: string, json: string): { layout: Record<string, Record<string, unknown>[] | undefined> } {
  const drawn: unknown[] = []
  runInNewContext(script, {
    document: { getElementById: () => ({ textContent: json }), documentElement: {} },
    getComputedStyle: () => ({ getPropertyValue: (name: string) => `value of ${name}` }),
    matchMedia: () => ({ addEventListener: () => undefined }),
    Plotly: { react: (_place: unknown, figure: unknown) => drawn.push(figure) },
  })
  expect(drawn).to.have.length(1)
  return JSON.parse(JSON.stringify(drawn[0])) as ReturnType<typeof drawnBy>
}

describe('page', () => {
  let html: string
  before(async () => {
    html = await renderPage(page)
  })

  it('holds three scripts, which hostile text cannot end or add to', () => {
    const found = scripts(html)
    expect(found.map(({ attributes }) => attributes)).to.deep.equal([' type="application/json" id="figures"', '', ''])
    expect(found[1]!.content).to.include('plotly.js')
    const outside = html.replace(/<script[^>]*>[\s\S]*?<\/script>/g, '')
    expect(outside).to.not.match(/<script|<!--|\u2028/i)
    expect(outside).to.include('&lt;/script&gt;&lt;script&gt;alert(1)')
  })

  it('gives the figures to the script whole', () => {
    const [json] = scripts(html)
    expect(json!.content).to.not.match(/<|\u2028/)
    const figures = JSON.parse(json!.content) as { data: unknown[]; layout: Record<string, unknown> }[]
    expect(figures).to.have.length(2)
    expect(figures[0]!.data).to.deep.equal(JSON.parse(JSON.stringify(figure.data)))
    expect(figures[0]!.layout).to.not.have.property('title') // it is the caption
  })

  it('lets run only its own scripts, by their hashes, and loads nothing', () => {
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)![1]!
    const hashes = [...policy.matchAll(/'sha256-([^']+)'/g)].map(([, hash]) => hash)
    const executed = scripts(html).filter(({ attributes }) => attributes === '')
    expect(hashes).to.deep.equal(executed.map(({ content }) => createHash('sha256').update(content).digest('base64')))
    expect(policy).to.match(/^default-src 'none'; script-src 'sha256-/)
    expect(policy).to.not.include('http')
    const outside = html.replace(/<script[^>]*>[\s\S]*?<\/script>/g, '')
    expect(outside).to.not.match(/\b(src|href)="(?!#)|url\(|@import/)
  })

  it('offers no button that would send a figure to a server', () => {
    expect(scripts(html)[2]!.content).to.include("showSendToCloud: false,\n  plotlyServerURL: ''")
  })

  it('lists its headings, each with an id of its own', () => {
    const links = [...html.matchAll(/<li><a href="#([^"]+)">/g)].map(([, id]) => id!)
    expect(links).to.have.length(4)
    expect(new Set(links).size).to.equal(4)
    for (const id of links) expect(html).to.include(`<section id="${id}" aria-labelledby="${id}-heading">`)
  })

  it('names what it shows to those who cannot see it', () => {
    expect(html).to.include('aria-label="Heat map, 1 by 2 values from -2 to 1 logits."')
    expect(html).to.match(/<div class="scroll" role="region" tabindex="0" aria-label="[^"]+">/)
    expect(html).to.include('<html lang="en">')
    expect(html).to.include('<figcaption>&lt;/script&gt;')
    expect(describeFigure(lines({ series: [{ name: 'a', y: [1, NaN] }] }))).to.equal('Lines, 1 values from 1 to 1.')
    expect(describeFigure(bars({ y: [] }))).to.equal('Bars.')
    const group = { name: 'a', values: [1, 2, 3, 50, NaN] }
    expect(describeFigure(boxPlot({ groups: [group], unit: 'nats' }))).to.equal(
      'Box plot, 1 groups with values from 1 to 50 nats. 1 value left out (NaN or infinite).',
    )
    const frames = [1, 2].map((y) => ({ name: String(y), x: [0], y: [y] }))
    expect(describeFigure(animatedScatter({ frames }))).to.equal(
      'Points that change, 2 frames with 2 points from 1 to 2.',
    )
  })

  it('gives frames to the script, and the colours of the page to their buttons and slider', async () => {
    const frames = [1, 2].map((y) => ({ name: String(y), x: [0], y: [y] }))
    const animated = animatedScatter({ frames })
    const drawn = await renderPage({ title: 'T', sections: [{ figure: animated }] })
    expect(drawn).to.match(/id="plot-1" role="group"/) // it holds buttons
    const [json, , script] = scripts(drawn)
    const [given] = JSON.parse(json!.content) as [{ frames: unknown; layout: unknown }]
    expect(given.frames).to.deep.equal(JSON.parse(JSON.stringify(animated.frames)))
    const { layout } = drawnBy(script!.content, json!.content)
    const colours = { bgcolor: 'value of --panel', bordercolor: 'value of --soft' }
    expect(layout.sliders![0]).to.include({ active: 0, ...colours })
    expect(layout.updatemenus![0]).to.include({ type: 'buttons', ...colours })
    expect(JSON.stringify(given.layout)).to.not.include('value of') // drawn again in other colours from what was given
  })

  it('keeps trusted HTML, paragraphs and the order of sections', () => {
    expect(html).to.include('<em id="mine">kept</em>')
    expect(html).to.include('<p>Second paragraph.</p>')
    expect(html.indexOf('id="plot-1"')).to.be.below(html.indexOf('id="plot-2"'))
    expect(html.match(/<section/g)).to.have.length(4) // a section without a heading continues the one before
  })

  it('holds no script, and plotly.js not at all, when there is nothing to draw', async () => {
    const small = await renderPage({ title: 'Words', sections: [{ text: 'Only text.' }] })
    expect(small).to.not.include('<script')
    expect(small).to.include("script-src 'none'")
    expect(small.length).to.be.below(8000)
  })

  it('is written whole', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tfjs-lens-'))
    try {
      await writePage(join(folder, 'a', 'report.html'), page)
      expect(await readFile(join(folder, 'a', 'report.html'), 'utf8')).to.equal(html)
      expect(await readdir(join(folder, 'a'))).to.deep.equal(['report.html'])
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
