/** Sliders, where the kernel offers them: its globals `interact`, `display` and `widgets`. Elsewhere there are none. */
import type { Displayable } from "./bundle";

/** A widget with a value, as the kernel makes it. */
export type Control = object;

/** The kernel's widgets, under ipywidgets' names. */
export type Widgets = Record<
  "IntSlider" | "FloatSlider" | "IntRangeSlider" | "Checkbox" | "Dropdown",
  new (
    options: Record<string, unknown>,
  ) => Control
>;

/** What is to be shown of the controls' values, one below the other; the first soon, since it follows a slider's moves. */
export type Run = (values: Record<string, any>) => AsyncIterable<Displayable>;

interface Globals {
  interact?: (run: Run, controls: Record<string, Control>) => void;
  widgets?: Widgets;
}

/**
 * Shows controls, and what `run` yields for their values, at once and after each change.
 * @returns whether there are any here
 */
export function sliders(controls: (widgets: Widgets) => Record<string, Control>, run: Run): boolean {
  const { interact, widgets } = globalThis as Globals;
  if (typeof interact !== "function" || !widgets) return false;
  interact(run, controls(widgets));
  return true;
}
