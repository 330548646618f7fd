/**
 * Takes the pictures of docs/gallery.md from the pages that its code writes to out/gallery:
 * `CHROMIUM=chromium node docs/images/take.mjs`, after `npm run spec -- spec/docs/code-blocks.spec.ts`.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { join } from 'node:path'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Sizes in pixels; a width of 900 and the light theme unless said. */
const pictures = {
  attribution: { height: 590 },
  heads: { height: 420 },
  patching: { height: 440, width: 1060 },
  lens: { height: 570 },
  estimate: { height: 590 },
  examples: { height: 760, width: 1060, dark: true },
  sources: { height: 700, width: 1160 },
  statistics: { height: 620 },
}

for (const [name, { height, width = 900, dark = false }] of Object.entries(pictures)) {
  const page = pathToFileURL(join(ROOT, 'out/gallery', `${name}.html`)).href
  const options = ['--headless', '--no-sandbox', '--hide-scrollbars', '--virtual-time-budget=8000']
  const scheme = `--blink-settings=preferredColorScheme=${dark ? 0 : 1}`
  const file = `--screenshot=${join(ROOT, 'docs/images', `${name}.png`)}`
  const size = `--window-size=${width},${height}`
  const { status } = spawnSync(process.env.CHROMIUM ?? 'chromium', [...options, scheme, file, size, page])
  if (status !== 0) throw new Error(`${name}: Chromium ended with ${status}`)
}
