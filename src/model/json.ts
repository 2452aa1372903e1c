/**
 * The one thing JSON.parse does not tell: whether an object names a key twice. It silently keeps the last, which in a
 * checkpoint's header would hide one tensor behind another.
 */

/** First key that occurs twice in one object of a valid JSON text, with its index in the text. */
export function duplicateKey(text: string): { key: string; index: number } | undefined {
  const open: (Set<string> | undefined)[] = []; // one per enclosing object (its keys) or array (undefined)
  const token = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g;
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const [found, colon] = match;
    if (found === "{") open.push(new Set());
    else if (found === "[") open.push(undefined);
    else if (found === "}" || found === "]") open.pop();
    else if (colon !== undefined) {
      const key: string = JSON.parse(found.slice(0, -colon.length));
      const keys = open.at(-1)!;
      if (keys.has(key)) return { key, index: match.index };
      keys.add(key);
    }
  }
  return undefined;
}
