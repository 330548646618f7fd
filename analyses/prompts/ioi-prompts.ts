/** Prompts for indirect object identification (IOI): who gets the thing? Wang et al. 2022, arXiv:2211.00593. */
import { ArgumentError } from '../../lib/errors/errors.js'
import { checkOptions } from '../../lib/errors/options.js'
import { random } from '../../lib/stats/random.js'

/** A pair of prompts, and the names they are about. */
export interface IoiPrompt {
  /** `… When Carl and Eva went to the hill, Eva gave a stone to` */
  readonly clean: string
  /** The same with the other name as the giver, so that the answer is the wrong one. */
  readonly corrupt: string
  /** The name that is right for the clean prompt, with its leading space. */
  readonly answer: string
  readonly wrong: string
}

const names = 'Amy Anna Ben Carl Ella Emma Eva George Jack James Kate Leo Mary Rose Sara'.split(' ')
const places = ['bakery', 'hill', 'lake', 'market', 'school', 'store']
const things = ['box', 'coin', 'cup', 'hat', 'lamp', 'ring', 'stone', 'toy']

/** How many prompts `ioiPrompts` makes, and which. */
export interface IoiOptions {
  /** @default 8 */
  readonly count?: number
  /** @default 0 */
  readonly seed?: number
}

/**
 * Pairs of clean and corrupted prompts of one length, all names single tokens of the embedded model, which solves them.
 * Which of the two names comes first is drawn as well.
 *
 * Source: Wang et al. 2022, "Interpretability in the wild", arXiv:2211.00593.
 * @example const [{ clean, corrupt, answer, wrong }] = ioiPrompts({ count: 1 })
 * @throws ArgumentError for a count that is no whole number from 1
 */
export function ioiPrompts(options: IoiOptions = {}): IoiPrompt[] {
  checkOptions('ioiPrompts', options, { count: true, seed: true })
  const { count = 8, seed = 0 } = options
  if (!Number.isInteger(count) || count < 1) {
    throw new ArgumentError(`ioiPrompts: count is ${count}. It must be a whole number from 1.`)
  }
  const draw = random(seed)
  const one = (list: readonly string[]) => list[draw.integer(list.length)] ?? ''
  return Array.from({ length: count }, () => {
    const first = one(names)
    const second = one(names.filter((name) => name !== first))
    const [place, thing] = [one(places), one(things)]
    const giver = draw.integer(2) === 0 ? first : second
    const receiver = giver === first ? second : first
    const both = `${first} and ${second}`
    const say = (who: string) =>
      `${both} were good friends. When ${both} went to the ${place}, ${who} gave a ${thing} to`
    return { clean: say(giver), corrupt: say(receiver), answer: ` ${receiver}`, wrong: ` ${giver}` }
  })
}
