/**
 * Shows under each cell's number how long it ran. JupyterLab records the times in the cell's metadata
 * (`execution`, from the setting `recordTiming`) and shows them nowhere.
 */
import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import type { Cell } from "@jupyterlab/cells";
import { INotebookTracker, type NotebookPanel } from "@jupyterlab/notebook";

/** The times that JupyterLab records, as ISO dates. */
interface Times {
  "iopub.execute_input"?: string;
  "shell.execute_reply"?: string;
}

/** @returns "0.4 s", "12 s", "3 min 20 s"; "" while it runs or when it never ran */
export function duration(times: Times | undefined): string {
  const start = Date.parse(times?.["iopub.execute_input"] ?? "");
  const end = Date.parse(times?.["shell.execute_reply"] ?? "");
  if (!(end >= start)) return "";
  const seconds = (end - start) / 1000;
  if (seconds < 0.1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** The time is a CSS variable of the cell: its number, the prompt, is made anew whenever it scrolls into view. */
function show(cell: Cell): void {
  const text = duration(cell.model.getMetadata("execution"));
  if (text) cell.node.style.setProperty("--loralab-duration", JSON.stringify(text));
  else cell.node.style.removeProperty("--loralab-duration");
}

function watch({ content }: NotebookPanel): void {
  const seen = new WeakSet<Cell>();
  const watchCells = () => {
    for (const cell of content.widgets) {
      if (seen.has(cell) || cell.model.type !== "code") continue;
      seen.add(cell);
      show(cell);
      cell.model.metadataChanged.connect(() => show(cell));
    }
  };
  watchCells();
  content.modelContentChanged.connect(watchCells);
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: "loralab:timing",
  description: "Shows how long each cell ran.",
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_app, tracker: INotebookTracker) => {
    tracker.widgetAdded.connect((_, panel) => {
      void panel.context.ready.then(() => watch(panel));
    });
  },
};
export default plugin;
