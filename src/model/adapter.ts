/**
 * What a fine-tuning method is to the model. A method is bound to a base model by `attach`; the adapter that comes of it
 * owns trainable arrays and changes the layers, and that is all the model, the trainer and the displays know of it.
 */
import type * as tf from "@tensorflow/tfjs";
import type { HostArray, Random } from "../engine";
import type { ModelConfig } from "./config";
import type { Parameters } from "./parameters";
import type { Layers } from "./transformer";

/** The frozen model that an adapter is made for. */
export interface Base {
  config: ModelConfig;
  /** Name → float32 weight, as in the checkpoint. */
  weights: ReadonlyMap<string, HostArray>;
}

/** What an adapter has at hand while the forward pass is recorded. */
export interface AdapterContext {
  config: ModelConfig;
  /** A frozen weight of the base, by its name in the checkpoint. */
  weight(name: string): tf.Tensor;
  /** A trainable array, by its name in `parameters`. */
  parameter(name: string): tf.Tensor;
  /** Present while training: where dropout draws from. */
  random?: Random;
  /** Present while training: adds a term to the loss, such as one that keeps matrices orthogonal. */
  penalize?(term: tf.Scalar): void;
}

/** A method's own part in a training run, beside its gradient. */
export interface TrainingPart {
  /**
   * Called after each step of the optimizer, which has changed the parameters; may change them further.
   * @param step from 1
   * @param gradient of `parameters.flat`, clipped: what the optimizer got
   */
  afterStep(step: number, gradient: Float32Array): void;
  /** What it has to remember for a run to go on from a checkpoint. */
  state(): Record<string, Float32Array>;
  /** Goes on from what `state` gave. */
  restore(state: Record<string, Float32Array>): void;
}

export interface Adapter {
  /** The method's name: "lora", "full" … */
  readonly method: string;
  /** The settings it was made with, complete with defaults. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly parameters: Parameters;
  /** Learning rates of arrays, by name, as factors of the run's own; 1 for the others. */
  readonly rates?: ReadonlyMap<string, number>;
  /** Arrays that belong to the adapter and are saved with it, but never trained. */
  readonly buffers?: ReadonlyMap<string, HostArray>;
  /** Weights that stand in for the base's own of that name while the adapter is in use. */
  readonly replaced?: ReadonlyMap<string, HostArray>;
  /**
   * The same as files hold it, where it is held differently: as a change of the base's own weights where others stand in
   * for them, and without what is switched off.
   */
  portable?(base: Base): Adapter;
  /**
   * What `layers` depends on besides the base and the values of the parameters. Adapters with the same share programs, so
   * that changing over to another costs nothing; without it each has its own.
   */
  readonly form?: string;
  /** The layers of the base, changed. */
  layers(base: Layers, context: AdapterContext): Layers;
  /**
   * The base's weights with the adapter folded in: only those that change, by name.
   * @throws when no weights do what the adapter does
   */
  merged(base: Base): Map<string, HostArray>;
  /**
   * Its part in a run that is about to begin, for methods that act while they are trained.
   * @param run how many steps of the optimizer it will take
   * @throws when such a run does not fit the adapter's settings
   */
  training?(run: { steps: number }): TrainingPart;
}

/** A method with its settings, not yet bound to a model. */
export interface Method {
  readonly method: string;
  /**
   * @param seed of the initial values
   * @throws when the settings do not fit the model
   */
  bind(base: Base, seed: number): Adapter;
}
