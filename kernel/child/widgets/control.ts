/** The widget that `interact` makes of a short description of a control. */
import { inspect } from "node:util";
import type { Dropdown, Options } from "./controls";
import type { State } from "./models";
import { Widget } from "./widget";

/** Makes a widget by its name. */
export type Make = (name: string, options: State) => Widget;

/**
 * @param given `[min, max]` or `[min, max, step]`, a boolean, a text, options as texts or as `{ label: value }`, or a widget
 * @throws TypeError naming the control when it is none of these
 */
export function control(name: string, given: unknown, make: Make): Widget & { value: unknown } {
  const widget = widgetFor(name, given, make);
  if (!("value" in widget))
    throw new TypeError(`interact: control "${name}" is a ${widget.model.name}, without a value`);
  return widget as Dropdown;
}

function widgetFor(name: string, given: unknown, make: Make): Widget {
  if (given instanceof Widget) return given;
  const description = name;
  if (typeof given === "boolean") return make("Checkbox", { description, value: given });
  if (typeof given === "string") return make("Text", { description, value: given });
  if (isRange(given)) return slider(description, given, make);
  const isOptions = Array.isArray(given)
    ? given.every((option) => typeof option === "string")
    : isRecord(given);
  if (isOptions && Object.keys(given as Options).length)
    return make("Dropdown", { description, options: given });
  throw new TypeError(
    `interact: control "${name}" should be [min, max, step], a boolean, a text, a list of texts, ` +
      `{ label: value } or a widget, got ${inspect(given)}`,
  );
}

function slider(description: string, [min, max, given]: [number, number, number?], make: Make): Widget {
  const isInteger = [min, max, given ?? 1].every(Number.isInteger);
  const step = given ?? (isInteger ? 1 : tidy((max - min) / 100));
  if (!(min < max) || !(step > 0))
    throw new RangeError(
      `interact: control "${description}" should be [min, max, step] with min < max and step > 0, ` +
        `got ${inspect([min, max, step])}`,
    );
  const value = tidy(min + Math.round((max - min) / 2 / step) * step);
  if (isInteger) return make("IntSlider", { description, min, max, step, value });
  const decimals = Math.min(10, Math.max(1, Math.ceil(-Math.log10(step) - 1e-9)));
  return make("FloatSlider", { description, min, max, step, value, readoutFormat: `.${decimals}f` });
}

/** Without the noise of binary fractions in the last places. */
function tidy(value: number): number {
  return Number(value.toPrecision(12));
}

function isRange(value: unknown): value is [number, number, number?] {
  return Array.isArray(value) && (value.length === 2 || value.length === 3) && value.every(Number.isFinite);
}

function isRecord(value: unknown): boolean {
  return Object.prototype.toString.call(value) === "[object Object]";
}
