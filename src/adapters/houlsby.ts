/**
 * Adapters: small networks between the layers of a frozen model (Houlsby et al., arXiv:1902.00751).
 *
 *   A(h) = h + f(h·W_downᵀ + b_down)·W_upᵀ + b_up        W_down [m, d], b_down [m], W_up [d, m], b_up [d],  f = GELU
 *
 * Each layer has two of them, one behind the attention and one behind the MLP, each before the residual sum; so an
 * adapter is a function of what `o_proj` and `down_proj` give. The bottleneck m makes them small: 2·m·d + d + m numbers
 * each. The weights of all norms are trained as well.
 *
 * W starts so near zero, normal with a deviation of 0.01 cut off at twice that, that A is nearly the identity: training
 * starts near the base, not at it. And f stands between the matrices: no weights of the base do what an adapter does, so
 * it cannot be merged, and each pass through the model pays for it. That is what LoRA was made to do without.
 */
import * as tf from "@tensorflow/tfjs";
import { generator, type HostArray } from "../engine";
import type { Adapter, Base, Method } from "../model/adapter";
import { Parameters } from "../model/parameters";
import { normal } from "./low-rank";
import { linearLayers } from "./targets";
import { modulePaths, wholeModules } from "./whole-modules";

export interface HoulsbySettings {
  /** m, the width between the two matrices of an adapter. */
  bottleneck: number;
}

/** One adapter with its places in the parameters. */
export interface Bottleneck {
  /** The layer that it follows, such as "model.layers.0.self_attn.o_proj". */
  path: string;
  /** d, the width of what it changes. */
  width: number;
  /** Parameter names of W_down [m, d], b_down [m], W_up [d, m] and b_up [d]. */
  down: { weight: string; bias: string };
  up: { weight: string; bias: string };
}

export interface HoulsbyAdapter extends Adapter {
  readonly method: "houlsby";
  readonly settings: Readonly<HoulsbySettings> & Record<string, unknown>;
  readonly bottlenecks: readonly Bottleneck[];
}

/**
 * Houlsby et al.'s adapters (arXiv:1902.00751), to `attach` to a model: h + f(h·W_downᵀ + b_down)·W_upᵀ + b_up behind the
 * attention and the MLP of each layer, with W_down [bottleneck, d] and W_up [d, bottleneck], and the norms trained
 * besides. The bottleneck is 64 by default. PEFT has no such method; a model with it cannot be merged.
 * @throws for a bottleneck that is no whole number from 1
 */
export function houlsby({ bottleneck = 64 }: Partial<HoulsbySettings> = {}): Method {
  if (!Number.isInteger(bottleneck) || bottleneck < 1)
    throw new Error(`houlsby: bottleneck must be a whole number from 1, got ${bottleneck}`);
  return { method: "houlsby", bind: (base, seed) => bind({ bottleneck }, base, seed) };
}

function bind({ bottleneck }: HoulsbySettings, base: Base, seed: number): HoulsbyAdapter {
  const bottlenecks = linearLayers(base)
    .filter(({ path }) => /\.(self_attn\.o_proj|mlp\.down_proj)$/.test(path))
    .map(({ path, out }): Bottleneck => {
      const names = (part: string) => ({
        weight: `${path}.adapter_${part}.weight`,
        bias: `${path}.adapter_${part}.bias`,
      });
      return { path, width: out, down: names("down"), up: names("up") };
    });
  const bottleneckAt = new Map(bottlenecks.map((adapter) => [adapter.path, adapter]));
  const norms = modulePaths(base).filter((path) => path.endsWith("norm"));
  const whole = wholeModules("houlsby", base, norms, []);
  const random = generator(seed);
  const initial = bottlenecks.flatMap(({ width, down, up }): [string, HostArray][] => [
    [down.weight, nearZero([bottleneck, width], random)],
    [down.bias, zeros(bottleneck)],
    [up.weight, nearZero([width, bottleneck], random)],
    [up.bias, zeros(width)],
  ]);

  return {
    method: "houlsby",
    settings: { bottleneck },
    bottlenecks,
    parameters: new Parameters(new Map([...initial, ...whole.arrays])),
    layers(base, context) {
      const { parameter } = context;
      const affine = (x: tf.Tensor2D, { weight, bias }: { weight: string; bias: string }) =>
        tf.add<tf.Tensor2D>(tf.matMul(x, parameter(weight) as tf.Tensor2D, false, true), parameter(bias));
      const adapted: typeof base = {
        ...base,
        linear(path, x) {
          const h = base.linear(path, x);
          const adapter = bottleneckAt.get(path);
          return adapter ? tf.add(h, affine(gelu(affine(h, adapter.down)), adapter.up)) : h;
        },
      };
      return whole.layers(adapted, context);
    },
    merged() {
      throw new Error(
        "merge: houlsby adapters cannot be merged: there is a nonlinearity between their matrices, so no weights of the " +
          "base do the same. Use the model with the adapter attached.",
      );
    },
  };
}

/** x·Φ(x) with the normal distribution's Φ (Hendrycks & Gimpel, arXiv:1606.08415). */
function gelu(x: tf.Tensor2D): tf.Tensor2D {
  return tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2))));
}

/** Normal with a deviation of 0.01, drawn again beyond two of them. */
function nearZero(shape: [number, number], random: () => number): HostArray {
  const draw = (): number => {
    const z = normal(random);
    return Math.abs(z) <= 2 ? 0.01 * z : draw();
  };
  return { data: Float32Array.from({ length: shape[0] * shape[1] }, draw), shape, dtype: "float32" };
}

const zeros = (n: number): HostArray => ({ data: new Float32Array(n), shape: [n], dtype: "float32" });
