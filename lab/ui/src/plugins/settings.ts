/**
 * JupyterLab's registry of settings, with a validator that does nothing at the start.
 *
 * Its own one compiles every plugin's JSON schema to code, twice: the longest of all that a page does before it is
 * there. But a plugin whose settings nobody changed has nothing to be checked: its settings are its schema's defaults.
 */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import {
  DefaultSchemaValidator,
  type ISchemaValidator,
  ISettingConnector,
  ISettingRegistry,
  SettingRegistry,
} from "@jupyterlab/settingregistry";
import { defaultsOf } from "../defaults";

class Validator implements ISchemaValidator {
  private strict: DefaultSchemaValidator | undefined;

  validateData(plugin: ISettingRegistry.IPlugin, populate = true) {
    if (plugin.raw.trim() !== "{}") {
      this.strict ??= new DefaultSchemaValidator();
      return this.strict.validateData(plugin, populate);
    }
    if (populate) plugin.data = { composite: defaultsOf(plugin.schema), user: {} };
    return null;
  }
}

const plugin: JupyterFrontEndPlugin<ISettingRegistry> = {
  id: "@jupyterlab/apputils-extension:settings",
  description: "Provides the setting registry.",
  autoStart: true,
  requires: [ISettingConnector],
  provides: ISettingRegistry,
  activate: async (app: JupyterFrontEnd, connector: ISettingConnector) => {
    const { values } = await connector.list("active");
    const plugins = values.filter(({ id }) => app.hasPlugin(id));
    const registry = new SettingRegistry({ connector, plugins, validator: new Validator() });
    // Those that a plugin transforms wait for it; that of one which has not asked for its settings by now never will.
    void app.restored.then(() => {
      for (const { id } of plugins) {
        if (id in registry.plugins) continue;
        registry.load(id).catch((error) => console.warn(`The settings of ${id} could not be loaded:`, error));
      }
    });
    return registry;
  },
};
export default plugin;
