/** In a classroom: the hub's pages, where one's server is stopped and one logs out, in the File menu. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { PageConfig } from "@jupyterlab/coreutils";
import { IMainMenu } from "@jupyterlab/mainmenu";

const plugin: JupyterFrontEndPlugin<void> = {
  id: "loralab:hub",
  description: "Adds the JupyterHub's pages to the File menu, where there is a hub.",
  autoStart: true,
  requires: [IMainMenu],
  activate: ({ commands }: JupyterFrontEnd, { fileMenu }: IMainMenu) => {
    const hub = PageConfig.getOption("hubPages");
    if (!hub) return;
    commands.addCommand("loralab:hub-home", {
      label: "Hub Control Panel",
      execute: () => void window.open(`${hub}home`, "_blank", "noopener"),
    });
    commands.addCommand("loralab:hub-logout", {
      label: `Log Out (${PageConfig.getOption("hubUser")})`,
      execute: () => window.location.assign(`${hub}logout`),
    });
    const items = ["loralab:hub-home", "loralab:hub-logout"].map((command) => ({ command }));
    fileMenu.addGroup(items, 100);
  },
};
export default plugin;
