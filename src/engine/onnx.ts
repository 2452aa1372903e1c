/**
 * Writes a graph as an ONNX model. Only the messages and fields of onnx.proto that a traced graph needs are declared;
 * the encoding itself is protobufjs's.
 */
import protobuf from "protobufjs";
import { type Attribute, type Graph, type GraphDType, reachable, type Value } from "./graph";

const optional = (id: number, type: string) => ({ id, type });
const repeated = (id: number, type: string) => ({ id, type, rule: "repeated" });
const message = (fields: Record<string, { id: number; type: string; rule?: string }>) => ({ fields });

/** Field numbers from onnx.proto (IR version 8). */
const Model = protobuf.Root.fromJSON({
  nested: {
    Model: message({
      irVersion: optional(1, "int64"),
      producerName: optional(2, "string"),
      graph: optional(7, "Graph"),
      opsetImport: repeated(8, "Opset"),
    }),
    Opset: message({ domain: optional(1, "string"), version: optional(2, "int64") }),
    Graph: message({
      node: repeated(1, "Node"),
      name: optional(2, "string"),
      initializer: repeated(5, "Tensor"),
      input: repeated(11, "ValueInfo"),
      output: repeated(12, "ValueInfo"),
    }),
    Node: message({
      input: repeated(1, "string"),
      output: repeated(2, "string"),
      name: optional(3, "string"),
      opType: optional(4, "string"),
      attribute: repeated(5, "Attribute"),
      domain: optional(7, "string"),
    }),
    Attribute: message({
      name: optional(1, "string"),
      f: optional(2, "float"),
      i: optional(3, "int64"),
      s: optional(4, "bytes"),
      ints: repeated(8, "int64"),
      type: optional(20, "int32"),
    }),
    Tensor: message({
      dims: repeated(1, "int64"),
      dataType: optional(2, "int32"),
      name: optional(8, "string"),
      rawData: optional(9, "bytes"),
      externalData: repeated(13, "Entry"),
      dataLocation: optional(14, "int32"),
    }),
    Entry: message({ key: optional(1, "string"), value: optional(2, "string") }),
    ValueInfo: message({ name: optional(1, "string"), type: optional(2, "Type") }),
    Type: message({ tensorType: optional(1, "TensorType") }),
    TensorType: message({ elemType: optional(1, "int32"), shape: optional(2, "Shape") }),
    Shape: message({ dim: repeated(1, "Dimension") }),
    Dimension: message({ dimValue: optional(1, "int64") }),
  },
}).lookupType("Model");

const ELEMENT_TYPE: Record<GraphDType, number> = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9 };
const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, ints: 7 };

/** The opset that every operator written by the kernels follows. */
const OPSET = 18;

const nameOf = (value: Value): string => value.input ?? `%${value.id}`;

function attribute(name: string, value: Attribute): object {
  if (typeof value === "number") return { name, type: ATTRIBUTE_TYPE.int, i: value };
  if (typeof value === "string")
    return { name, type: ATTRIBUTE_TYPE.string, s: new TextEncoder().encode(value) };
  if (Array.isArray(value)) return { name, type: ATTRIBUTE_TYPE.ints, ints: value };
  return { name, type: ATTRIBUTE_TYPE.float, f: value.float };
}

const valueInfo = (name: string, value: Value): object => ({
  name,
  type: {
    tensorType: {
      elemType: ELEMENT_TYPE[value.dtype],
      shape: { dim: value.shape.map((dimValue) => ({ dimValue })) },
    },
  },
});

/** Constants above this many bytes stay where they are and are handed to the session as external data. */
const INLINE_BYTES = 1024;
const EXTERNAL = 1;

const bytesOf = ({ data }: Value): Uint8Array =>
  new Uint8Array(data!.buffer, data!.byteOffset, data!.byteLength);
/** Shapes, sizes and axes stay inline, however many: ONNX's shape inference does not read external data. */
const isExternal = ({ data, dtype }: Value): boolean => dtype !== "int64" && data!.byteLength > INLINE_BYTES;

const tensor = (value: Value): object => ({
  name: nameOf(value),
  dims: value.shape,
  dataType: ELEMENT_TYPE[value.dtype],
  ...(isExternal(value)
    ? { dataLocation: EXTERNAL, externalData: [{ key: "location", value: nameOf(value) }] }
    : { rawData: bytesOf(value) }),
});

export interface OnnxModel {
  model: Uint8Array;
  /** Large constants by the location that the model names for them, so that weights are never copied into it. */
  externalData: { path: string; data: Uint8Array }[];
}

/**
 * An ONNX model that computes `outputs`, each under the name `NAME:out`.
 * Inputs, constants and values that are given out a second time are passed through an operator of their own.
 */
export function writeModel(graph: Graph, outputs: Record<string, Value>): OnnxModel {
  const results = Object.entries(outputs).map(
    ([name, value]) => [`${name}:out`, graph.dense(value)] as const,
  );
  const { nodes, constants } = reachable(results.map(([, value]) => value));
  const outputName = new Map<Value, string>();
  const passedOn: object[] = [];
  for (const [name, value] of results) {
    if (value.node && !outputName.has(value)) outputName.set(value, name);
    else passedOn.push(passOn(outputName.get(value) ?? nameOf(value), name, value.dtype));
  }
  const nameInModel = (value: Value) => outputName.get(value) ?? nameOf(value);
  const model = Model.encode(
    Model.fromObject({
      irVersion: 8,
      producerName: "loralab",
      opsetImport: [
        { domain: "", version: OPSET },
        { domain: "com.microsoft", version: 1 },
      ],
      graph: {
        name: "traced",
        node: [
          ...nodes.map((node, i) => ({
            name: `${node.op}_${i}`,
            opType: node.op,
            domain: node.domain,
            input: node.inputs.map(nameInModel),
            output: node.outputs.map(nameInModel),
            attribute: Object.entries(node.attributes).map(([name, value]) => attribute(name, value)),
          })),
          ...passedOn,
        ],
        initializer: constants.map(tensor),
        input: graph.inputs.map((value) => valueInfo(value.input!, value)),
        output: results.map(([name, value]) => valueInfo(name, value)),
      },
    }),
  ).finish();
  const externalData = constants.filter(isExternal).map((v) => ({ path: nameOf(v), data: bytesOf(v) }));
  return { model, externalData };
}

/** GPU providers lack Identity for truth values, but have And. */
const passOn = (from: string, to: string, dtype: GraphDType): object => ({
  name: `output_${to}`,
  output: [to],
  ...(dtype === "bool" ? { opType: "And", input: [from, from] } : { opType: "Identity", input: [from] }),
});
