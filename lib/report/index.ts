/**
 * Tables, figures, pages and notebooks of results, and results compared.
 * @module tfjs-lens/report
 */
export { animatedScatter } from './figure/animated.js'
export { areas, percentileAreas } from './figure/areas.js'
export { boxPlot } from './figure/box.js'
export { bars, heatmap, histogram, lines, scatter, type Figure } from './figure/figure.js'
export { Notebook, type Drawn, type Shown } from './notebook/notebook.js'
export { NotebookResults } from './notebook/notebook-results.js'
export { highlightHtml, highlightText, type Highlight } from './page/highlight.js'
export { renderPage, writePage, type Page, type Section } from './page/page.js'
export { compare, type Comparable, type CompareOptions } from './result/compare.js'
export { Comparison, type Unshared } from './result/comparison.js'
export type { Difference } from './result/differences.js'
export type { Provenance } from './result/provenance.js'
export type { RowColumn, Rows } from './result/rows.js'
export type { Savable, SavedKind } from './result/saved.js'
export { SavedRecord } from './result/saved-record.js'
export { pearson, spearman } from '../stats/correlation.js'
export { indexWithBuffer, kLargestIndices, type KLargestOptions } from '../stats/k-largest.js'
export { Table } from './table/table.js'
export { visibleToken } from './table/token-text.js'
export { drawFigure } from './terminal/terminal.js'
