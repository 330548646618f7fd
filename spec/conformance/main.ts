/** `conformance`: holds the library to recorded numbers. */
import type { Command } from 'commander'

const NOTES = `
Each check is one line of JSON on stdout:
  {"case":"gpt2","tensor":"tl/logits","maxAbs":0.00001,"tolerance":0.00015,"ok":true}
maxAbs is null where there is no largest difference: wrong shape, NaN, facts that are not numbers, not supported yet.
With "rtol" a difference up to tolerance + rtol * |recorded| passes. Where something is wrong, "error" says what.
The last line is "N passed, N failed"; the exit code is 0 when none failed.`

export function register(program: Command): void {
  program
    .command('conformance')
    .description('hold the library to recorded numbers')
    .argument('<dir...>', 'folders with an expected.json, or folders of such folders')
    .option(
      '--only <pattern>',
      'only checks whose case/tensor contains this; a pattern with * must match all of it, or of tensor',
    )
    .addHelpText('after', NOTES)
    .action(conform)
}

async function conform(folders: string[], { only }: { only?: string }): Promise<void> {
  const { backendNotice, useBackend } = await import('../../lib/backend/backend.js')
  const { runConformance } = await import('./run.js')
  console.error(`backend: ${backendNotice(await useBackend())}`)
  const { failed } = await runConformance(folders, { only, write: (line) => process.stdout.write(`${line}\n`) })
  if (failed > 0) process.exitCode = 1
}
