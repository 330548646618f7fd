/** Changes of a metric, and the metric itself: what sweeps, ablation and patching return. */
import { z } from 'zod'
import { ArgumentError } from '../../errors/errors.js'
import type { ResultInit } from './init.js'
import type { JsonObject } from './json.js'
import { readResult } from './result-json.js'
import { Result, type Reduction } from './result.js'
import { numberField } from './saved.js'

/** What comes with the changes: numbers in the unit of the metric, one a prompt, or one for all. */
export interface EffectExtra extends JsonObject {
  /** The name of the metric, such as 'logit difference'. */
  readonly metric: string
  /** The metric without any change. */
  readonly baseline: readonly number[]
  /** The metric on the source prompts, where activations are taken from such and it is no function of logits. */
  readonly source?: readonly number[]
}

/**
 * The change of a metric under each of many interventions: the last axis is `prompt`, values are metric − baseline.
 * Means, sums and selections have the baseline of what is left.
 *
 * @example
 * const patched = await activationPatching(model, corrupt, { metric, target: 'resid_pre', source: clean })
 * patched.baseline.print()
 * patched.mean('prompt').restored().top(4).print()
 */
export class EffectResult<Extra extends EffectExtra = EffectExtra> extends Result<Extra> {
  static override readonly format: string = 'tfjs-lens-effect'
  static readonly extraSchema = z.looseObject({
    metric: z.string(),
    baseline: z.array(numberField),
    source: z.array(numberField).optional(),
  }) as unknown as z.ZodType<EffectExtra>

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static override fromJSON(value: unknown): EffectResult {
    return new EffectResult(readResult(value, EffectResult))
  }

  /** The metric without any change: axes [prompt], none once the prompts are averaged or one is selected. */
  get baseline(): Result {
    return this.#perPrompt('before the change', this.extra.baseline)
  }

  /** The metric on the source prompts, on the axes of `baseline`; undefined where nothing is taken from such. */
  get source(): Result | undefined {
    const { source } = this.extra
    return source && this.#perPrompt('on the source prompts', source)
  }

  /**
   * The normalised effect, value / (source − baseline): 1 where a change restores all of the difference between the
   * prompts and their sources, 0 where it does nothing. NaN where there is no difference. It has no unit.
   *
   * Of a mean over prompts it is the ratio of the means, `effects.mean('prompt').restored()`, which is steadier than
   * the mean of ratios. Wang et al. 2022, arXiv:2211.00593; Heimersheim and Nanda 2024, arXiv:2404.15255.
   * @throws ArgumentError where the metric on the source prompts is not known
   */
  restored(): Result {
    const { baseline, source } = this.extra
    if (!source) {
      throw new ArgumentError(
        `restored: the ${this.kind} has no metric on source prompts. Patch from a source, with a declared metric such ` +
          'as logitDiff(…).',
      )
    }
    const { kind, title, values, axes, provenance, notes } = this
    const at = this.#promptOf()
    const whole = source.map((metric, prompt) => metric - (baseline[prompt] ?? NaN))
    return new Result({
      kind: `${kind}, restored`,
      title: `${title}, share restored`,
      unit: '',
      values: values.map((change, i) => change / (whole[whole.length === 1 ? 0 : at(i)] ?? NaN)),
      axes,
      provenance,
      notes,
    })
  }

  override mean(axis: string): EffectResult<Extra> {
    return super.mean(axis) as EffectResult<Extra>
  }

  override sum(axis: string): EffectResult<Extra> {
    return super.sum(axis) as EffectResult<Extra>
  }

  override select(axis: string, which: number | string): EffectResult<Extra> {
    return super.select(axis, which) as EffectResult<Extra>
  }

  protected override derived(init: ResultInit, { axis, toOne }: Reduction): EffectResult<Extra> {
    const prompts = axis === 'prompt' ? this.#prompts : 0
    const reduced = (numbers: readonly number[]) =>
      numbers.length === prompts ? [Math.fround(toOne(Float32Array.from(numbers)))] : numbers
    const { baseline, source } = this.extra
    const extra = { ...this.extra, baseline: reduced(baseline), ...(source && { source: reduced(source) }) }
    return new EffectResult<Extra>({ ...init, extra })
  }

  #perPrompt(when: string, numbers: readonly number[]): Result {
    const { kind, unit, axes, provenance, notes } = this
    return new Result({
      kind,
      title: `${this.extra.metric} ${when}`,
      unit,
      values: Float32Array.from(numbers),
      axes: axes.filter(({ name, labels }) => name === 'prompt' && labels.length === numbers.length),
      provenance,
      notes,
    })
  }

  get #prompts(): number {
    return this.axes.find(({ name }) => name === 'prompt')?.labels.length ?? 0
  }

  /** From the place of a value to the number of its prompt; 0 where there is one for all. */
  #promptOf(): (place: number) => number {
    const axis = this.axes.findIndex(({ name }) => name === 'prompt')
    if (axis < 0) return () => 0
    const inner = this.shape.slice(axis + 1).reduce((size, length) => size * length, 1)
    return (place) => Math.floor(place / inner) % this.#prompts
  }
}
