/**
 * The lab's own endpoints, those that Jupyter does not have: what the server answers and the front end asks.
 *
 * Everything else is Jupyter's REST API and is typed by `@jupyterlab/services`. This file imports nothing, so both
 * sides can. All URLs are relative to the server's base URL; authentication, the `_xsrf` cookie and errors
 * (`{ message, reason }` with a status of 400 or more) are as for Jupyter's own endpoints.
 *
 * | request | answer |
 * | --- | --- |
 * | `GET /lab/api/outputs?path=<notebook>` | `RunningOutputs` |
 * | `GET /lab/api/tutorials` | `Tutorial[]` |
 * | `POST /lab/api/tutorials/<name>/open` | `OpenedTutorial`; 201 when the copy was made, 200 when it was there |
 * | `POST /lab/api/tutorials/<name>/reset` | `ResetTutorial` |
 * | `GET /lab/api/machine` | `Machine` |
 * | `GET /nbconvert/<html\|script>/<path>?download=true` | the notebook *as saved* in that format |
 *
 * ## The front end's files
 *
 * `lab/ui/build.ts` makes `dist/lab/ui` (its header describes it): `index.html`, in which the server replaces
 * `"{{config}}"` (quotes included) by the page configuration as JSON with every `<` written as `\u003c`, and `{{base}}` by the base URL; `static/` under `/static/`; `themes/`
 * under `/lab/api/themes/`; `schemas.json`, `{ [id]: { schema, version } }`, for `/lab/api/settings`. `lab/bundle.ts`
 * says where it is (`bundleFolder()`) and builds it when it is missing or stale (`ensureBundle(log)`).
 *
 * ## Outputs that survive a reload
 *
 * The server listens to every kernel itself and keeps the outputs of each cell that was executed with `cellId` in the
 * metadata of its `execute_request` (JupyterLab sends it), whether or not a browser is connected. A finished cell is
 * forgotten once the notebook is saved with the same execution count for it, or by a page that saw how it ended; but one
 * with a `display_id` among its outputs stays while the kernel lives, as a later cell or a slider may update it.
 *
 * To replay without losing or doubling anything, after the kernel's WebSocket is connected:
 *
 * 1. collect the kernel's IOPub messages (`kernel.anyMessage`, direction "recv"), by `parent_header.msg_id`;
 * 2. `GET /lab/api/outputs?path=…`; for each cell replace its outputs and execution count by the ones given, and show
 *    it as running while its state is "queued" or "running";
 * 3. of the collected messages whose parent is the cell's `requestId`, drop those up to and including
 *    `lastMessageId`; when that one is not among them, drop none. Apply the rest, and all that follow, to the cell's
 *    output area. `status: idle` with that parent ends the cell.
 */

/** An output in the notebook format (nbformat 4.5); texts are one string, not lists of lines. */
export type OutputModel =
  | { output_type: "stream"; name: "stdout" | "stderr"; text: string }
  | { output_type: "display_data"; data: Record<string, unknown>; metadata: Record<string, unknown> }
  | {
      output_type: "execute_result";
      data: Record<string, unknown>;
      metadata: Record<string, unknown>;
      execution_count: number | null;
    }
  | { output_type: "error"; ename: string; evalue: string; traceback: string[] };

export interface RunningOutputs {
  /** The kernel of the notebook's session; null when it has none, and then there are no cells. */
  kernelId: string | null;
  /**
   * Cells that run, wait to run, finished since the notebook was saved, or have displays that the kernel may still update,
   * in the order of their requests.
   */
  cells: CellOutputs[];
}

export interface CellOutputs {
  cellId: string;
  /** `msg_id` of the `execute_request`: the parent of every message of this run of the cell. */
  requestId: string;
  /** "aborted": never ran, as an earlier cell failed, or the kernel ended first. */
  state: "queued" | "running" | "ok" | "error" | "aborted";
  executionCount: number | null;
  outputs: OutputModel[];
  /** `transient.display_id` of each output that has one, by its index in `outputs`. */
  displayIds: Record<number, string>;
  /** `clear_output(wait=True)` is pending: the next output replaces `outputs`. */
  clearNext: boolean;
  /** The cell put out more than is kept (the middle of it is left out, and a line in `outputs` says so). */
  truncated: boolean;
  /** `msg_id` of the last message that `outputs` holds; null when there was none yet. */
  lastMessageId: string | null;
  /** The notebook's file holds these outputs. */
  isSaved: boolean;
  /** ISO times; null when not yet. */
  started: string | null;
  finished: string | null;
}

/** A notebook of the shelf. */
export interface Tutorial {
  /** The file's name without `.ipynb`, which names it in URLs: `01-two-phases`. */
  name: string;
  /** Its copy in the user's folder, as a contents path; the copy is made by `open`. */
  path: string;
  title: string;
  /** What the reader learns, in one or two sentences. */
  summary: string;
  /** How long its cells run, in minutes, as it was measured; null when the notebook does not say. */
  minutes: number | null;
  /** Code cells of the user's copy that have been run, of how many; `opened` is false while there is no copy. */
  progress: { opened: boolean; run: number; of: number };
}

export interface OpenedTutorial {
  path: string;
}

export interface ResetTutorial {
  path: string;
  /** Where the user's version was kept, as a contents path; null when there was none or it was as shipped. */
  backup: string | null;
}

export interface Machine {
  /** Resident memory of the server, in bytes. */
  server: number;
  /** Resident memory of each kernel with all its processes, in bytes; null where it cannot be measured. */
  kernels: { id: string; path: string | null; memory: number | null }[];
  /** Memory of the machine, in bytes. */
  total: number;
  free: number;
  /** What runs compiled code, for people: "CPU, ONNX Runtime 1.30"; null until it is known. */
  device: string | null;
}
