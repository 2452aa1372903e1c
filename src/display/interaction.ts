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

interface Globals {
  interact?: (run: (values: Record<string, unknown>) => unknown, controls: Record<string, Control>) => void;
  display?: (value: Displayable) => void;
  widgets?: Widgets;
}

/**
 * Shows controls, and what `run` shows of their values, at once and after each change.
 * @returns whether there are any here
 */
export function sliders(
  controls: (widgets: Widgets) => Record<string, Control>,
  run: (values: Record<string, unknown>, show: (value: Displayable) => void) => unknown,
): boolean {
  const { interact, display, widgets } = globalThis as Globals;
  if (typeof interact !== "function" || typeof display !== "function" || !widgets) return false;
  interact((values) => run(values, display), controls(widgets));
  return true;
}
