/**
 * The one thing JSON.parse does not tell: whether an object names a key twice. It silently keeps the last, which in a
 * checkpoint's header would hide one tensor behind another.
 */

/** First key that occurs twice in one object of a valid JSON text, with its index in the text. */
export function duplicateKey(text: string): { key: string; index: number } | undefined {
  const open: (Set<string> | undefined)[] = []; // one per enclosing object (its keys) or array (undefined)
  const token = /["{}[\]]/g;
  const colon = /\s*:/y;
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const { index } = match;
    if (match[0] === "{") open.push(new Set());
    else if (match[0] === "[") open.push(undefined);
    else if (match[0] !== '"') open.pop();
    else {
      token.lastIndex = colon.lastIndex = endOfString(text, index);
      if (!colon.test(text)) continue;
      const key: string = JSON.parse(text.slice(index, token.lastIndex));
      const keys = open.at(-1)!;
      if (keys.has(key)) return { key, index };
      keys.add(key);
    }
  }
  return undefined;
}

/** Where the string that opens at `start` is over. By hand: on a string of megabytes a pattern overflows the stack. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}
