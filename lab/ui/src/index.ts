/**
 * Starts JupyterLab: its own extensions, less those that need what our server does not have, and the plugins that make
 * it loralab.
 */
import { JupyterLab } from "@jupyterlab/application";
import { JupyterPluginRegistry, PageConfig } from "@jupyterlab/coreutils";
import { IServiceManager } from "@jupyterlab/services";
import { extensions, mimeExtensions } from "./extensions";

/** They ask for a language server, for news from the internet, or for a server's list of plugins. */
const LEFT_OUT = new Set([
  "@jupyterlab/apputils-extension:announcements",
  "@jupyterlab/fileeditor-extension:language-server",
  "@jupyterlab/notebook-extension:language-server",
]);

async function main(): Promise<void> {
  const pluginRegistry = new JupyterPluginRegistry();
  pluginRegistry.registerPlugins(extensions.filter(({ id }) => !LEFT_OUT.has(id)));
  const serviceManager = await pluginRegistry.resolveRequiredService(IServiceManager);
  const lab = new JupyterLab({ pluginRegistry, serviceManager, mimeExtensions });
  if (PageConfig.getOption("exposeAppInBrowser") === "true") Object.assign(window, { jupyterapp: lab });
  await lab.start({ ignorePlugins: [], bubblingKeydown: true } as Parameters<typeof lab.start>[0]);
  await lab.restored;
}

window.addEventListener("load", () => void main());
