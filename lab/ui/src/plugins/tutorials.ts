/** The tutorials that the server offers, for the shelf and for "Reset this tutorial". */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { Dialog, ICommandPalette, Notification, showDialog, showErrorMessage } from "@jupyterlab/apputils";
import { INotebookTracker, type NotebookPanel } from "@jupyterlab/notebook";
import { undoIcon } from "@jupyterlab/ui-components";
import type { Tutorial } from "../../../server/api-types";
import { getTutorials, resetTutorial } from "../api";

export const RESET = "loralab:reset-tutorial";

/** The tutorials by the path of the user's copy; asked once, for which notebooks are tutorials does not change. */
let tutorials: Promise<Map<string, Tutorial>> | undefined;
function tutorialAt(path: string): Promise<Tutorial | undefined> {
  tutorials ??= getTutorials().then(
    (list) => new Map(list.map((tutorial) => [tutorial.path, tutorial])),
    () => new Map(),
  );
  return tutorials.then((map) => map.get(path));
}

/** Asks, resets the file, shows it, and gives it a fresh kernel; the version there was is kept beside it. */
async function reset({ context, sessionContext }: NotebookPanel, tutorial: Tutorial): Promise<void> {
  const { button } = await showDialog({
    title: "Reset this tutorial?",
    body: `"${tutorial.title}" becomes as it was shipped and its kernel restarts. If you changed it, your version is kept beside it.`,
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: "Reset" })],
  });
  if (!button.accept) return;
  try {
    if (context.model.dirty) await context.save();
    const { backup } = await resetTutorial(tutorial.name);
    await context.revert();
    await sessionContext.restartKernel();
    Notification.success(
      backup ? `The tutorial is as shipped. Your version is in ${backup}.` : "The tutorial is as shipped.",
      { autoClose: 8000 },
    );
  } catch (error) {
    await showErrorMessage("The tutorial could not be reset", error as Error);
  }
}

const plugin: JupyterFrontEndPlugin<void> = {
  // Where the command is in menus and the notebook's toolbar says `schema/tutorials.json`.
  id: "loralab:tutorials",
  description: "Puts a tutorial back as it was shipped.",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette],
  activate: ({ commands }: JupyterFrontEnd, tracker: INotebookTracker, palette: ICommandPalette | null) => {
    /** The tutorial in front; menus and toolbars ask synchronously. */
    let current: Tutorial | undefined;
    tracker.currentChanged.connect(async (_, panel) => {
      current = undefined;
      if (panel) {
        await panel.context.ready;
        current = await tutorialAt(panel.context.path);
      }
      commands.notifyCommandChanged(RESET);
    });

    commands.addCommand(RESET, {
      label: (args) => (args.toolbar ? "" : "Reset This Tutorial…"),
      caption: "Put this tutorial back as it was shipped (your version is kept)",
      icon: (args) => (args.toolbar ? undoIcon : undefined),
      isEnabled: () => current !== undefined,
      isVisible: () => current !== undefined,
      execute: () => {
        if (tracker.currentWidget && current) return reset(tracker.currentWidget, current);
      },
    });
    palette?.addItem({ command: RESET, category: "Tutorials" });
  },
};
export default plugin;
