/** Imported from a script, an SVG is its text. */
declare module "*.svg" {
  const text: string;
  export default text;
}
