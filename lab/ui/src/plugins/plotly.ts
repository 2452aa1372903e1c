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
import { figureTable, toCsv } from "../../../../src/display/figure-data";

const MIME_TYPE = "application/vnd.plotly.v1+json";
/** Pixels, where a figure does not say. */
const HEIGHT = 360;

let loading: Promise<PlotlyStatic> | undefined;
const loadPlotly = () => {
  loading ??= import("plotly.js-dist").then((module) => module.default);
  return loading;
};

/**
 * What a figure leaves open takes the colours of JupyterLab's theme. So does the text of a figure on transparent paper: it
 * stands on JupyterLab's page, and a colour that has to do on any page is on none as readable as the page's own.
 */
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
  const isTransparent = /^rgba\(.*,\s*0\)$|^transparent$/.test(layout.paper_bgcolor ?? "");
  // `uirevision` that stays the same keeps zoom and hidden traces from one update to the next.
  return {
    uirevision: "kept",
    autosize: layout.width === undefined,
    ...layout,
    ...(isTransparent && {
      font: { ...layout.font, ...template.layout.font, size: layout.font?.size ?? 13 },
    }),
    ...(layout.legend && { legend: settled(layout.legend) }),
    template: layout.template ?? template,
  };
}

/**
 * A legend below the axes stands at the bottom of the figure. One that hangs on the axes is left where it was when the
 * figure gets wider (plotly.js 4.1), and lies then over the axis's numbers and its title.
 */
function settled(legend: Layout["legend"]): Layout["legend"] {
  const hangs = legend?.orientation === "h" && legend.y < 0 && legend.yref !== "container";
  return hangs ? { ...legend, yref: "container", y: 0, yanchor: "bottom" } : legend;
}

/** A tray with an arrow into it, on Plotly's raster of 24 units a side. */
const DOWNLOAD = {
  width: 24,
  height: 24,
  path: "M11 3h2v9.2l3.3-3.3 1.4 1.4L12 16l-5.7-5.7 1.4-1.4 3.3 3.3zM4 15h2v4h12v-4h2v6H4z",
};

/** The figure's numbers as a file of comma-separated values, called as the figure is. */
function downloadData(data: Record<string, any>[], layout: Layout): void {
  const title = String(layout.title?.text ?? layout.title ?? "").replace(/<[^<>]*>/g, " ");
  const name =
    title
      .replace(/[^\p{L}\p{N}.%=]+/gu, " ")
      .trim()
      .slice(0, 60) || "figure";
  // With a mark of its encoding, by which spreadsheets read "ΔW" as it is meant.
  const file = new Blob(["\ufeff", toCsv(figureTable({ data, layout }))], { type: "text/csv;charset=utf-8" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `${name}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}

class PlotlyRenderer extends Widget implements IRenderMime.IRenderer {
  private model: IRenderMime.IMimeModel | undefined;
  /** The drawing under way, with every one before it; a model that came meanwhile is drawn after it. */
  private drawing: Promise<void> = Promise.resolve();
  private resize = new ResizeObserver(() => void this.redraw());
  /** One for all drawings: to Plotly another function is another configuration, for which it makes the figure anew. */
  private readonly download = {
    name: "loralab-data",
    title: "Download data as CSV",
    icon: DOWNLOAD,
    click: () => {
      const { data = [], layout = {} } = this.model!.data[MIME_TYPE] as any;
      downloadData(data, layout);
    },
  };

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
    await plotly.react(this.node, data, themed(layout, this.node), {
      displaylogo: false,
      ...config,
      modeBarButtonsToAdd: [...(config?.modeBarButtonsToAdd ?? []), this.download],
    });
    this.describe(layout);
  }

  /** For who cannot see the figure: a picture with its title as the name. */
  private describe(layout: Layout): void {
    const title = String(layout.title?.text ?? layout.title ?? "figure").replace(/<[^<>]*>/g, " ");
    this.node.setAttribute("role", "figure");
    this.node.setAttribute("aria-label", title);
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
