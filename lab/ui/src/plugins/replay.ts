/**
 * Output that survives a reload of the page. A kernel goes on while no page looks, and its messages are for the page
 * that asked; a page that comes later would show what was last saved, for good. Our server keeps the outputs of every
 * cell that has not been saved, or that the kernel may still update; this plugin fetches them when a notebook is opened
 * and then follows the kernel.
 *
 * The cell is *executed again*, by JupyterLab's own `CodeCell.execute`, except that no request is sent: the kernel it
 * gets answers with a future that is fed with the recorded outputs first and the live messages after them. So prompts,
 * the busy mark, times, `prompt()` and updates in place are those of a cell that ran all along.
 */
import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import type { ISessionContext } from "@jupyterlab/apputils";
import { CodeCell } from "@jupyterlab/cells";
import { INotebookTracker, type NotebookPanel } from "@jupyterlab/notebook";
import { type Kernel, KernelMessage } from "@jupyterlab/services";
import { KernelShellFutureHandler } from "@jupyterlab/services/lib/kernel/future";
import type { CellOutputs } from "../../../server/api-types";
import { getOutputs } from "../api";

/** The messages of a kernel in the order they came, to a function that can be set later without losing any. */
function listen(kernel: Kernel.IKernelConnection) {
  let receive: ((message: KernelMessage.IMessage) => void) | null = null;
  const early: KernelMessage.IMessage[] = [];
  const onMessage = (_: unknown, { direction, msg }: Kernel.IAnyMessageArgs) => {
    if (direction !== "recv") return;
    if (receive) receive(msg);
    else early.push(msg);
  };
  kernel.anyMessage.connect(onMessage);
  return {
    early: early as readonly KernelMessage.IMessage[],
    start(receiver: (message: KernelMessage.IMessage) => void) {
      receive = receiver;
    },
    stop: () => void kernel.anyMessage.disconnect(onMessage),
  };
}

const parentOf = (message: KernelMessage.IMessage): string | undefined =>
  (message.parent_header as KernelMessage.IHeader | undefined)?.msg_id;

/** One run of one cell: its recorded outputs as messages, and a future that takes them and those to come. */
class Replay {
  private future: KernelShellFutureHandler<KernelMessage.IExecuteRequestMsg, KernelMessage.IExecuteReplyMsg>;
  private request: KernelMessage.IExecuteRequestMsg;
  private displayIds = new Set<string>();
  private executionCount: number | null;
  private failed = false;
  private replied = false;
  /** Messages are handled one after the other, as a kernel connection does; the end of the last. */
  handled: Promise<void> = Promise.resolve();

  constructor(
    private kernel: Kernel.IKernelConnection,
    private cell: CodeCell,
    private recorded: CellOutputs,
  ) {
    this.executionCount = recorded.executionCount;
    this.request = KernelMessage.createMessage<KernelMessage.IExecuteRequestMsg>({
      msgType: "execute_request",
      channel: "shell",
      msgId: recorded.requestId,
      session: kernel.clientId,
      username: "",
      content: { code: cell.model.sharedModel.getSource() },
    });
    this.future = new KernelShellFutureHandler(() => {}, this.request, true, false, kernel);
  }

  /** Shows what was recorded, and the cell as running if it still is. */
  run(): void {
    const session = { session: { kernel: { requestExecute: () => this.future } } };
    const metadata = { recordTiming: true, cellId: this.recorded.cellId };
    const isHidden = this.cell.outputHidden;
    CodeCell.execute(this.cell, session as unknown as ISessionContext, metadata).then(
      () => {
        // JupyterLab does so when the number changes; an aborted cell has none.
        this.cell.model.executionState = "idle";
      },
      () => {
        // The kernel ended or the cell was run anew; the cell shows which.
      },
    );
    // Running a cell shows its outputs; nobody has run it.
    if (this.recorded.isSaved) this.cell.outputHidden = isHidden;
    const { state, started, finished, outputs, displayIds, clearNext } = this.recorded;
    if (started) {
      this.feed("status", { execution_state: "busy" }, started);
      this.feed("execute_input", { code: "", execution_count: this.executionCount ?? 0 }, started);
    }
    outputs.forEach((output, index) => {
      const { output_type, ...content } = output;
      const transient =
        displayIds[index] === undefined ? {} : { transient: { display_id: displayIds[index] } };
      this.feed(output_type, { ...content, ...transient });
    });
    if (clearNext) this.feed("clear_output", { wait: true });
    if (state === "ok" || state === "error" || state === "aborted") {
      this.reply(state, finished ?? undefined);
      this.feed("status", { execution_state: "idle" }, finished ?? undefined);
    }
  }

