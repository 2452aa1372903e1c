/** A model at a glance: its architecture, where its parameters are, what they weigh, and its adapters. */

import { bytes, columns, integer, percent, short } from "../measure/format";
import { countOf, parameterGroups, weightMemory } from "../measure/parameters";
import type { ModelConfig } from "../model/config";
import type { LanguageModel } from "../model/language-model";
import { bytesHeld, QuantizedWeight } from "../model/quantized";
import { bundle, type MimeBundle } from "./bundle";
import { bar, card, html, table } from "./html";
import { describeAdapter, parameterTable } from "./parameter-table";

export function modelCard(model: LanguageModel): MimeBundle {
  const { name, config, weights } = model;
  const count = countOf(weights);
  const title = `${name} — ${integer(count)} parameters`;
  const words = architecture(config);
  const groups = parameterGroups(weights);
  const held = [...weights.values()].reduce((sum, weight) => sum + bytesHeld(weight), 0);
  const memory = weightMemory(weights).map((row) => ({
    ...row,
    format: row.format + (row.bytes === held ? " (as held now)" : ""),
  }));
  const quantized = [...weights.values()].filter((weight) => weight instanceof QuantizedWeight);
  if (quantized.length > 0) {
    const codes = quantized.reduce((sum, weight) => sum + bytesHeld(weight), 0);
    memory.push({
      format: "as held now",
      bytes: held,
      formula: `${integer(codes)} bytes of 4-bit matrices + ${integer(held - codes)} of float32`,
    });
  }
  const adapters = adapterRows(model);
  const parameters = model.adapter && parameterTable(model);

  const text = [
    title,
    words,
    "",
    columns(
      groups.map((group) => [group.name, integer(group.count), percent(group.count / count), group.made]),
      "lrrl",
    ),
    "",
    columns(
      memory.map((row) => [row.format, bytes(row.bytes), row.formula]),
      "lrl",
    ),
    ...(adapters.length > 0
      ? [
          "",
          columns(
            adapters.map((row) => [row.name, row.what, row.size, row.use]),
            "llrl",
          ),
        ]
      : ["", NO_ADAPTER]),
    ...(parameters ? ["", parameters.text] : []),
  ].join("\n");

  return bundle(
    text,
    card(
      html`<p class="title"><b>${title}</b></p><p>${words}</p>`,
      table(
        [
          { head: "group" },
          { head: "parameters", number: true },
          { head: "share", number: true },
          { head: "made of" },
        ],
        groups.map((group) => ({
          cells: [group.name, integer(group.count), bar(group.count / count), group.made],
          faint: group.count === 0,
        })),
      ),
      table(
        [{ head: "weights in" }, { head: "memory", number: true }, { head: "formula" }],
        memory.map((row) => ({ cells: [row.format, bytes(row.bytes), row.formula] })),
      ),
      adapters.length > 0
        ? table(
            [{ head: "adapter" }, { head: "method" }, { head: "parameters", number: true }, { head: "" }],
            adapters.map((row) => ({
              cells: [row.name, row.what, row.size, row.use],
              faint: row.use === "",
            })),
          )
        : html`<p>${NO_ADAPTER}</p>`,
      parameters?.html,
    ),
  );
}

const NO_ADAPTER = "No adapter: nothing is trainable. attach(lora({ rank: 8 })) adds one.";

function adapterRows({ adapters, active, rows = [] }: LanguageModel) {
  const rowsOf = (name: string) => rows.flatMap((of, row) => (of === name ? [row] : []));
  const use = (name: string) => (rowsOf(name).length > 0 ? `in use by row ${rowsOf(name).join(", ")}` : "");
  return [...adapters].map(([name, adapter]) => ({
    name,
    what: describeAdapter(adapter),
    size: integer(adapter.parameters.size),
    use: name === active ? "in use" : use(name),
  }));
}

/** The configuration in words and numbers. */
export function architecture(config: ModelConfig): string {
  const { heads, kvHeads, headDim, layers, hiddenSize, intermediateSize } = config;
  const sharing =
    kvHeads === heads
      ? `${heads} heads of ${headDim}`
      : `${heads} query heads of ${headDim} on ${kvHeads} key/value ${kvHeads === 1 ? "head (multi-query)" : "heads (grouped-query)"}`;
  const scaling = config.ropeScaling
    ? `, stretched ${short(config.ropeScaling.factor)}× (${config.ropeScaling.type})`
    : "";
  return (
    `Decoder-only transformer (${config.modelType}): ${layers} layers of width ${integer(hiddenSize)}, attention with ` +
    `${sharing}${config.qkNorm ? ", queries and keys normalised" : ""}, SwiGLU MLP of width ` +
    `${integer(intermediateSize)}, RMSNorm, rotary positions (θ = ${integer(config.ropeTheta)}${scaling}). ` +
    `Context ${integer(config.contextLength)} tokens, vocabulary ${integer(config.vocabSize)}, head ` +
    `${config.tiedEmbeddings ? "tied to the embedding" : "not tied"}.`
  );
}
