/** Element-wise kernels of one and two inputs, comparisons and logic. */
import { type Graph, sameShape, type Value } from "../graph";
import { binary, broadcastShape, cast, type Emit, isSplat, toFloat, unary, where } from "./emit";

const scalarLike = (g: Graph, x: Value, n: number): Value => g.scalar(n, x.dtype as "float32");

/** Whether leaving out the constant `c` leaves the shape of the result as it is. */
const vanishes = (c: Value, x: Value): boolean => sameShape(broadcastShape(c, x), x.shape);

export const add = (g: Graph, a: Value, b: Value): Value =>
  isSplat(a, 0) && vanishes(a, b) ? b : isSplat(b, 0) && vanishes(b, a) ? a : binary(g, "Add", a, b);
export const sub = (g: Graph, a: Value, b: Value): Value =>
  isSplat(b, 0) && vanishes(b, a) ? a : binary(g, "Sub", a, b);
export const div = (g: Graph, a: Value, b: Value): Value =>
  isSplat(b, 1) && vanishes(b, a) ? a : binary(g, "Div", a, b);

export function mul(g: Graph, a: Value, b: Value): Value {
  if (a.dtype === "bool") return binary(g, "And", a, b);
  if (isSplat(a, 1) && vanishes(a, b)) return b;
  if (isSplat(b, 1) && vanishes(b, a)) return a;
  return binary(g, "Mul", a, b);
}

const not = (g: Graph, x: Value): Value => unary(g, "Not", x);
const and = (g: Graph, a: Value, b: Value): Value => binary(g, "And", a, b);

/** Off the CPU there is no Or: the larger of two truth values is true where one of them is. */
function or(g: Graph, a: Value, b: Value): Value {
  if (g.device === "cpu") return binary(g, "Or", a, b);
  return cast(g, binary(g, "Max", cast(g, a, "int32"), cast(g, b, "int32")), "bool");
}

/** Off the CPU truth values are compared as numbers. */
function equal(g: Graph, a: Value, b: Value): Value {
  if (a.dtype === "bool" && g.device !== "cpu") return equal(g, cast(g, a, "int32"), cast(g, b, "int32"));
  return binary(g, "Equal", a, b, "bool");
}

/** An ordering; truth values are ordered as 0 and 1. */
const compare = (g: Graph, op: string, a: Value, b: Value): Value =>
  a.dtype === "bool" ? compare(g, op, cast(g, a, "int32"), cast(g, b, "int32")) : binary(g, op, a, b, "bool");

const less = (g: Graph, x: Value, n: number): Value => compare(g, "Less", x, scalarLike(g, x, n));
const greater = (g: Graph, x: Value, n: number): Value => compare(g, "Greater", x, scalarLike(g, x, n));

/** Whether an operator that exists for floats everywhere is here asked for integers, off the CPU. */
const lacksIntegers = (g: Graph, x: Value): boolean => x.dtype === "int32" && g.device !== "cpu";
const neg = (g: Graph, x: Value): Value =>
  lacksIntegers(g, x) ? sub(g, scalarLike(g, x, 0), x) : unary(g, "Neg", x);
const abs = (g: Graph, x: Value): Value =>
  lacksIntegers(g, x) ? binary(g, "Max", x, neg(g, x)) : unary(g, "Abs", x);

/** Whether a remainder is not zero and has another sign than the divisor. */
function strays(g: Graph, remainder: Value, divisor: Value): Value {
  if (divisor.splat !== undefined)
    return divisor.splat < 0 ? greater(g, remainder, 0) : less(g, remainder, 0);
  return less(g, where(g, less(g, divisor, 0), neg(g, remainder), remainder), 0);
}

/** ⌊a/b⌋: ONNX's integer division truncates, so a negative quotient with a remainder is one too high. */
function floorDiv(g: Graph, a: Value, b: Value): Value {
  if (a.dtype === "float32") return unary(g, "Floor", div(g, a, b));
  const quotient = div(g, a, b);
  const remainder = sub(g, a, mul(g, quotient, b));
  return sub(g, quotient, cast(g, strays(g, remainder, b), "int32"));
}

