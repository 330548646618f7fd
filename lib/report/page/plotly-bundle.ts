/** The plotly.js bundle, read from its package when a page needs it. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { FileError } from '../../errors/errors.js'

const packageName = 'plotly.js-cartesian-dist-min'

/** plotly.js as text fit for an inline script. @throws FileError when its package is not installed. */
export async function plotlyBundle(): Promise<string> {
  try {
    const path = createRequire(import.meta.url).resolve(packageName)
    return safeInScript(await readFile(path, 'utf8'))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new FileError(`renderPage: cannot read ${packageName} (${reason}). Install it: npm install ${packageName}.`, {
      cause,
    })
  }
}

/** Script text that cannot end its element or open a comment; line ends as the browser's parser makes them. */
function safeInScript(script: string): string {
  return script
    .replace(/\r\n?/g, '\n')
    .replace(/<\/(?=script)/gi, '<\\/')
    .replace(/<!--/g, '<\\!--')
}
