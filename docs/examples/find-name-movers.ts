/**
 * Which parts of the embedded model answer "Carl and Eva … Eva gave a stone to" with " Carl"?
 * Direct logit attribution says which parts write the answer; activation patching says where in the prompt and in which
 * heads the information comes from. Run it: npx tsx docs/examples/find-name-movers.ts
 */
import { loadModel, logitDiff, type Result } from 'tfjs-lens'
import { activationPatching, directLogitAttribution } from 'tfjs-lens/analyses'

const names = [
  ['Carl', 'Eva'],
  ['George', 'Anna'],
  ['Kate', 'Emma'],
  ['Rose', 'Ben'],
]
const prompt = (first: string, second: string, giver: string) =>
  `${first} and ${second} were good friends. When ${first} and ${second} went to the hill, ${giver} gave a stone to`
const clean = names.map(([io, s]) => prompt(io!, s!, s!)) // the other one receives: io
const corrupt = names.map(([io, s]) => prompt(io!, s!, io!))
const answer = names.map(([io]) => ` ${io}`)
const wrong = names.map(([, s]) => ` ${s}`)

using model = await loadModel()
const m = model.use({ activationPatching, directLogitAttribution })
const metric = logitDiff(answer, wrong)

// 1. what writes the answer: the parts sum to the logit difference
const dla = (await m.directLogitAttribution(clean, { answer, wrong })).mean('prompt')
console.log(`logit difference ${dla.sum('component').at().toFixed(2)}, of which`)
show(dla, 5)

// 2. where the residual stream differs: the corrupted prompts, one layer and position taken from the clean ones
const stream = await m.activationPatching(corrupt, { metric, target: 'resid_pre', source: clean })
console.log(`\ncorrupted logit difference ${stream.baseline.mean('prompt').value.toFixed(2)}, restored by`)
show(stream.mean('prompt'), 5)

// 3. which heads carry it
const heads = await m.activationPatching(corrupt, { metric, target: 'heads', source: clean })
console.log('\nand by single heads')
show(heads.mean('prompt'), 5)

function show(result: Result, k: number): void {
  for (const { labels, value } of result.top(k)) console.log(`  ${labels.join(', ').padEnd(20)} ${value.toFixed(2)}`)
}
