/**
 * Before Node.js 24, `AsyncLocalStorage` hangs three properties on every promise and timer, and `inspect` shows them.
 * They are the kernel's bookkeeping, not the user's: this takes them out of text.
 */
const ENTRY = /,?\s*\[Symbol\((async_id_symbol|trigger_async_id_symbol|kResourceStore)\)\]: (\d+|cell)/g;

/** What `inspect` shows of the stored value itself, so that it is one word. */
export const STORED = "cell";

export function withoutAsyncIds(text: string): string {
  if (!text.includes("[Symbol(async_id_symbol)]")) return text;
  return text.replace(ENTRY, "").replace(/Promise \{\n\s+([^\n]*)\n\s*\}/g, "Promise { $1 }");
}