/** a − b·⌊a/b⌋, with the sign of b as in tfjs. */
function mod(g: Graph, a: Value, b: Value): Value {
  if (a.dtype === "float32" && g.device !== "cpu") return sub(g, a, mul(g, b, floorDiv(g, a, b)));
  if (a.dtype === "int32" && g.device === "cpu") return binary(g, "Mod", a, b);
  // A remainder with the sign of a is exact; a quotient of floats may have been rounded over an integer.
  const remainder =
    a.dtype === "float32"
      ? g.op("Mod", [a, b], { shape: broadcastShape(a, b), dtype: a.dtype }, { fmod: 1 })
      : sub(g, a, mul(g, div(g, a, b), b));
  return where(g, strays(g, remainder, b), add(g, remainder, b), remainder);
}

const sign = (g: Graph, x: Value): Value =>
  g.device === "cpu"
    ? unary(g, "Sign", x)
    : sub(g, cast(g, greater(g, x, 0), x.dtype), cast(g, less(g, x, 0), x.dtype));

/** To the nearest integer, halves to the even one. */
function round(g: Graph, x: Value): Value {
  if (g.device === "cpu") return unary(g, "Round", x);
  const floor = unary(g, "Floor", x);
  const fraction = sub(g, x, floor);
  const half = g.scalar(0.5, "float32");
  const halved = mul(g, floor, half);
  const odd = greater(g, sub(g, halved, unary(g, "Floor", halved)), 0);
  const up = where(g, odd, compare(g, "GreaterOrEqual", fraction, half), greater(g, fraction, 0.5));
  return add(g, floor, toFloat(g, up));
}

const isNan = (g: Graph, x: Value): Value =>
  g.device === "cpu" ? g.op("IsNaN", [x], { shape: x.shape, dtype: "bool" }) : not(g, equal(g, x, x));

function step(g: Graph, x: Value, alpha: number): Value {
  const positive = greater(g, x, 0);
  if (alpha === 0) return cast(g, positive, x.dtype);
  return where(g, positive, scalarLike(g, x, 1), scalarLike(g, x, alpha));
}

/** atan(y/x) moved into the right quadrant; on the y axis the quotient is infinite and atan still right. */
function atan2(g: Graph, y: Value, x: Value): Value {
  const base = unary(g, "Atan", div(g, y, x));
  const turn = where(g, less(g, y, 0), scalarLike(g, x, -Math.PI), scalarLike(g, x, Math.PI));
  const quadrant = where(g, less(g, x, 0), add(g, base, turn), base);
  const zero = scalarLike(g, x, 0);
  return where(g, and(g, equal(g, x, zero), equal(g, y, zero)), zero, quadrant);
}

export function clip(g: Graph, x: Value, min: number, max: number): Value {
  return g.op("Clip", [x, scalarLike(g, x, min), scalarLike(g, x, max)], { shape: x.shape, dtype: x.dtype });
}

/** Exponential linear unit times γ, with α in front of the exponential; Klambauer et al. (2017) give both numbers. */
const SELU = { gamma: 1.0507009873554805, alpha: 1.6732632423543772 };

const ofFloat =
  (op: string): Emit =>
  (g, { x }) =>
    unary(g, op, toFloat(g, x!));
const ofPair =
  (op: (g: Graph, a: Value, b: Value) => Value): Emit =>
  (g, { a, b }) =>
    op(g, a!, b!);
const ordering = (op: string): Emit => ofPair((g, a, b) => compare(g, op, a, b));

