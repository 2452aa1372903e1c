/**
 * ipywidgets' models: their names in the front end's packages, and the state that each begins with.
 *
 * Front ends have the widgets themselves, in `@jupyter-widgets/base`, `controls` and `output`; a kernel sends the state
 * of models and hears of its changes. Names and defaults are those of ipywidgets 8 (widget protocol 2.1.0).
 */

export type State = Record<string, unknown>;

export interface Model {
  /** Without the "Model" at its end. */
  name: string;
  module: "base" | "controls" | "output";
  /** Without the "View" at its end; by default the model's name. */
  view?: string;
  /** Beside what all models have, in the front end's own names. */
  state: State;
  /** Name of the model of its style, for models that have one. */
  style?: string;
  /** Whether its numbers are integers. */
  integers?: boolean;
}

const VERSIONS = { base: "2.0.0", controls: "2.0.0", output: "1.0.0" };
/** Keeps an empty text as high as a full one. */
const BLANK = "\u200b";

const visible = { _dom_classes: [], tabbable: null, tooltip: null };
const described = { ...visible, description: "", description_allow_html: false };
const slider = {
  ...described,
  behavior: "drag-tap",
  continuous_update: true,
  disabled: false,
  orientation: "horizontal",
  readout: true,
};
const integerSlider = { ...slider, readout_format: "d", min: 0, max: 100, step: 1 };
const floatSlider = { ...slider, readout_format: ".2f", min: 0, max: 100, step: 0.1 };
const progress = { ...described, bar_style: "", min: 0, max: 100, orientation: "horizontal", value: 0 };
const box = { ...visible, box_style: "", children: [] };

const controls: Record<string, Omit<Model, "name" | "module">> = {
  IntSlider: { state: { ...integerSlider, value: 0 }, style: "Slider", integers: true },
  FloatSlider: { state: { ...floatSlider, value: 0 }, style: "Slider" },
  FloatLogSlider: {
    state: { ...slider, readout_format: ".3g", base: 10, min: 0, max: 4, step: 0.1, value: 1 },
    style: "Slider",
  },
  IntRangeSlider: { state: { ...integerSlider, value: [25, 75] }, style: "Slider", integers: true },
  FloatRangeSlider: { state: { ...floatSlider, value: [25, 75] }, style: "Slider" },
  IntProgress: { state: progress, style: "Progress", view: "Progress", integers: true },
  FloatProgress: { state: progress, style: "Progress", view: "Progress" },
  Dropdown: {
    state: { ...described, _options_labels: [], disabled: false, index: null },
    style: "Description",
    integers: true,
  },
  Checkbox: { state: { ...described, disabled: false, indent: true, value: false }, style: "Checkbox" },
  Text: {
    state: { ...described, continuous_update: true, disabled: false, placeholder: BLANK, value: "" },
    style: "Text",
  },
  Button: {
    state: { ...visible, button_style: "", description: "", disabled: false, icon: "" },
    style: "Button",
  },
  HTML: { state: { ...described, placeholder: BLANK, value: "" }, style: "HTML" },
  HBox: { state: box },
  VBox: { state: box },
};

const font = {
  font_family: null,
  font_size: null,
  font_style: null,
  font_variant: null,
  font_weight: null,
  text_color: null,
  text_decoration: null,
};
const text = { background: null, description_width: "", font_size: null, text_color: null };
const styles: Record<string, State> = {
  Slider: { description_width: "", handle_color: null },
  Progress: { bar_color: null, description_width: "" },
  Description: { description_width: "" },
  Checkbox: { background: null, description_width: "" },
  Text: text,
  HTML: text,
  Button: { button_color: null, ...font },
};

const LAYOUT = [
  "align_content align_items align_self border_bottom border_left border_right border_top bottom display flex flex_flow",
  "grid_area grid_auto_columns grid_auto_flow grid_auto_rows grid_column grid_gap grid_row grid_template_areas",
  "grid_template_columns grid_template_rows height justify_content justify_items left margin max_height max_width",
  "min_height min_width object_fit object_position order overflow padding right top visibility width",
].flatMap((names) => names.split(" "));

export const layoutModel: Model = {
  name: "Layout",
  module: "base",
  state: Object.fromEntries(LAYOUT.map((name) => [name, null])),
};

export const styleModels: Record<string, Model> = Object.fromEntries(
  Object.entries(styles).map(([name, state]) => [name, { name: `${name}Style`, module: "controls", state }]),
);

/** The widgets that cells can make, by name. */
export const widgetModels: Record<string, Model> = {
  ...Object.fromEntries(
    Object.entries(controls).map(([name, model]) => [name, { name, module: "controls", ...model }]),
  ),
  Output: { name: "Output", module: "output", state: { ...visible, msg_id: "", outputs: [] } },
};

/** The names of a model and its view, as they are sent. */
export function modelNames({ name, module, view = name }: Model): State {
  const isStyle = module === "controls" && name.endsWith("Style");
  const viewModule = isStyle ? "base" : module;
  return {
    _model_module: `@jupyter-widgets/${module}`,
    _model_module_version: VERSIONS[module],
    _model_name: `${name}Model`,
    _view_count: null,
    _view_module: `@jupyter-widgets/${viewModule}`,
    _view_module_version: VERSIONS[viewModule],
    _view_name: isStyle ? "StyleView" : `${view}View`,
  };
}
