/** Types of what the kernel adds to every cell. The values are made in child/globals.ts. */
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
`;