export const elementwise: Record<string, Emit> = {
  Abs: (g, { x }) => abs(g, x!),
  Acos: ofFloat("Acos"),
  Acosh: ofFloat("Acosh"),
  Asin: ofFloat("Asin"),
  Asinh: ofFloat("Asinh"),
  Atan: ofFloat("Atan"),
  Atanh: ofFloat("Atanh"),
  Ceil: ofFloat("Ceil"),
  Cos: ofFloat("Cos"),
  Cosh: ofFloat("Cosh"),
  Elu: ofFloat("Elu"),
  Erf: ofFloat("Erf"),
  Exp: ofFloat("Exp"),
  Floor: ofFloat("Floor"),
  Log: ofFloat("Log"),
  Neg: (g, { x }) => neg(g, x!),
  Reciprocal: ofFloat("Reciprocal"),
  Relu: (g, { x }) => binary(g, "Max", x!, scalarLike(g, x!, 0)),
  Round: (g, { x }) => (x!.dtype === "int32" ? x! : round(g, x!)),
  Sigmoid: ofFloat("Sigmoid"),
  Sign: (g, { x }) => sign(g, x!),
  Sin: ofFloat("Sin"),
  Sinh: ofFloat("Sinh"),
  Softplus: ofFloat("Softplus"),
  Sqrt: ofFloat("Sqrt"),
  Tan: ofFloat("Tan"),
  Tanh: ofFloat("Tanh"),
  Identity: (_g, { x }) => x!,
  LogicalNot: (g, { x }) => not(g, x!),
  IsNan: (g, { x }) => isNan(g, toFloat(g, x!)),
  IsInf: (g, { x }) => equal(g, unary(g, "Abs", toFloat(g, x!)), g.scalar(Infinity, "float32")),
  IsFinite: (g, { x }) => less(g, unary(g, "Abs", toFloat(g, x!)), Infinity),
  Rsqrt: (g, { x }) => unary(g, "Reciprocal", unary(g, "Sqrt", toFloat(g, x!))),
  Square: (g, { x }) => mul(g, x!, x!),
  Expm1: (g, { x }) => sub(g, unary(g, "Exp", toFloat(g, x!)), g.scalar(1, "float32")),
  Log1p: (g, { x }) => unary(g, "Log", add(g, toFloat(g, x!), g.scalar(1, "float32"))),
  Selu: (g, { x }) => {
    const elu = unary(g, "Elu", toFloat(g, x!), { alpha: { float: SELU.alpha } });
    return mul(g, elu, g.scalar(SELU.gamma, "float32"));
  },
  Relu6: (g, { x }) => clip(g, x!, 0, 6),
  LeakyRelu: (g, { x }, { alpha }) => unary(g, "LeakyRelu", toFloat(g, x!), { alpha: { float: alpha } }),
  Prelu: (g, { x, alpha }) => where(g, less(g, x!, 0), mul(g, x!, alpha!), x!),
  EluGrad: (g, { dy, y }) => {
    const slope = add(g, y!, scalarLike(g, y!, 1));
    return where(g, less(g, y!, 0), mul(g, dy!, slope), dy!);
  },
  Step: (g, { x }, { alpha }) => step(g, x!, alpha ?? 0),
  ClipByValue: (g, { x }, { clipValueMin, clipValueMax }) => clip(g, x!, clipValueMin, clipValueMax),
  Cast: (g, { x }, { dtype }) => cast(g, x!, dtype),

  Add: ofPair(add),
  AddN: (g, inputs) => Object.values(inputs).reduce((sum, value) => add(g, sum, value)),
  Sub: ofPair(sub),
  Multiply: ofPair(mul),
  RealDiv: ofPair((g, a, b) => div(g, toFloat(g, a), toFloat(g, b))),
  // tfjs gives int32 here, whatever it divides.
  FloorDiv: ofPair((g, a, b) => cast(g, floorDiv(g, a, b), "int32")),
  Mod: ofPair(mod),
  Pow: ofPair((g, a, b) => binary(g, "Pow", a, b)),
  Maximum: ofPair((g, a, b) => binary(g, "Max", a, b)),
  Minimum: ofPair((g, a, b) => binary(g, "Min", a, b)),
  Atan2: ofPair(atan2),
  SquaredDifference: ofPair((g, a, b) => {
    const difference = sub(g, a, b);
    return mul(g, difference, difference);
  }),
  Equal: ofPair(equal),
  NotEqual: ofPair((g, a, b) => not(g, equal(g, a, b))),
  Less: ordering("Less"),
  LessEqual: ordering("LessOrEqual"),
  Greater: ordering("Greater"),
  GreaterEqual: ordering("GreaterOrEqual"),
  LogicalAnd: ofPair(and),
  LogicalOr: ofPair(or),
  Select: (g, { condition, t, e }) => where(g, condition!, t!, e!),
  FusedBatchNorm: (g, { x, mean, variance, scale, offset }, { varianceEpsilon }) => {
    const deviation = unary(g, "Sqrt", add(g, variance!, g.scalar(varianceEpsilon, "float32")));
    const unit = div(g, scale ?? g.scalar(1, "float32"), deviation);
    const scaled = mul(g, sub(g, x!, mean!), unit);
    return offset ? add(g, scaled, offset) : scaled;
  },
};
