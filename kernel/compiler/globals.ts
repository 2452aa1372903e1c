/** Types of what the kernel adds to every cell. The values are made in child/globals.ts. */
import { WIDGET_TYPES } from "./widget-types";

export const GLOBAL_TYPES = `
/**
 * Shows a value below the cell. With an \`id\`, a later call with the same id in the same cell replaces what was shown.
 */
declare function display(value: unknown, options?: { id?: string }): void;

/**
 * Clears what the cell has shown. With \`wait\`, only when the next output arrives, which avoids flicker.
 */
declare function clearOutput(options?: { wait?: boolean }): void;

/**
 * Shows a long text or value in the front end's pager, apart from the notebook.
 */
declare function page(value: unknown): void;

/**
 * Asks the user for a line of text.
 *
 * @throws Error when the front end cannot ask, as when a notebook runs headless
 */
declare function prompt(question?: string, options?: { password?: boolean }): Promise<string>;

/**
 * The items again, with a bar below the cell that fills as they are taken: \`for (const x of progress(xs)) …\`.
 *
 * @param options \`label\`: text before the bar; \`total\`: how many items there will be, when \`items\` does not tell
 */
declare function progress<T>(items: Iterable<T>, options?: { label?: string; total?: number }): Iterable<T>;
declare function progress<T>(
  items: AsyncIterable<T>,
  options?: { label?: string; total?: number },
): AsyncIterable<T>;

/**
 * What type errors do, in the cells after this one: keep a cell from running, or appear as warnings before it runs.
 */
declare function typeErrors(mode: "error" | "warn"): void;
${WIDGET_TYPES}`;
