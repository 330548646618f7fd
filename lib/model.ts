/** HookedModel: an immutable view of a model, with the few verbs that run it. */
import type * as tf from '@tensorflow/tfjs'
import { addHooks, type HookArguments, type Hooks } from './core/add-hooks.js'
import { cachedRun } from './core/cached-run.js'
import { hooksTable, modelFacts, viewProvenance, viewSummary } from './core/describe.js'
import { gradientRun, type GradientsOf } from './core/gradients.js'
import type { NameFilter } from './core/hook-filters.js'
import type { HookedView } from './core/hooked-view.js'
import type { HookFunction, HookPoint } from './core/hooks.js'
import { lossOf, tokenLossesOf } from './core/losses.js'
import * as metrics from './core/metrics.js'
import { bindPlugins, checkPlugins, type Plugin, type PluginMethods } from './core/plugins.js'
import { attachOptionNames, cacheOptionNames, gradientOptionNames, runOptionNames } from './core/run-options.js'
import type { AttachOptions, CacheOptions, GradientOptions, RunOptions } from './core/run-options.js'
import { checkHasLogits, runInput, runTokens, type ViewedModel } from './core/run-view.js'
import { selfCheck, type SelfCheck } from './core/self-check.js'
import type { Attachable } from './core/splice.js'
import { TextModel } from './core/text-model.js'
import * as views from './core/view.js'
import { generate, generateOptionNames, streamTokens } from './generation/index.js'
import type { GenerateOptions, Generation, GenerationStep, GenerationTask } from './generation/index.js'
import { checkOptions } from './errors/options.js'
import type { EffectResult } from './report/result/effect-result.js'
import type { Provenance } from './report/result/provenance.js'
import { ActivationCache } from './residual/activation-cache.js'
import { sweep, type SweepOptions } from './sweep/sweep.js'
import { tokenOptionNames, tokenOptionsOf } from './tokens/tokens.js'
import type { Prompts, TokenOptions, Tokens } from './tokens/tokens.js'
import { packedWeight } from './weights/packed.js'
import type { ProcessingFlags } from './weights/process.js'
import type { Weights } from './weights/weights.js'

/** An analysis that `use` can make a method: its first argument is the view. */
export type Analysis = Plugin<HookedModel>

/** Activations and gradients at the chosen points, and the metric. Owns its tensors. */
export type GradientRun = GradientsOf<ActivationCache>

/**
 * A model, or a view of one with SAEs, hooks or a layer to stop at. Views share the weights and are never changed: each
 * `with…` returns a new one, so there is nothing to reset. Dispose the loaded model when done; views need no disposal.
 */
export class HookedModel extends TextModel implements HookedView {
  /** Which weight processing was done on loading. */
  readonly processing: ProcessingFlags
  readonly #model: views.LoadedModel
  readonly #view: views.View
  readonly #plugins: Record<string, Analysis>

  constructor(model: views.LoadedModel, view: views.View = views.plainView, plugins: Record<string, Analysis> = {}) {
    super(model)
    this.processing = model.processing
    this.#model = model
    this.#view = view
    this.#plugins = plugins
    bindPlugins(this, plugins)
  }

