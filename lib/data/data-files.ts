/** Which files of a folder or hub repository are data: by kind, configuration and split, as Hugging Face has them. */
import path from 'node:path'
import { FileError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import { fewNames } from '../errors/brief.js'

export type FileKind = 'parquet' | 'jsonl' | 'txt'

export interface FileChoice {
  /** Patterns of names, such as `data/train-0000*.parquet`; `*` stands for anything but a slash, `**` for anything. */
  readonly files?: string | readonly string[]
  /** A part of the data set, as Hugging Face has it: the name of a folder. */
  readonly config?: string
  /** Files whose name holds this word. @default 'train' where every file is of a split, else all */
  readonly split?: string
}

const endings: readonly (readonly [FileKind, RegExp])[] = [
  ['parquet', /\.parquet$/],
  ['jsonl', /\.(jsonl|ndjson|json)(\.gz)?$/],
  ['txt', /\.txt(\.gz)?$/],
]
/** JSON files that are about a data set. */
const notData = /(^|\/)(dataset_infos?|state|config|metadata|sae_lens|package)\.json$/

/** What a file holds, by the end of its name. */
export function fileKind(file: string): FileKind | undefined {
  return endings.find(([, end]) => end.test(file))?.[0]
}

/**
 * The data files among `names`, all of one kind: where there are several, Parquet before JSON Lines before text.
 * @param id what messages call the whole
 * @throws FileError when none fits, or several splits or configurations do and none is named
 */
export function chooseFiles(
  names: readonly string[],
  choice: FileChoice,
  id: string,
): { kind: FileKind; files: string[] } {
  const data = names.filter((name) => fileKind(name) !== undefined && !notData.test(name))
  if (data.length === 0) {
    throw new FileError(`loadData: '${id}' has no .parquet, .jsonl or .txt file. It holds ${fewNames(names)}.`)
  }
  const named = choice.files === undefined ? data : byPattern(data, [choice.files].flat(), id)
  const ofConfig = byConfig(named, choice, id)
  const files = bySplit(ofConfig, choice, id)
  const [kind = 'txt'] = endings.map(([each]) => each).filter((each) => files.some((file) => fileKind(file) === each))
  return { kind, files: files.filter((file) => fileKind(file) === kind).sort() }
}

function byPattern(files: readonly string[], patterns: readonly string[], id: string): string[] {
  const tests = patterns.map((pattern) => patternTest(pattern))
  const found = files.filter((file) => tests.some((test) => test.test(file)))
  if (found.length > 0) return found
  const wanted = patterns.map((pattern) => `'${pattern}'`).join(', ')
  throw new FileError(`loadData: no data file of '${id}' fits ${wanted}. It holds ${fewNames(files)}.`)
}

function patternTest(pattern: string): RegExp {
  const parts = pattern.split(/(\*\*\/|\*\*|\*|\?)/)
  const wild: Record<string, string> = { '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*', '?': '[^/]' }
  return new RegExp(`^${parts.map((part) => wild[part] ?? part.replace(/[\\^$.|+()[\]{}]/g, '\\$&')).join('')}$`)
}

/** Files of the configuration that is named; without a name there must be one folder at most next to `data`. */
function byConfig(files: readonly string[], { files: patterns, config }: FileChoice, id: string): string[] {
  const configs = [...new Set(files.flatMap((file) => path.posix.dirname(file).split('/')))]
    .filter((folder) => folder !== '.' && folder !== 'data' && !splitsIn(folder).length)
    .sort()
  if (config !== undefined) {
    const found = files.filter((file) => path.posix.dirname(file).split('/').includes(config))
    if (found.length > 0) return found
    throw new FileError(
      `loadData: '${id}' has no configuration '${config}'. It has ${fewNames(configs)}.${didYouMean(config, configs)}`,
    )
  }
  const folders = new Set(files.map((file) => path.posix.dirname(file)))
  if (patterns !== undefined || configs.length === 0 || folders.size === 1) return [...files]
  throw new FileError(
    `loadData: '${id}' has several configurations (${fewNames(configs)}). Name one by config, or files by files.`,
  )
}

const splitWords: Readonly<Record<string, string>> = {
  train: 'train',
  training: 'train',
  test: 'test',
  testing: 'test',
  validation: 'validation',
  valid: 'validation',
  val: 'validation',
  dev: 'validation',
  eval: 'test',
}

/** The splits that words of a path name: `train` of `data/train-00000-of-00002.parquet`. */
function splitsIn(file: string): string[] {
  const words = file.toLowerCase().split(/[^a-z]+/)
  return words.map(splitOf).filter((split) => split !== undefined)
}

const splitOf = (word: string): string | undefined => (Object.hasOwn(splitWords, word) ? splitWords[word] : undefined)

function bySplit(files: readonly string[], { files: patterns, split }: FileChoice, id: string): string[] {
  const splits = [...new Set(files.flatMap(splitsIn))].sort()
  if (split !== undefined) {
    const word = splitOf(split) ?? split
    const found = files.filter((file) => splitsIn(file).includes(word) || path.posix.basename(file).includes(split))
    if (found.length > 0) return found
    throw new FileError(
      `loadData: '${id}' has no split '${split}'. It has ${fewNames(splits)}.${didYouMean(split, splits)}`,
    )
  }
  const allOfSplits = files.every((file) => splitsIn(file).length > 0)
  if (patterns !== undefined || !allOfSplits || splits.length === 1) return [...files]
  if (splits.includes('train')) return files.filter((file) => splitsIn(file).includes('train'))
  throw new FileError(`loadData: '${id}' has the splits ${splits.join(', ')}. Name one by split.`)
}
