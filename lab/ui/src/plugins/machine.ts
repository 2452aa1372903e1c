/** Memory of the kernels, and the device that trains, in the status bar. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { IStatusBar } from "@jupyterlab/statusbar";
import { Poll } from "@lumino/polling";
import { Widget } from "@lumino/widgets";
import type { Machine } from "../../../server/api-types";
import { getMachine } from "../api";

/** Milliseconds between two looks; none while the page is hidden. */
const INTERVAL = 5000;
/** Milliseconds from the page's start to the first look. */
const START_DELAY = 1500;

/** @returns "640 MB", "1.4 GB", in units of 1,000 as disks and cards are sold */
export function bytes(count: number): string {
  return count < 999.5e6 ? `${Math.round(count / 1e6)} MB` : `${(count / 1e9).toFixed(1)} GB`;
}

/** @returns what the status bar says, and what it says on hover */
export function summary({ server, kernels, total, free, device }: Machine): { text: string; title: string } {
  const used = kernels.reduce((sum, { memory }) => sum + (memory ?? 0), 0);
  const lines = [
    ...(device ? [`Compiled code runs on: ${device}`] : []),
    `Server: ${bytes(server)}`,
    ...kernels.map(
      ({ path, memory }) =>
        `Kernel of ${path ?? "no notebook"}: ${memory === null ? "unknown" : bytes(memory)}`,
    ),
    `Computer: ${bytes(free)} free of ${bytes(total)}`,
  ];
  const memory = kernels.length ? `kernels ${bytes(used)}` : "no kernel runs";
  return {
    text: [device, memory, `${bytes(free)} free`].filter(Boolean).join(" · "),
    title: lines.join("\n"),
  };
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: "loralab:machine",
  description: "Shows memory and device in the status bar.",
  autoStart: true,
  requires: [IStatusBar],
  activate: (app: JupyterFrontEnd, statusBar: IStatusBar) => {
    const item = new Widget();
    item.addClass("loralab-Machine");
    statusBar.registerStatusItem("loralab:machine", { item, align: "left", rank: 10 });
    const poll = new Poll({
      auto: false,
      name: "loralab:machine",
      frequency: { interval: INTERVAL, backoff: true, max: 60_000 },
      standby: "when-hidden",
      factory: async () => {
        const { text, title } = summary(await getMachine());
        item.node.textContent = text;
        item.node.title = title;
      },
    });
    // The server starts a process to tell the device: not while the page still needs the processor.
    void app.restored.then(() => setTimeout(() => void poll.start(), START_DELAY));
  },
};
export default plugin;
