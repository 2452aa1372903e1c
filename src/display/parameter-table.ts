/**
 * What an adapter trains, module by module, with the arithmetic written out.
 *
 * An adapter's arrays are assigned to modules by their names, which begin with the module's path; an array with the very
 * name of a weight stands in for that weight (full fine-tuning). So the table serves every method, and only the scaling
 * factor is LoRA's own.
 */
import type { DoraAdapter } from "../adapters/dora";
import type { LoraAdapter } from "../adapters/lora";
import { bytes, columns, counted, integer, percent, short, times } from "../measure/format";
import { countOf, type Shapes, shapeText, sizeOf } from "../measure/parameters";
import type { Adapter } from "../model/adapter";
import { bundle, DISPLAY, type Displayable, type MimeBundle } from "./bundle";
import { card, type Html, html, type TableRow, table } from "./html";

/** All modules of one kind that are alike: the q_proj of every layer. */
export interface ModuleRow {
  /** "q_proj"; "norms" for all norms. */
  module: string;
  /** Shape of one module's weight, [d, k] = [out, in] for linear layers. */
  shape: readonly number[];
  /** Module paths. */
  paths: readonly string[];
  /** The base's parameters in one of them, a bias included. */
  weights: number;
  /** Trainable parameters in one of them. */
  trainable: number;
  /** How `trainable` comes about from the shapes: "4,096·8 + 8·4,096"; empty when nothing is trained. */
  arithmetic: string;
  /** How many times fewer than the weight's d·k are trained, where an update takes the place of the weight's. */
  reduction?: number;
}

/** Parts of a model that the table needs: a LanguageModel, or a configuration's shapes with an adapter bound to them. */
export interface Countable {
  readonly weights: Shapes;
  readonly adapter?: Adapter;
}

export class ParameterTable implements Displayable {
  readonly rows: readonly ModuleRow[];
  /** Parameters that training changes. */
  readonly trainable: number;
  /** Parameters of the base. */
  readonly base: number;
  /** Those of them that stay as they are. */
  readonly frozen: number;

  constructor(
    weights: Shapes,
    private readonly adapter?: Adapter,
  ) {
    const arrays = adapter?.parameters.entries() ?? [];
    this.rows = moduleRows(weights, new Map(arrays));
    this.trainable = adapter?.parameters.size ?? 0;
    const replaced = arrays.filter(([name]) => weights.has(name));
    this.base = countOf(weights);
    this.frozen = this.base - countOf(new Map(replaced));
  }

  /** All parameters, the adapter's included. */
  get total(): number {
    return this.trainable + this.frozen;
  }

  /** Trainable parameters as a fraction of all, as PEFT reports it. */
  get fraction(): number {
    return this.trainable / this.total;
  }

  /** Bytes of a saved adapter: its values, without the file's header of a few kilobytes. */
  get adapterBytes(): { float32: number; float16: number } {
    const saved = this.trainable + this.savedFrozen;
    return { float32: 4 * saved, float16: 2 * saved };
  }

  /** Numbers that are saved with the adapter and never trained, such as VeRA's projections. */
  private get savedFrozen(): number {
    return countOf(this.adapter?.buffers ?? new Map());
  }

  [DISPLAY](): MimeBundle {
    return bundle(this.text, card(this.html));
  }

  get text(): string {
    const { title, summary, rows, notes } = this;
    const cells = rows.map((row) => [
      row.module,
      shapeText(row.shape),
      integer(row.weights),
      row.arithmetic && `${row.arithmetic} = ${integer(row.trainable)}`,
      row.reduction ? times(row.reduction) : "",
      `× ${row.paths.length}`,
      row.trainable ? integer(row.trainable * row.paths.length) : "–",
    ]);
    const head = ["module", "W", "parameters", this.trainedHead, "fewer", "modules", "trainable"];
    const total = ["all", "", integer(this.base), "", "", "", integer(this.trainable)];
    return [title, summary, columns([head, ...cells, total], "llrlrrr"), ...notes].join("\n");
  }

