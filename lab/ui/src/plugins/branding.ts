/** loralab's name and logo where JupyterLab's would be. "About" in the Help menu still says that this is JupyterLab. */
import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ILabShell } from "@jupyterlab/application";
import { LabIcon } from "@jupyterlab/ui-components";
import { Widget } from "@lumino/widgets";
import logo from "../../../../kernel/assets/logo-svg.svg";

export const loralabIcon = new LabIcon({ name: "loralab:logo", svgstr: logo });

const plugin: JupyterFrontEndPlugin<void> = {
  id: "loralab:logo",
  description: "Shows loralab's logo.",
  autoStart: true,
  requires: [ILabShell],
  activate: (_app, shell: ILabShell) => {
    const widget = new Widget();
    widget.id = "jp-MainLogo";
    loralabIcon.element({
      container: widget.node,
      elementPosition: "center",
      margin: "2px 2px 2px 8px",
      height: "auto",
      width: "18px",
    });
    shell.add(widget, "top", { rank: 0 });
  },
};
export default plugin;