  /** The stored weights. For TransformerLens's names and shapes see `weight`. */
  get weights(): Weights {
    return this.#model.weights
  }
  /** SAEs of this view, in the order they were attached. */
  get saes(): readonly Attachable[] {
    return this.#view.attached.map((a) => a.sae)
  }
  /** The same with the hook points they sit at and write to, which differ from their own where several share one. */
  get attached(): readonly views.AttachedSae[] {
    return this.#view.attached
  }
  /** Every hook point of this view in firing order, those on request and inside SAEs included. */
  get hookPoints(): readonly HookPoint[] {
    return views.viewPoints(this.#model, this.#view)
  }
  get hookNames(): readonly string[] {
    return this.hookPoints.map((p) => p.name)
  }

  /**
   * A weight by TransformerLens's name and shape, such as `blocks.0.attn.W_Q` [H,D,K]. It belongs to the model: do not
   * dispose it. One that is stored otherwise (W_Q, W_K and W_V lie side by side) is made once and kept with the model.
   * @throws ConfigError with the nearest name
   */
  weight<T extends tf.Tensor = tf.Tensor>(name: string): T {
    return this.weights.derived(name, () => this.copyWeight(name)) as T
  }

  /**
   * The same as a tensor of your own, of which the model keeps nothing: dispose it, or take it inside `tf.tidy`.
   * @throws ConfigError with the nearest name
   */
  copyWeight<T extends tf.Tensor = tf.Tensor>(name: string): T {
    return packedWeight(this.weights, this.config, name) as T
  }

  /** Every hook point with its axes and its shape in this model. */
  hooksTable(): ReturnType<typeof hooksTable> {
    return hooksTable(this.config, this.hookPoints)
  }

  // ---- views

  /**
   * A view with hook functions, run after those it has already, in the order given. A place with a unit shows a function
   * this head, neuron or latent alone: the axis stays, with length 1. At a point with an SAE they act on what the SAE
   * reads; hook its `hook_sae_output` to change what the model reads after it.
   *
   * @example
   * model.withHooks({ 'blocks.9.attn.hook_z': (z) => z.mul(2) })
   * model.withHooks(hook('z', 9), (z) => z.mul(2))
   * model.withHooks(head(9, 6), (z) => z.mul(0)) // z is [B,P,1,K]
   * model.withHooks([[/hook_z$/, halve], [point('resid_pre', 7), steer]])
   * @throws HookError for an unknown point, with the nearest name; ArgumentError for a unit that is not there
   */
  withHooks(hooks: Hooks): this
  withHooks(where: NameFilter, hook: HookFunction): this
  withHooks(...hooks: HookArguments): this {
    return this.#derive(addHooks(this.#model, this.#view, hooks))
  }

  /**
   * A view with SAEs put in at their hook points. The plain point stays: it shows what the SAE reads.
   * @throws HookError when the model has no such point, MismatchError when an SAE does not belong to this model.
   */
  withSaes(saes: Attachable | readonly Attachable[], options: AttachOptions = {}): this {
    checkOptions('withSaes', options, attachOptionNames)
    const { force = false, ...splice } = options
    let view = this.#view
    for (const sae of [saes].flat() as Attachable[]) {
      sae.checkFits(modelFacts(this.#model), force)
      view = views.attach(view, sae, splice)
    }
    return this.#derive(view)
  }

  /** A view that runs only the first `layer` blocks and returns the residual stream [B,P,D]; −1 leaves out the last. */
  stopAt(layer: number): this {
    return this.#derive({ ...this.#view, stopAt: views.resolveStop(layer, this.config.nLayers) })
  }

  /** The view with nothing attached. */
  plain(): this {
    return this.#derive(views.plainView)
  }

  /**
   * A view with analyses as methods: `model.use({ ablation }).ablation(prompts, …)`.
   * @throws ArgumentError for a name that is taken or something that is no function.
   */
  use<P extends Record<string, Analysis>>(plugins: P): this & PluginMethods<HookedModel, P> {
    checkPlugins(this, plugins)
    return this.#derive(this.#view, { ...this.#plugins, ...plugins }) as this & PluginMethods<HookedModel, P>
  }

  get #subject(): ViewedModel {
    return { model: this.#model, view: this.#view }
  }

  #derive(view: views.View, plugins = this.#plugins): this {
    return new HookedModel(this.#model, view, plugins) as this
  }

  // ---- runs

  /**
   * Logits [B,P,V], or the residual stream [B,P,D] of a stopped view. The caller owns the tensor.
   *
   * @example tf.tidy(() => model.run(prompt).argMax(-1)) // the most likely next tokens [B,P]
   * @throws TokenError for prompts that cannot be run
   */
  run(prompts: Prompts, options: RunOptions = {}): tf.Tensor3D {
    const tokens = this.tokensFor(prompts, options, { verb: 'run', names: runOptionNames })
    const { from } = options
    if (from) views.checkStart(this.#model, this.#view, tokens, from)
    return runTokens(this.#subject, tokens, [], { from })
  }

  /**
   * Runs and keeps activations. The cache owns its tensors and the logits: dispose it, or declare it with `using`.
   *
   * @example using cache = model.runWithCache(prompts, { names: [hook('z', 9), point('resid_pre', 7)] })
   * @throws HookError for an unknown point, or one after the layer where the view stops; TokenError
   */
  runWithCache(prompts: Prompts, options: CacheOptions = {}): ActivationCache {
    const tokens = this.tokensFor(prompts, options, { verb: 'runWithCache', names: cacheOptionNames })
    return cachedRun(this.#subject, tokens, { ...options, cacheOf: this.#cacheOf })
  }

  /**
   * Activations and the metric's gradients at hook points, also inside SAEs (`….hook_sae_acts_post`).
   * A metric of one number a prompt is summed, so that each prompt's gradients are of its own number.
   *
   * @example using run = model.runWithGradients(prompt, { metric: logitDiff(' Carl', ' Eva'), names: hook('z', 9) })
   * @throws HookError as `runWithCache`; ArgumentError, ShapeError for a metric that is none; TokenError
   */
  runWithGradients(prompts: Prompts, options: GradientOptions): GradientRun {
    const tokens = this.tokensFor(prompts, options, { verb: 'runWithGradients', names: gradientOptionNames })
    const { names, metric } = options
    const context = this.metricContext(tokens)
    return gradientRun(this.#subject, tokens, { names, metric, context, cacheOf: this.#cacheOf })
  }

  readonly #cacheOf = (init: ConstructorParameters<typeof ActivationCache>[1]) => new ActivationCache(this, init)

  /**
   * The change of a metric under each intervention, axes [intervention, prompt]; `baseline` is the metric without.
   * @example await model.sweep(prompts, { interventions: [zero(head(9, 6)), patch(point('z', 7))], metric, source })
   * @throws ArgumentError, HookError, ShapeError, TokenError before any run
   */
  sweep(prompts: Prompts, options: SweepOptions): Promise<EffectResult> {
    return sweep({ host: this, ...this.#subject }, prompts, options)
  }

  /**
   * Tokens that follow prompts. Lists are padded on the left. Hooks and SAEs of the view are active, on the new position
   * alone once the prompt is run.
   *
   * @example (await model.generate('Once upon a time', { maxNewTokens: 20, seed: 1 })).texts
   * @throws ArgumentError, HookError, TokenError before the first step
   */
  async generate(prompts: Prompts, options: GenerateOptions = {}): Promise<Generation> {
    return generate(this.#generation(prompts, options))
  }

  /**
   * The same step by step.
   *
   * @example for await (const { text } of model.stream(prompt)) process.stdout.write(text[0])
   * @throws ArgumentError, TokenError before the first step
   */
  stream(prompts: Prompts, options: GenerateOptions = {}): AsyncGenerator<GenerationStep, void, undefined> {
    return streamTokens(this.#generation(prompts, options))
  }

  #generation(prompts: Prompts, options: GenerateOptions): GenerationTask {
    checkHasLogits('generate', this.#view)
    checkOptions('generate', options, generateOptionNames)
    const tokens = this.toTokens(prompts, { ...tokenOptionsOf(options), paddingSide: 'left' })
    return { view: this, prompts: tokens, options, run: (input, seen) => runInput(this.#subject, input, seen) }
  }

  /**
   * Mean next-token loss over real tokens, padding left out, in nats.
   *
   * @example (await model.loss('Once upon a time')).toFixed(3)
   * @throws TokenError where no prompt has two tokens
   */
  async loss(prompts: Prompts, options: TokenOptions = {}): Promise<number> {
    return lossOf(this.#subject, this.tokensFor(prompts, options, { verb: 'loss', names: tokenOptionNames }))
  }

  /**
   * Next-token loss at each position but the last, [B,P−1], in nats; padding is not left out. The caller owns it.
   *
   * @example const losses = model.lossPerToken(prompts)
   * @throws TokenError where no prompt has two tokens
   */
  lossPerToken(prompts: Prompts, options: TokenOptions = {}): tf.Tensor2D {
    const tokens = this.tokensFor(prompts, options, { verb: 'lossPerToken', names: tokenOptionNames })
    return tokenLossesOf(this.#subject, tokens)
  }

  /** A metric made ready for these prompts: its tokens are checked here, before any run. */
  bindMetric(metric: metrics.AnyMetric, tokens: Tokens): metrics.MetricFunction {
    if (typeof metric !== 'function') checkHasLogits('metric', this.#view)
    return metrics.bindMetric(metric, this.metricContext(tokens))
  }

  /** The text of token ids; without an argument, a line about the model. @throws TokenError */
  override toString(ids?: readonly number[]): string {
    return ids === undefined ? viewSummary(this.#model, this.#view) : super.toString(ids)
  }

  /** What a result needs so that it can be made again. */
  provenance(options: { prependBos?: boolean; seed?: number } = {}): Promise<Provenance> {
    return viewProvenance(this.#model, this.#view, options)
  }

  /** Compares the model with logits recorded in its folder. @throws FileError where there are none */
  async selfCheck(): Promise<SelfCheck> {
    return selfCheck(this, await this.#model.recorded())
  }

  dispose(): void {
    this.#model.weights.dispose()
  }
  [Symbol.dispose](): void {
    this.dispose()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return viewSummary(this.#model, this.#view)
  }
}

export type { AttachOptions, CacheOptions, GradientOptions, Prompts, RunOptions }
