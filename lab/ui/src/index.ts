/**
 * Starts JupyterLab: its own extensions, less those that need what our server does not have, and the plugins that make
 * it loralab.
 */
import { JupyterLab } from "@jupyterlab/application";
import { JupyterPluginRegistry, PageConfig } from "@jupyterlab/coreutils";
import { IServiceManager } from "@jupyterlab/services";
import { extensions, mimeExtensions } from "./extensions";
import branding from "./plugins/branding";
import hub from "./plugins/hub";
import launcher from "./plugins/launcher";
import machine from "./plugins/machine";
import plotly from "./plugins/plotly";
import replay from "./plugins/replay";
import settings from "./plugins/settings";
import start from "./plugins/start";
import text from "./plugins/text";
import timing from "./plugins/timing";
import tutorials from "./plugins/tutorials";
import "./style/index.css";

const LEFT_OUT = new Set([
  // They ask for a language server, for news from the internet, or for a rebuild with Node.
  "@jupyterlab/apputils-extension:announcements",
  "@jupyterlab/fileeditor-extension:language-server",
  "@jupyterlab/notebook-extension:language-server",
  // Ours are in their place.
  "@jupyterlab/application-extension:logo",
  "@jupyterlab/apputils-extension:settings",
  "@jupyterlab/launcher-extension:plugin",
]);

async function main(): Promise<void> {
  PageConfig.setOption("appName", "loralab");
  const pluginRegistry = new JupyterPluginRegistry();
  pluginRegistry.registerPlugins([
    ...extensions.filter(({ id }) => !LEFT_OUT.has(id)),
    ...[branding, hub, launcher, machine, plotly, replay, settings, start, text, timing, tutorials],
  ]);
  const serviceManager = await pluginRegistry.resolveRequiredService(IServiceManager);
  const lab = new JupyterLab({ pluginRegistry, serviceManager, mimeExtensions });
  if (PageConfig.getOption("exposeAppInBrowser") === "true") Object.assign(window, { jupyterapp: lab });
  await lab.start({ bubblingKeydown: true });
}

window.addEventListener("load", () => void main());
