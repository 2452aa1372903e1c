/**
 * Draws `application/vnd.plotly.v1+json`. plotly.js (4.7 MB) is loaded with the first figure; an update of a figure
 * (`update_display_data`) changes it in place and keeps the reader's zoom.
 */
import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import { IThemeManager } from "@jupyterlab/apputils";
import { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import type { IRenderMime } from "@jupyterlab/rendermime-interfaces";
import { Widget } from "@lumino/widgets";
import type { Layout, PlotlyStatic } from "plotly.js-dist";

const MIME_TYPE = "application/vnd.plotly.v1+json";
/** Pixels, where a figure does not say. */
const HEIGHT = 360;

let loading: Promise<PlotlyStatic> | undefined;
const loadPlotly = () => {
  loading ??= import("plotly.js-dist").then((module) => module.default);
  return loading;
};

/** What a figure leaves open takes the colours of JupyterLab's theme. */
function themed(layout: Layout, node: HTMLElement): Layout {
  const style = getComputedStyle(node);
  const color = (name: string) => style.getPropertyValue(`--jp-${name}`).trim();
  const axis = {
    gridcolor: color("border-color2"),
    linecolor: color("border-color1"),
    zerolinecolor: color("border-color1"),
  };
  const template = {
    layout: {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: color("content-font-color1"), family: color("content-font-family"), size: 13 },
      hoverlabel: { bgcolor: color("layout-color2"), font: { color: color("content-font-color1") } },
      colorway: ["#5b7cfa", "#ff9d2e", "#2bb3a3", "#e2557b", "#9a6bff", "#8aa2b8"],
      margin: { l: 60, r: 20, t: layout.title ? 50 : 20, b: 50 },
      xaxis: axis,
      yaxis: axis,
    },
  };
  // `uirevision` that stays the same keeps zoom and hidden traces from one update to the next.
  return {
    uirevision: "kept",
    autosize: layout.width === undefined,
    ...layout,
    template: layout.template ?? template,
  };
}

class PlotlyRenderer extends Widget implements IRenderMime.IRenderer {
  private model: IRenderMime.IMimeModel | undefined;
  /** The drawing under way, with every one before it; a model that came meanwhile is drawn after it. */
  private drawing: Promise<void> = Promise.resolve();
  private resize = new ResizeObserver(() => void this.redraw());

  constructor(private themes: IThemeManager | null) {
    super();
    this.addClass("loralab-Plotly");
    themes?.themeChanged.connect(this.redraw, this);
    this.resize.observe(this.node);
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.model = model;
    return this.redraw();
  }

  private redraw(): Promise<void> {
    this.drawing = this.drawing.then(() => this.draw());
    return this.drawing;
  }

  private async draw(): Promise<void> {
    if (!this.model || this.isDisposed) return;
    const { data = [], layout = {}, config } = this.model.data[MIME_TYPE] as any;
    this.node.style.height = `${layout.height ?? HEIGHT}px`;
    const plotly = await loadPlotly();
    if (this.isDisposed) return;
    await plotly.react(this.node, data, themed(layout, this.node), { displaylogo: false, ...config });
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.themes?.themeChanged.disconnect(this.redraw, this);
    this.resize.disconnect();
    void loading?.then((plotly) => plotly.purge(this.node));
    super.dispose();
  }
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: "loralab:plotly",
  description: "Draws Plotly figures.",
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [IThemeManager],
  activate: (_app, rendermime: IRenderMimeRegistry, themes: IThemeManager | null) => {
    rendermime.addFactory(
      { safe: true, mimeTypes: [MIME_TYPE], createRenderer: () => new PlotlyRenderer(themes) },
      0,
    );
  },
};
export default plugin;
