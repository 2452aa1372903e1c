/**
 * loralab in a page: the public API but for what needs a disk or processes of its own. Bundlers find it, and the
 * `NAME.browser.ts` that stands in for `NAME.ts`, by the field "browser" of package.json.
 */
export { env } from "./engine/runtime.browser";
export * from "./everywhere";
export { filesIn, putFiles } from "./model/disk.browser";
