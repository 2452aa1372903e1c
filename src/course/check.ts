/** Stated expectations: a notebook that says what should hold, and fails where it does not. */
import { bundle, DISPLAY, type Displayable } from "../display/bundle";
import { card, html } from "../display/html";

/**
 * A line "✓ what" when the expectation holds.
 * @param what the expectation as a statement: "the base is back, bit for bit"
 * @param hint what to look at when it does not hold
 * @throws when it does not hold, with `what` and `hint`; and when `holds` is not a boolean, as a forgotten await gives
 */
export function check(what: string, holds: boolean, hint?: string): Displayable {
  if (typeof holds !== "boolean") {
    const got =
      (holds as unknown) instanceof Promise ? "a promise; is an await missing?" : `${typeof holds} ${holds}`;
    throw new TypeError(`check("${what}"): expected true or false, got ${got}`);
  }
  if (!holds) throw new Error(`Does not hold: ${what}.${hint ? ` ${hint}` : ""}`);
  const line = `✓ ${what}`;
  return { [DISPLAY]: () => bundle(line, card(html`<p>${line}</p>`)) };
}
