/**
 * The outputs of a kernel's cells, kept while no browser may be looking.
 *
 * A page that is loaded again has lost what was put out in the meantime (jupyterlab#2833). The server hears every
 * broadcast, knows from `cellId` in the metadata of the request which cell it belongs to, and keeps it until the
 * notebook is saved with it. A cell whose displays can still be updated, as those of `interact`, is kept after that too:
 * the file does not say which display is which. What is kept is bounded: of one cell, the beginning and the end.
 */
import type { Message } from "../../../kernel/protocol/messages";
import type { CellOutputs, OutputModel } from "../api-types";
import type { NotebookContent } from "../contents/notebook-file";

/** Characters kept of one cell, and of all cells of a kernel. */
const MOST_OF_CELL = 8 * 2 ** 20;
const MOST_OF_KERNEL = 64 * 2 ** 20;
const GAP = "\n[… output left out …]\n";

interface Kept {
  output: OutputModel;
  /** Text of a stream as it came, joined when it is asked for. */
  chunks?: string[];
  displayId?: string;
  size: number;
}

interface Cell extends Omit<CellOutputs, "outputs" | "displayIds"> {
  kept: Kept[];
  size: number;
  page: Page;
  /** A page asked for what is kept after the cell had ended. */
  isFetched: boolean;
}

/** The front end that asked for a run of a cell. */
interface Page {
  isConnected: boolean;
  /** It was not sent everything. */
  hasMissed: boolean;
}

export class OutputLog {
  /** By request, in their order; a cell has one entry, of its last run. */
  private readonly cells = new Map<string, Cell>();
  private size = 0;

  /** A front end asks to execute a cell. */
  requested(requestId: string, cellId: string, page: Page): void {
    for (const [id, cell] of this.cells) if (cell.cellId === cellId) this.forget(id);
    this.cells.set(requestId, {
      cellId,
      requestId,
      state: "queued",
      executionCount: null,
      clearNext: false,
      truncated: false,
      lastMessageId: null,
      started: null,
      finished: null,
      isSaved: false,
      kept: [],
      size: 0,
      page,
      isFetched: false,
    });
  }

  /** A broadcast of the kernel. */
  add({ header, parent, content }: Message): void {
    if (header.msg_type === "update_display_data") this.update(content);
    const cell = this.cells.get(parent.msg_id ?? "");
    if (!cell) return;
    cell.isSaved = false;
    this.apply(cell, header.msg_type, content as Record<string, any>);
    cell.lastMessageId = header.msg_id;
  }

  /**
   * The notebook was saved: what it holds need not be kept, unless it may still be updated, nor what a page saw and chose
   * to clear.
   */
  saved(notebook: NotebookContent): void {
    const inFile = new Map(notebook.cells.map((cell) => [cell.id, cell]));
    for (const [id, entry] of this.cells) {
      const { finished, executionCount, page, isFetched, kept } = entry;
      const cell = inFile.get(entry.cellId);
      const isSaved = executionCount === null || cell?.execution_count === executionCount;
      const isSeen = isFetched || (!page.hasMissed && (isSaved || page.isConnected));
      if (!finished || (cell && !isSeen)) continue;
      const isLive = kept.some(({ displayId }) => displayId !== undefined);
      if (isLive && executionCount !== null && isSaved) entry.isSaved = true;
      else this.forget(id);
    }
  }

  /** The kernel is gone: nothing that runs or waits will end any more, and nothing saved be updated. */
  aborted(): void {
    for (const [id, cell] of this.cells) {
      if (!cell.finished) finish(cell, cell.started ? "error" : "aborted");
      if (cell.isSaved) this.forget(id);
    }
  }

  /** The requests that have not ended, in order. */
  get unfinished(): string[] {
    return [...this.cells.values()].filter(({ finished }) => !finished).map(({ requestId }) => requestId);
  }

  /** What is kept, for a page that shows it from now on. */
  list(): CellOutputs[] {
    return [...this.cells.values()].map((cell) => {
      if (cell.finished) cell.isFetched = true;
      const { kept, size: _, page: __, isFetched: ___, ...rest } = cell;
      const ids = kept.flatMap(({ displayId }, i) => (displayId === undefined ? [] : [[i, displayId]]));
      return { ...rest, outputs: kept.map(model), displayIds: Object.fromEntries(ids) };
    });
  }

