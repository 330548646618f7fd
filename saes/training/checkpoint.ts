/** The state of a training in one safetensors file: tensors, and the rest as JSON among its metadata. */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { FileError, MismatchError } from '../../lib/errors/errors.js'
import { SafetensorsFile } from '../../lib/weights/formats/safetensors.js'
import { folderSource } from '../../lib/weights/source.js'
import { writeSafetensors } from '../../lib/weights/formats/write-safetensors.js'
import { brief } from '../../lib/errors/brief.js'
import type { TrainedWeights } from './objective.js'
import { TrainingState, type TrainingProgress } from './state.js'

const FILE = 'training.safetensors'
const FORMAT = 'tfjs-lens training 1'

/** What a training is of: two with the same go the same way. Plain JSON. */
export interface TrainingIdentity {
  readonly config: Readonly<Record<string, unknown>>
  readonly data: unknown
  readonly model: unknown
}

/** Writes the state; the file is there whole or not at all. @throws FileError when it cannot be written */
export async function writeCheckpoint(folder: string, state: TrainingState, identity: TrainingIdentity): Promise<void> {
  const metadata = { format: FORMAT, identity: JSON.stringify(identity), progress: JSON.stringify(state.progress) }
  await writeSafetensors(join(folder, FILE), await state.read(), metadata)
}

/**
 * The state that a folder holds; undefined where there is none.
 * @throws MismatchError for a training of something else, FileError for a file that is damaged
 */
export async function readCheckpoint(folder: string, identity: TrainingIdentity): Promise<TrainingState | undefined> {
  const path = join(folder, FILE)
  if (!(await isThere(path))) return undefined
  const file = await SafetensorsFile.open(await (await folderSource(folder)).open(FILE))
  try {
    const { format, identity: theirs = '', progress = '' } = file.metadata
    if (format !== FORMAT) {
      throw new FileError(`trainSae: '${path}' has the format '${brief(format)}'. This version reads '${FORMAT}'.`)
    }
    checkSame(folder, parse(path, theirs) as TrainingIdentity, identity)
    return await restored(file, path, parse(path, progress) as TrainingProgress)
  } finally {
    await file.close()
  }
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

async function restored(file: SafetensorsFile, path: string, progress: TrainingProgress): Promise<TrainingState> {
  const trained = [...file.infos].filter(([name]) => file.infos.has(`${name}.first`))
  const zeros = Object.fromEntries(trained.map(([name, { shape }]) => [name, tf.zeros([...shape])]))
  const state = new TrainingState(progress, zeros as unknown as TrainedWeights)
  tf.dispose(zeros)
  try {
    for (const [name, variable] of state.variables()) {
      const { shape, values } = await file.read(name)
      if (shape.join() !== variable.shape.join()) {
        throw new FileError(
          `trainSae: ${name} in '${path}' has shape [${shape}], not [${variable.shape}]. It is damaged: begin again.`,
        )
      }
      tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)))
    }
    return state
  } catch (error) {
    state.dispose()
    throw error
  }
}

function parse(path: string, json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw new FileError(`trainSae: the state in '${path}' is no JSON. It is damaged: begin again.`, { cause })
  }
}

function checkSame(folder: string, theirs: TrainingIdentity, ours: TrainingIdentity): void {
  const keys = Object.keys({ ...theirs.config, ...ours.config })
  const differs = (a: unknown, b: unknown) => JSON.stringify(a) !== JSON.stringify(b)
  const option = keys.find((key) => differs(theirs.config[key], ours.config[key]))
  const what =
    option !== undefined
      ? `${option} ${brief(theirs.config[option])}, not ${brief(ours.config[option])}`
      : differs(theirs.data, ours.data)
        ? 'other data'
        : differs(theirs.model, ours.model)
          ? 'another model'
          : undefined
  if (what === undefined) return
  throw new MismatchError(
    `trainSae: '${folder}' holds a training with ${what}. ` +
      'Continue with what it began with, or name another folder.',
  )
}
