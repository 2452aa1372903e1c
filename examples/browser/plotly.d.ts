/** What the page uses of plotly.js. */
declare module "plotly.js-dist" {
  const plotly: {
    react(node: HTMLElement, data: object[], layout: object, config: object): Promise<unknown>;
  };
  export default plotly;
}