  private apply(cell: Cell, type: string, content: Record<string, any>): void {
    const { data = {}, metadata = {}, execution_count } = content;
    const displayId: string | undefined = content.transient?.display_id;
    switch (type) {
      case "execute_input":
        cell.state = "running";
        cell.executionCount = execution_count ?? null;
        cell.started = new Date().toISOString();
        return;
      case "status":
        if (content.execution_state !== "idle") return;
        finish(cell, !cell.started ? "aborted" : cell.state === "error" ? "error" : "ok");
        return;
      case "clear_output":
        if (content.wait) cell.clearNext = true;
        else this.clear(cell);
        return;
      case "stream":
        this.stream(cell, content.name, String(content.text));
        return;
      case "display_data":
        this.show(cell, { output_type: "display_data", data, metadata }, displayId);
        return;
      case "execute_result":
        this.show(cell, { output_type: "execute_result", data, metadata, execution_count }, displayId);
        return;
      case "error": {
        const { ename, evalue, traceback } = content;
        cell.state = "error";
        this.show(cell, { output_type: "error", ename, evalue, traceback });
        return;
      }
    }
  }

  private stream(cell: Cell, name: "stdout" | "stderr", text: string): void {
    this.clearIfAsked(cell);
    let last = cell.kept.at(-1);
    if (last?.output.output_type !== "stream" || last.output.name !== name) {
      last = { output: { output_type: "stream", name, text: "" }, chunks: [], size: 0 };
      cell.kept.push(last);
    }
    last.chunks!.push(text);
    this.grow(cell, last, text.length);
    while (cell.size > MOST_OF_CELL && this.dropMiddle(cell, last));
  }

  private show(cell: Cell, output: OutputModel, displayId?: string): void {
    this.clearIfAsked(cell);
    const size = sizeOf(output);
    if (cell.size + size > MOST_OF_CELL && output.output_type !== "error") {
      cell.truncated = true;
      return;
    }
    const kept = { output, displayId, size: 0 };
    cell.kept.push(kept);
    this.grow(cell, kept, size);
  }

  /** New content for all outputs with its display id, of whichever cell. */
  private update(content: Record<string, any>): void {
    const id = content.transient?.display_id;
    if (id === undefined) return;
    for (const cell of this.cells.values())
      for (const kept of cell.kept) {
        if (kept.displayId !== id || !("data" in kept.output)) continue;
        cell.isSaved = false;
        Object.assign(kept.output, { data: content.data, metadata: content.metadata });
        this.grow(cell, kept, sizeOf(kept.output) - kept.size);
      }
  }

  /** Drops the oldest text after the first half of what may be kept. @returns whether there was any */
  private dropMiddle(cell: Cell, { chunks }: Kept): boolean {
    let head = 0;
    let i = 0;
    while (i < chunks!.length && head + chunks![i]!.length <= MOST_OF_CELL / 2) head += chunks![i++]!.length;
    if (chunks![i] === GAP) i++;
    if (i >= chunks!.length - 1) return false;
    const [gone] = chunks!.splice(i, 1, ...(chunks![i - 1] === GAP ? [] : [GAP]));
    cell.truncated = true;
    this.grow(cell, cell.kept.at(-1)!, -gone!.length);
    return true;
  }

  private clearIfAsked(cell: Cell): void {
    if (cell.clearNext) this.clear(cell);
    cell.clearNext = false;
  }

  private clear(cell: Cell): void {
    this.size -= cell.size;
    Object.assign(cell, { kept: [], size: 0, truncated: false });
  }

  private grow(cell: Cell, kept: Kept, by: number): void {
    kept.size += by;
    cell.size += by;
    this.size += by;
    for (const [id, { isSaved }] of this.cells) if (isSaved && this.size > MOST_OF_KERNEL) this.forget(id);
    if (this.size <= MOST_OF_KERNEL) return;
    for (const other of this.cells.values()) {
      if (!other.finished || other === cell) continue;
      this.clear(other);
      other.truncated = true;
      if (this.size <= MOST_OF_KERNEL) return;
    }
  }

  private forget(requestId: string): void {
    this.size -= this.cells.get(requestId)?.size ?? 0;
    this.cells.delete(requestId);
  }
}

function finish(cell: Cell, state: Cell["state"]): void {
  cell.state = state;
  cell.finished = new Date().toISOString();
}

function model({ output, chunks }: Kept): OutputModel {
  return chunks ? ({ ...output, text: chunks.join("") } as OutputModel) : output;
}

function sizeOf(output: OutputModel): number {
  return JSON.stringify(output).length;
}
