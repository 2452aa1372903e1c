/** The two functions of plotly.js that are used here. */
declare module "plotly.js-dist" {
  export type Layout = Record<string, any>;
  export interface PlotlyStatic {
    /** Draws a figure into a node, or changes the one that is there. */
    react(
      node: HTMLElement,
      data: unknown[],
      layout: Layout,
      config: Record<string, unknown>,
    ): Promise<unknown>;
    purge(node: HTMLElement): void;
  }
  const plotly: PlotlyStatic;
  export default plotly;
}
