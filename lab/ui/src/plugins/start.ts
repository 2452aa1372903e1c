/**
 * The kernel of a notebook starts once all its cells are on the page, or as soon as it is needed. JupyterLab starts it at
 * once, and on two cores a starting process and a page that draws share what there is: the cells come later, and nobody
 * can ask the kernel for anything before they are there.
 */
import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import { INotebookTracker, type NotebookPanel } from "@jupyterlab/notebook";

/** Milliseconds between two looks at the cells, and from which on the kernel starts in any case. */
const LOOK = 50;
const LONGEST = 3000;

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Settles when every cell is on the page. */
async function drawn({ content, context }: NotebookPanel): Promise<void> {
  await context.ready;
  const end = performance.now() + LONGEST;
  while (
    !content.isDisposed &&
    performance.now() < end &&
    content.widgets.some((cell) => cell.isPlaceholder())
  )
    await wait(LOOK);
}

function startLate(panel: NotebookPanel): void {
  const session = panel.sessionContext;
  const initialize = session.initialize.bind(session);
  const startKernel = session.startKernel.bind(session);
  let waits = true;
  let need!: () => void;
  const needed = new Promise<void>((resolve) => {
    need = resolve;
  });
  session.initialize = async () => {
    await session.sessionManager.ready;
    const runs = Array.from(session.sessionManager.running()).some(({ path }) => path === session.path);
    if (!runs) await Promise.race([drawn(panel), needed]);
    waits = false;
    return initialize();
  };
  // What a cell calls that is run before: a second kernel beside the first would have none of its variables.
  session.startKernel = async () => {
    if (!waits) return startKernel();
    need();
    return session.initialize();
  };
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: "loralab:start",
  description: "Starts a notebook's kernel after its cells are drawn.",
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_app, tracker: INotebookTracker) => {
    tracker.widgetAdded.connect((_, panel) => startLate(panel));
  },
};
export default plugin;
