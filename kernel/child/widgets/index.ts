/** Widgets as cells find them: the global objects `widgets` and `interact`. */
import type { Comms } from "../comms";
import type { FromChild } from "../ipc";
import type { Runner } from "../run";
import { kinds } from "./controls";
import { createInteract, type Interact } from "./interact";
import { type State, widgetModels } from "./models";
import { openWidgets, type Widget, widgetClass } from "./widget";

type Constructor = new (options?: State) => Widget;

export interface WidgetGlobals {
  /** A constructor for each widget, by ipywidgets' name. */
  widgets: Record<string, Constructor>;
  interact: Interact;
}

export function createWidgets(
  comms: Comms,
  runner: Runner,
  send: (message: FromChild) => void,
  display: (value: unknown) => void,
): WidgetGlobals {
  const constructors = Object.entries(widgetModels).map(([name, model]): [string, Constructor] => {
    const Base = widgetClass(model, kinds[name]);
    const Made = class extends Base {
      constructor(options?: State) {
        super(comms, model, options);
      }
    };
    Object.defineProperty(Made, "name", { value: name });
    return [name, Made];
  });
  const widgets = Object.fromEntries(constructors);
  comms.register("jupyter.widget.control", (comm) => {
    // A page that was loaded again asks for the state of all widgets at once.
    comm.onMessage((data) => {
      if (data?.method !== "request_states")
        throw new TypeError(`the front end sent a widget control message of unknown method ${data?.method}`);
      comm.send({ method: "update_states", states: allStates(), buffer_paths: [] });
    });
  });
  const make = (name: string, options: State) => new widgets[name]!(options);
  return { widgets, interact: createInteract(runner, send, display, make) };
}

function allStates(): State {
  return Object.fromEntries(
    [...openWidgets.values()].map((widget) => {
      const { _model_name, _model_module, _model_module_version, ...state } = widget.fullState();
      const names = { _model_name, _model_module, _model_module_version };
      const entry = {
        model_name: _model_name,
        model_module: _model_module,
        model_module_version: _model_module_version,
        state: { ...names, ...state },
      };
      return [widget.id, entry];
    }),
  );
}