  /** The table as part of a card. */
  get html(): Html {
    const { title, summary, rows, notes } = this;
    const heads = [
      { head: "module" },
      { head: "W (out×in)", number: true },
      { head: "parameters of W", number: true },
      { head: this.trainedHead, number: true },
      { head: "fewer", number: true },
      { head: "modules", number: true },
      { head: "trainable", number: true },
    ];
    const body = rows.map(
      (row): TableRow => ({
        faint: row.trainable === 0,
        cells: [
          row.module,
          shapeText(row.shape),
          integer(row.weights),
          row.arithmetic ? html`${row.arithmetic} = <b>${integer(row.trainable)}</b>` : "–",
          row.reduction ? times(row.reduction) : "",
          `× ${row.paths.length}`,
          row.trainable ? integer(row.trainable * row.paths.length) : "–",
        ],
      }),
    );
    const foot = [{ cells: ["all", "", integer(this.base), "", "", "", integer(this.trainable)] }];
    return html`<p class="title"><b>${title}</b></p><p>${summary}</p>${table(heads, body, foot)}${notes.map((note) => html`<p>${note}</p>`)}${this.eachModule}`;
  }

  private get title(): string {
    return this.adapter ? `Adapter: ${describeAdapter(this.adapter)}` : "No adapter in use";
  }

  private get summary(): string {
    const { trainable, total, fraction, adapter } = this;
    if (!adapter) return `Nothing is trainable: all ${integer(total)} parameters are frozen.`;
    return `Trainable: ${integer(trainable)} of ${integer(total)} parameters, ${percent(fraction)}.`;
  }

  private get trainedHead(): string {
    const heads: Record<string, string> = {
      lora: "trained: B + A = d·r + r·k",
      qalora: "trained: B + A = d·r + r·k/g",
      dora: "trained: m + B + A = d + d·r + r·k",
      vera: "trained: Λ_d + Λ_b = r + d",
      adalora: "trained: P + Λ + Q = d·r + r + r·k",
      mixture: "trained: B + A + W_g = d·nr + nr·k + n·k",
      houlsby: "trained: b_up + W_up + b_down + W_down = d + d·m + m + m·d",
    };
    return heads[this.adapter?.method ?? ""] ?? "trained";
  }

  private get notes(): string[] {
    const { adapter, trainable, frozen, savedFrozen, adapterBytes } = this;
    if (!adapter)
      return ["attach(lora({ rank: 8 })) adds an adapter; attach(full()) makes every weight trainable."];
    const count =
      savedFrozen > 0 ? `(${integer(trainable)} + ${integer(savedFrozen)} frozen)` : integer(trainable);
    const size =
      `Saved: ${bytes(adapterBytes.float32)} in float32, ${bytes(adapterBytes.float16)} in float16 ` +
      `(${count} × 4 or 2 bytes).`;
    const stays =
      frozen === 0
        ? "Everything is trained, so what is saved is a whole model."
        : `${integer(frozen)} parameters of the base stay frozen.`;
    const scaled = adapter.method === "lora" || adapter.method === "dora";
    const scaling = scaled ? [scalingNote(adapter as LoraAdapter | DoraAdapter)] : [];
    return [...scaling, stays, size];
  }

  private get eachModule(): Html {
    const trained = this.rows.filter((row) => row.trainable > 0);
    const single = trained.flatMap((row) => row.paths.map((path) => ({ path, row })));
    if (single.length === 0) return html``;
    const heads = [
      { head: "module" },
      { head: "W (out×in)", number: true },
      { head: "trainable", number: true },
    ];
    const body = single.map(({ path, row }) => ({
      cells: [path, shapeText(row.shape), integer(row.trainable)],
    }));
    return html`<details><summary>each of the ${counted(single.length, "trained module")}</summary>${table(heads, body)}</details>`;
  }
}

/**
 * Trainable and frozen parameters per kind of module, with totals; displayable, and its fields are numbers to go on with.
 * Values are never read: `{ weights, adapter }` with nothing but shapes will do for a model too large to load.
 */
export function parameterTable(model: Countable): ParameterTable {
  return new ParameterTable(model.weights, model.adapter);
}

/** "lora (rank 8 · alpha 16 · targets q_proj, v_proj)": settings that are off are left out. */
export function describeAdapter({ method, settings }: Adapter): string {
  const said = Object.entries(settings).flatMap(([name, value]) => {
    const text = settingText(value);
    return text === undefined ? [] : text === "" ? name : `${name} ${text}`;
  });
  return said.length > 0 ? `${method} (${said.join(" · ")})` : method;
}

