/** The style sheet of our pages: system fonts, light and dark, narrow and wide screens, paper. */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --page: #ffffff; --panel: #f6f7f9; --text: #1c2128; --soft: #59636e; --line: #d9dee4; --link: #0b5cad;
}
@media (prefers-color-scheme: dark) {
  :root { --page: #14171c; --panel: #1d2128; --text: #e6e9ed; --soft: #9aa4b0; --line: #353c46; --link: #79b8ff; }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.55 system-ui, sans-serif; }
.layout { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
main { min-width: 0; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .75rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 0 0 .5rem; }
h1, h2, p, li, dd, figcaption, caption { overflow-wrap: anywhere; }
p { margin: 0 0 .75rem; max-width: 46rem; }
section { margin-top: 2.5rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 2px; }
nav { margin: 1.5rem 0; padding: .75rem 1rem; background: var(--panel); border-radius: .5rem; font-size: .9rem; }
nav ol { margin: 0; padding-left: 1.4rem; }
nav li { margin: .2rem 0; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
figure { margin: 1rem 0; }
figcaption, caption { font-weight: 600; font-size: .95rem; text-align: left; margin: 0; padding: 0 0 .35rem; }
caption { width: max-content; max-width: min(46rem, 88vw); }
.scroll { overflow-x: auto; margin: 1rem 0; }
figure .scroll { margin: 0; }
.plot { position: relative; }
.plot .updatemenu-button:hover .updatemenu-item-rect { fill: var(--line) !important; }
table { border-collapse: collapse; font-size: .9rem; line-height: 1.35; }
th, td { padding: .28rem .7rem; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 500; }
thead th { font-weight: 600; border-bottom: 2px solid var(--line); vertical-align: bottom; }
tbody tr:hover { background: var(--panel); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.note { color: var(--soft); font-size: .85rem; margin-top: .35rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .25rem 1rem; font-size: .85rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; }
@media (min-width: 84rem) {
  .layout.with-contents { display: grid; grid-template-columns: 14rem minmax(0, 1fr); column-gap: 2.5rem; max-width: 84rem; }
  .with-contents header, .with-contents main { grid-column: 2; }
  .with-contents nav { grid-column: 1; grid-row: 1 / span 2; position: sticky; top: 1.5rem; align-self: start; max-height: calc(100vh - 3rem); overflow: auto; margin: 0; }
}
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } }
@media print { nav, .modebar { display: none; } figure, tr { break-inside: avoid; } section { border: 0; } }
`