  /** A message that came from the kernel: of this run, or an update of a display of this run by a later cell. */
  receive(message: KernelMessage.IMessage): void {
    if (this.future.isDisposed) return;
    if (parentOf(message) === this.recorded.requestId) {
      if (message.channel === "shell") this.replied = true;
      else if (KernelMessage.isErrorMsg(message)) this.failed = true;
      else if (KernelMessage.isStatusMsg(message) && message.content.execution_state === "idle")
        // The reply goes to the page that asked, which may be gone.
        this.reply(this.failed ? "error" : "ok", message.header.date);
      this.handle(message);
    } else if (
      KernelMessage.isUpdateDisplayDataMsg(message) &&
      this.displayIds.has(message.content.transient.display_id ?? "")
    ) {
      this.handle(message);
    }
  }

  dispose(): void {
    this.future.dispose();
  }

  private reply(status: "ok" | "error" | "aborted", date?: string): void {
    if (this.replied) return;
    this.replied = true;
    const content = {
      status,
      execution_count: this.recorded.executionCount ?? this.cell.model.executionCount,
    };
    this.feed("execute_reply", content, date, "shell");
  }

  private feed(msgType: string, content: object, date?: string, channel: "iopub" | "shell" = "iopub"): void {
    const message = KernelMessage.createMessage({
      msgType: msgType as "status",
      channel: channel as "iopub",
      session: this.kernel.clientId,
      content: content as KernelMessage.IStatusMsg["content"],
      parentHeader: this.request.header,
    });
    if (date) message.header.date = date;
    this.handle(message);
  }

  private handle(message: KernelMessage.IMessage): void {
    const id = (message.content as { transient?: { display_id?: string } }).transient?.display_id;
    if (id) this.displayIds.add(id);
    if (KernelMessage.isExecuteInputMsg(message))
      this.executionCount = message.content.execution_count || null;
    this.handled = this.handled.then(() =>
      this.future.isDisposed ? undefined : this.future.handleMsg(message),
    );
  }
}

/** Replays the cells of a notebook and follows them until the kernel ends. */
async function replayNotebook(panel: NotebookPanel, kernel: Kernel.IKernelConnection): Promise<void> {
  const messages = listen(kernel);
  const recorded = await getOutputs(panel.context.path).catch((error) => {
    console.warn("The outputs since the last save could not be fetched:", error);
    return null;
  });
  if (!recorded?.cells.length || recorded.kernelId !== kernel.id || panel.isDisposed) return messages.stop();

  const cells = new Map(panel.content.widgets.map((cell) => [cell.model.id, cell]));
  const replays: Replay[] = [];
  for (const run of recorded.cells) {
    const cell = cells.get(run.cellId);
    // A cell that this page has run itself since it was opened shows that run.
    if (!(cell instanceof CodeCell) || cell.outputArea.future) continue;
    const replay = new Replay(kernel, cell, run);
    replay.run();
    const early = messages.early.filter((message) => parentOf(message) === run.requestId);
    const held = early.findIndex(({ header }) => header.msg_id === run.lastMessageId);
    for (const message of early.slice(held + 1)) replay.receive(message);
    replays.push(replay);
  }
  if (!replays.length) return messages.stop();
  if (recorded.cells.every(({ isSaved }) => isSaved)) {
    // The file has it all: the notebook is as it was opened.
    const { model } = panel.context;
    void Promise.all(replays.map(({ handled }) => handled)).then(() => {
      model.dirty = false;
    });
  }
  messages.start((message) => {
    for (const replay of replays) replay.receive(message);
  });
  const stop = () => {
    messages.stop();
    for (const replay of replays) replay.dispose();
  };
  kernel.disposed.connect(stop);
  kernel.statusChanged.connect((_, status) => {
    if (status === "restarting" || status === "autorestarting" || status === "dead") stop();
  });
}

/** Resolves when the kernel's WebSocket is open: messages from then on arrive. */
function connected(kernel: Kernel.IKernelConnection): Promise<void> {
  if (kernel.connectionStatus === "connected") return Promise.resolve();
  return new Promise((resolve) => {
    const check = () => {
      if (kernel.connectionStatus !== "connected") return;
      kernel.connectionStatusChanged.disconnect(check);
      resolve();
    };
    kernel.connectionStatusChanged.connect(check);
  });
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: "loralab:replay",
  description: "Restores the outputs of cells that ran while the page was closed.",
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_app, tracker: INotebookTracker) => {
    tracker.widgetAdded.connect(async (_, panel) => {
      await Promise.all([panel.context.ready, panel.sessionContext.ready]);
      const kernel = panel.sessionContext.session?.kernel;
      if (!kernel) return;
      await connected(kernel);
      await replayNotebook(panel, kernel);
    });
  },
};
export default plugin;