/** Of a setting's list no more than this is said: patterns may have an entry for every module. */
const MOST_ITEMS = 8;

/** What to say of a setting's value; nothing of one that is off, and of one that is on its name is enough. */
function settingText(value: unknown): string | undefined {
  if (value === false || value === 0 || value === undefined) return undefined;
  if (value === true) return "";
  if (typeof value !== "object" || value === null || value instanceof RegExp) return String(value);
  const masked = (item: unknown) =>
    Array.isArray(item) ? `${item.filter(Boolean).length} of ${item.length}` : item;
  const items = Array.isArray(value)
    ? value
    : Object.entries(value).map(([key, item]) => `${key}: ${masked(item)}`);
  const more = items.length > MOST_ITEMS ? ` and ${items.length - MOST_ITEMS} more` : "";
  return items.length > 0 ? items.slice(0, MOST_ITEMS).join(", ") + more : undefined;
}

function scalingNote({ method, settings, scale }: LoraAdapter | DoraAdapter): string {
  const { rank, alpha, rsLoRA, rankPattern, alphaPattern } = settings;
  const fraction = rsLoRA ? `α/√r = ${short(alpha)}/√${rank}` : `α/r = ${short(alpha)}/${rank}`;
  const update = method === "dora" ? "W′ = m ⊙ (W + s·B·A)/‖W + s·B·A‖" : "ΔW = s·B·A";
  const patterns = Object.keys({ ...rankPattern, ...alphaPattern }).length > 0;
  return `${update} with B (d×r) and A (r×k); s = ${fraction} = ${short(scale)}${patterns ? " where no pattern says otherwise" : ""}.`;
}

type Arrays = ReadonlyMap<string, { readonly shape: readonly number[] }>;

function moduleRows(weights: Shapes, arrays: Arrays): ModuleRow[] {
  const modules = new Map<
    string,
    { weights: number; shape: readonly number[]; arrays: (readonly number[])[]; replaced?: boolean }
  >();
  for (const [name, { shape }] of weights) {
    const path = name.replace(/\.(weight|bias)$/, "");
    const known = modules.get(path);
    if (known) known.weights += sizeOf(shape);
    else modules.set(path, { weights: sizeOf(shape), shape, arrays: [] });
  }
  for (const [name, { shape }] of arrays) {
    const path = moduleOf(name, modules);
    const module = path === undefined ? undefined : modules.get(path)!;
    if (!module)
      modules.set(name.replace(/\.(weight|bias)$/, ""), { weights: 0, shape: [], arrays: [shape] });
    else {
      module.arrays.push(shape);
      module.replaced = weights.has(name);
    }
  }
  const rows = new Map<string, ModuleRow & { paths: string[] }>();
  for (const [path, module] of modules) {
    const row = moduleRow(path, module);
    const key = `${row.module} ${row.shape} ${row.arithmetic}`;
    const known = rows.get(key);
    if (known) known.paths.push(path);
    else rows.set(key, { ...row, paths: [path] });
  }
  return [...rows.values()];
}

/** The module whose path the name begins with. */
function moduleOf(name: string, modules: ReadonlyMap<string, unknown>): string | undefined {
  const segments = name.split(".");
  for (let n = segments.length - 1; n > 0; n--) {
    const path = segments.slice(0, n).join(".");
    if (modules.has(path)) return path;
  }
  return undefined;
}

function moduleRow(
  path: string,
  {
    weights,
    shape,
    arrays,
    replaced = false,
  }: { weights: number; shape: readonly number[]; arrays: (readonly number[])[]; replaced?: boolean },
): Omit<ModuleRow, "paths"> {
  const last = path.split(".").at(-1)!;
  const trainable = arrays.reduce((sum, array) => sum + sizeOf(array), 0);
  const products = arrays.map((array) => array.map(integer).join("·"));
  // An update's arrays are in the order in which they meet the input, A before B; the product is written B·A.
  if (!replaced) products.reverse();
  return {
    module: last.includes("norm") ? "norms" : last,
    shape,
    weights,
    trainable,
    arithmetic: products.join(" + "),
    reduction: trainable > 0 && weights > 0 && !replaced ? sizeOf(shape) / trainable : undefined,
  };
}
