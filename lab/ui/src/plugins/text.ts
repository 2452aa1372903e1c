/**
 * Draws plain texts as JupyterLab does, in a fraction of the time: one without colours, links and control characters is
 * a text node. JupyterLab escapes, parses, searches, copies and aligns every text when its notebook is opened, also
 * where nobody has scrolled to: with outputs of 10 MB, a twentieth of all that the page computes until they are there.
 */
import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import { IRenderMimeRegistry, RenderedText, textRendererFactory } from "@jupyterlab/rendermime";
import type { IRenderMime } from "@jupyterlab/rendermime-interfaces";

/** What may be more than text to JupyterLab: escape sequences, characters that HTML has not as they are, addresses. */
const SPECIAL = ["\x1b", "\r", "\0", "://", "data:", "www."];

/** Characters from which on a text is laid out only when it comes into view, and its lines until then as high as this. */
const LONG = 5000;
const LINE_HEIGHT = 17;

class Text extends RenderedText {
  override async render(model: IRenderMime.IMimeModel): Promise<void> {
    const text = String(model.data[this.mimeType]);
    this.toggleClass("loralab-mod-long", text.length > LONG);
    if (text.length > LONG)
      this.node.style.containIntrinsicSize = `auto ${text.split("\n").length * LINE_HEIGHT}px`;
    if (SPECIAL.some((mark) => text.includes(mark))) return super.render(model);
    const pre = document.createElement("pre");
    pre.textContent = text;
    this.node.append(pre);
  }
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: "loralab:text",
  description: "Draws plain texts.",
  autoStart: true,
  requires: [IRenderMimeRegistry],
  activate: (_app, rendermime: IRenderMimeRegistry) => {
    rendermime.addFactory({ ...textRendererFactory, createRenderer: (options) => new Text(options) });
  },
};
export default plugin;
