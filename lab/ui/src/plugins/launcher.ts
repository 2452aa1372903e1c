/** The page that opens first, and with every "+": the shelf of tutorials, where JupyterLab has its launcher. */
import { ILabShell, type JupyterFrontEnd, type JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette, MainAreaWidget } from "@jupyterlab/apputils";
import { PageConfig } from "@jupyterlab/coreutils";
import { IDefaultFileBrowser } from "@jupyterlab/filebrowser";
import { ILauncher, LauncherModel } from "@jupyterlab/launcher";
import { addIcon } from "@jupyterlab/ui-components";
import type { Widget } from "@lumino/widgets";
import { Shelf } from "../shelf";
import { loralabIcon } from "./branding";

/** JupyterLab's name for it, which its file browser and tab bar call. */
const CREATE = "launcher:create";
const SHOW = "loralab:show-tutorials";

let count = 0;

const plugin: JupyterFrontEndPlugin<ILauncher> = {
  // JupyterLab's id, so that its menu item, shortcut and button in the file browser are ours.
  id: "@jupyterlab/launcher-extension:plugin",
  description: "Offers the tutorials, and what JupyterLab's launcher offers.",
  autoStart: true,
  requires: [ILabShell],
  optional: [ICommandPalette, IDefaultFileBrowser],
  provides: ILauncher,
  activate: (
    app: JupyterFrontEnd,
    shell: ILabShell,
    palette: ICommandPalette | null,
    browser: IDefaultFileBrowser | null,
  ) => {
    const { commands } = app;
    const model = new LauncherModel();
    const shelves = () =>
      Array.from(shell.widgets("main")).filter((widget) => widget.id.startsWith("shelf-"));

    commands.addCommand(CREATE, {
      label: "New Launcher",
      icon: (args) => (args.toolbar ? addIcon : undefined),
      execute: (args) => {
        const id = `shelf-${count++}`;
        const shelf = new Shelf({
          commands,
          model,
          cwd: () => (args.cwd as string) ?? browser?.model.path ?? "",
          opened: (widget: Widget) => {
            if (Array.from(shell.widgets("main")).includes(widget)) shell.add(widget, "main", { ref: id });
            main.dispose();
          },
        });
        const main = new MainAreaWidget({ content: shelf });
        main.id = id;
        main.title.label = "Tutorials";
        main.title.icon = loralabIcon;
        shell.add(main, "main", { activate: args.activate as boolean, ref: args.ref as string });
        const closable = () => {
          main.title.closable = Array.from(shell.widgets("main")).length > 1;
        };
        closable();
        shell.layoutModified.connect(closable, main);
        return main;
      },
    });
    commands.addCommand(SHOW, {
      label: "Tutorials",
      icon: loralabIcon,
      execute: () => {
        const [first] = shelves();
        if (first) shell.activateById(first.id);
        else return commands.execute(CREATE);
      },
    });
    palette?.addItem({ command: SHOW, category: "Tutorials" });

    const fill = () => {
      if (shell.isEmpty("main")) void commands.execute(CREATE);
    };
    // At once when nothing else will come; the file browser, which knows too, first lists its folder.
    void shell.restored.then(() => {
      if (PageConfig.getOption("treePath") === "") fill();
    });
    // Not before the layout changes again: the file that the address names is still to be opened.
    void Promise.all([app.restored, browser?.model.restored]).then(() => {
      shell.layoutModified.connect(fill);
    });
    shell.addButtonEnabled = true;
    shell.addRequested.connect((_, tabs) => {
      const ref = tabs.currentTitle?.owner.id ?? tabs.titles[tabs.titles.length - 1]?.owner.id;
      void commands.execute(CREATE, { ref });
    });
    return model;
  },
};
export default plugin;
