/**
 * The script that draws the figures of a page, run by the browser. It gives them the colours of the page, and again
 * when the reader's system changes between light and dark.
 */
export const pageScript = `
'use strict'
const figures = JSON.parse(document.getElementById('figures').textContent)
const isAxis = (key) => /^[xy]axis[0-9]*$/.test(key)

function pageColours() {
  const style = getComputedStyle(document.documentElement)
  const colour = (name) => style.getPropertyValue(name).trim()
  return { text: colour('--text'), line: colour('--line'), panel: colour('--panel'), soft: colour('--soft') }
}

function inPageColours(layout) {
  const { text, line, panel, soft } = pageColours()
  const lines = { gridcolor: line, zerolinecolor: soft, linecolor: line }
  const axes = Object.entries({ xaxis: {}, yaxis: {}, ...layout })
    .filter(([key]) => isAxis(key))
    .map(([key, axis]) => [key, { zerolinewidth: 1, ...axis, ...lines }])
  const controls = { bgcolor: panel, bordercolor: soft, borderwidth: 1 }
  const inColours = (key, colours) => layout[key] && { [key]: layout[key].map((part) => ({ ...part, ...colours })) }
  return {
    ...layout,
    ...Object.fromEntries(axes),
    ...inColours('updatemenus', controls),
    ...inColours('sliders', { ...controls, activebgcolor: soft, tickcolor: soft }),
    font: { family: 'system-ui, sans-serif', size: 12, ...layout.font, color: text },
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    modebar: { bgcolor: 'rgba(0,0,0,0)', color: soft, activecolor: text },
    hoverlabel: { bgcolor: panel, bordercolor: line, font: { color: text }, align: 'left' },
  }
}

const config = {
  displaylogo: false,
  displayModeBar: 'hover',
  showSendToCloud: false,
  plotlyServerURL: '',
  responsive: true,
  modeBarButtonsToRemove: ['select2d', 'lasso2d', 'autoScale2d'],
}

function draw() {
  figures.forEach(({ data, layout, frames }, i) => {
    const place = document.getElementById('plot-' + (i + 1))
    Plotly.react(place, { data, layout: inPageColours(layout), config, frames })
  })
}

draw()
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw)
`
