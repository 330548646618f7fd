/** A model's weights as torch.save writes them (`pytorch_model.bin`, `model_final.pth`): a dict of name to tensor. */
import { FileError } from '../../errors/errors.js'
import { didYouMean } from '../../errors/nearest.js'
import { DTYPES } from './dtypes.js'
import { pickledText } from './pickle.js'
import type { HostTensor } from '../read-tensor.js'
import type { TensorInfo } from './safetensors-header.js'
import type { RandomAccessFile } from '../source.js'
import { TorchFile } from './torch-file.js'
import { TorchTensor } from './torch-tensor.js'
import { brief } from '../../errors/brief.js'

/** An open state dict, whose tensors are read one at a time. */
export class StateDictFile {
  readonly infos: ReadonlyMap<string, TensorInfo>
  readonly #name: string
  readonly #file: TorchFile
  readonly #tensors: ReadonlyMap<string, TorchTensor>

  private constructor(name: string, file: TorchFile, tensors: ReadonlyMap<string, TorchTensor>) {
    this.#name = name
    this.#file = file
    this.#tensors = tensors
    this.infos = new Map([...tensors].map(([key, tensor]) => [key, infoOf(key, tensor)]))
  }

  /**
   * From here on the file belongs to the result; it is closed at once when it is refused.
   * @throws FileError for a damaged file and for one with anything but tensors under names, which it names.
   */
  static async open(file: RandomAccessFile): Promise<StateDictFile> {
    const opened = await TorchFile.open(file)
    try {
      return new StateDictFile(file.name, opened, tensorsOf(file.name, opened.value))
    } catch (error) {
      await opened.close()
      throw error
    }
  }

  /** @throws FileError when there is no such tensor, or an integer does not fit in 32 bits. */
  async read(name: string): Promise<HostTensor> {
    const tensor = this.#tensors.get(name)
    if (tensor) return this.#file.read(tensor, name)
    const hint = didYouMean(name, this.#tensors.keys())
    throw new FileError(`read ${this.#name}: no tensor '${name}' (it holds ${this.#tensors.size}).${hint}`)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

function tensorsOf(file: string, value: unknown): Map<string, TorchTensor> {
  if (!(value instanceof Map)) {
    throw new FileError(`open ${file}: it holds ${pickledText(value)}. A state dict, name to tensor, is needed.`)
  }
  const tensors = new Map<string, TorchTensor>()
  for (const [name, tensor] of value as Map<unknown, unknown>) {
    if (typeof name !== 'string' || !(tensor instanceof TorchTensor)) {
      const what = `'${brief(String(name))}' is ${pickledText(tensor)}`
      throw new FileError(`open ${file}: ${what}. A model's checkpoint holds plain tensors only.`)
    }
    tensors.set(name, tensor)
  }
  return tensors
}

function infoOf(name: string, { storage, shape, length }: TorchTensor): TensorInfo {
  return { name, dtype: storage.dtype, shape, byteLength: length * DTYPES[storage.dtype].size }
}
