/**
 * SAEs that torch.save wrote: four tensors under their names, alone or with a config object. What the tensors do not
 * say comes from that object, from a JSON file next to it (`_cfg.json`, `.json`), or from the caller. Nothing is run,
 * see lib/weights/formats/pickle.ts.
 */
import { ConfigReader, type JsonRecord } from '../../lib/transformer/config-reader.js'
import { ConfigError, FileError } from '../../lib/errors/errors.js'
import { actName } from '../../lib/transformer/hook-names.js'
import { PickledRecord, pickledText } from '../../lib/weights/formats/pickle.js'
import { readJson, type Source } from '../../lib/weights/source.js'
import { TorchFile } from '../../lib/weights/formats/torch-file.js'
import { TorchTensor } from '../../lib/weights/formats/torch-tensor.js'
import { brief } from '../../lib/errors/brief.js'
import { configOf, sizesOf, withScaling, type OpenSae, type SaeFacts } from './sae-files.js'
import { closedOnFailure, type StoredTensor } from './stored-tensors.js'

/** Endings of files that torch.save writes. */
export const torchEnding = /\.(pt|pth)$/

type Dict = ReadonlyMap<unknown, unknown>

/**
 * The SAE in a file of torch.save.
 * @throws FileError naming a function that the file would call, or what it holds; ConfigError when no hook is known
 */
export async function openTorchSae(source: Source, file: string, facts: SaeFacts): Promise<OpenSae> {
  const where = `${source.id}/${file}`
  const opened = await TorchFile.open(await source.open(file))
  return closedOnFailure(opened, async () => {
    const { states, saved } = partsOf(opened.value, where)
    const sizes = sizesOf(states, where)
    const json = saved ?? (await configNextTo(source, file))
    if (facts.hookName === undefined && !('hook_name' in json) && !('hook_point' in json)) throw noHookName(where)
    const config = configOf({ ...sizes, ...json }, { prependBos: true, ...facts }, where)
    const stored = [...states].map(([name, tensor]): [string, StoredTensor] => {
      return [name, { shape: tensor.shape, file: where, read: () => opened.read(tensor, name) }]
    })
    return { ...(await withScaling(config, new Map(stored), where)), close: () => opened.close() }
  })
}

/** The tensors of what was saved, a state dict alone or with a `cfg`, and the fields of that config. */
function partsOf(value: unknown, where: string): { states: ReadonlyMap<string, TorchTensor>; saved?: JsonRecord } {
  const dict = value instanceof Map ? (value as Dict) : new Map<unknown, unknown>()
  const inner = dict.get('state_dict')
  const named = inner instanceof Map ? (inner as Dict) : dict
  const saved = inner instanceof Map ? fieldsOf(dict.get('cfg') ?? dict.get('config')) : undefined
  const states = new Map<string, TorchTensor>()
  for (const [name, tensor] of named) {
    if (typeof name !== 'string' || !(tensor instanceof TorchTensor)) {
      throw new FileError(
        `loadSae: '${brief(String(name))}' of ${where} is ${pickledText(tensor)}. A state dict holds tensors only.`,
      )
    }
    states.set(name, tensor)
  }
  if (states.size > 0) return { states, ...(saved && { saved }) }
  throw new FileError(`loadSae: ${where} holds ${pickledText(value)}. A dict of tensors, the SAE's weights, is needed.`)
}

/** The plain values of a pickled config: an object of whatever class, or a dict. */
function fieldsOf(config: unknown): JsonRecord | undefined {
  const fields = config instanceof PickledRecord ? config.fields : config
  if (!(fields instanceof Map)) return undefined
  const plain = (value: unknown) => value === null || ['string', 'number', 'boolean'].includes(typeof value)
  const entries = [...(fields as Dict)].flatMap(([key, value]): [string, unknown][] => {
    if (typeof key !== 'string') return []
    if (plain(value)) return [[key, value]]
    return value instanceof Map ? [[key, fieldsOf(value)]] : []
  })
  return Object.fromEntries(entries)
}

/** What a JSON file next to it says, in SAELens's words: `<name>_cfg.json`, or `<name>.json` of an encoder run. */
async function configNextTo(source: Source, file: string): Promise<JsonRecord> {
  const stem = file.replace(torchEnding, '')
  const trainer = `${stem}_cfg.json`
  if (await source.has(trainer)) return ofTrainer(await readJson(source, trainer), `${source.id}/${trainer}`)
  if (await source.has(`${stem}.json`)) return ofRun(await readJson(source, `${stem}.json`), source.id, stem)
  return {}
}

/**
 * The config of the trainers by Neel Nanda, and Connor Kissane and Rob Krzyzanowski: `act_name`, `act_size`,
 * `dict_size`, `seq_len`; the first ones have `d_mlp` and `dict_mult` and name no hook point.
 */
function ofTrainer(json: unknown, where: string): JsonRecord {
  const read = new ConfigReader(json, where)
  if (typeof (json as JsonRecord)['head'] === 'number') throw singleHead(where, 'head')
  const hookName = read.has('act_name')
    ? read.text('act_name')
    : read.has('site') && read.has('layer')
      ? actName(read.text('site'), layerOf(json as JsonRecord, where))
      : undefined
  const dIn = sizeOf(read, 'act_size') ?? sizeOf(read, 'd_mlp')
  const mult = sizeOf(read, 'dict_mult')
  const dSae = sizeOf(read, 'dict_size') ?? (dIn !== undefined && mult !== undefined ? dIn * mult : undefined)
  return given({
    d_in: dIn,
    d_sae: dSae,
    hook_name: hookName,
    context_size: sizeOf(read, 'seq_len'),
    model_name: read.has('model_name') ? read.text('model_name') : undefined,
  })
}

/** The config of an encoder run, `<model>/<run>.json`: `layer`, `act`, `d_in`, `expansion_factor`. */
function ofRun(json: unknown, id: string, stem: string): JsonRecord {
  const where = `${id}/${stem}.json`
  const read = new ConfigReader(json, where)
  if (read.has('head_idx')) throw singleHead(where, 'head_idx')
  const dIn = sizeOf(read, 'd_in')
  const expansion = sizeOf(read, 'expansion_factor')
  const folder = where.split(/[\\/]/).at(-2)
  return given({
    d_in: dIn,
    d_sae: dIn !== undefined && expansion !== undefined ? dIn * expansion : undefined,
    hook_name: `blocks.${layerOf(json as JsonRecord, where)}.${read.text('act')}`,
    context_size: sizeOf(read, 'seq_len'),
    model_name: read.has('model') ? read.text('model') : folder,
  })
}

const sizeOf = (read: ConfigReader, key: string) => (read.has(key) ? read.size(key) : undefined)

function layerOf(json: JsonRecord, where: string): number {
  const layer = json['layer']
  if (Number.isSafeInteger(layer) && (layer as number) >= 0) return layer as number
  throw new ConfigError(`${where}: layer is ${brief(layer)}. It must be a whole number from 0 up.`)
}

function given(json: JsonRecord): JsonRecord {
  return Object.fromEntries(Object.entries(json).filter(([, value]) => value !== undefined))
}

function singleHead(where: string, key: string): ConfigError {
  return new ConfigError(
    `${where}: the SAE reads a single head (${key}). Only SAEs of a whole hook point are supported.`,
  )
}

function noHookName(where: string): ConfigError {
  return new ConfigError(
    `loadSae: ${where} does not say which hook point the SAE reads, and no JSON file beside it does. ` +
      `Give the option hookName, such as 'blocks.0.mlp.hook_post'.`,
  )
}
