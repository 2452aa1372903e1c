import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import type { IRenderMime } from "@jupyterlab/rendermime-interfaces";

/** Written at build time from the dependencies of package.json. */
export const extensions: JupyterFrontEndPlugin<unknown>[];
export const mimeExtensions: IRenderMime.IExtensionModule[];
