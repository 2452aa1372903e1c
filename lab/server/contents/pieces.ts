/**
 * Long texts go in and out in pieces. A notebook as one block of bytes, several times over, would cost the server more
 * than its moment: the C library keeps the place of large blocks that were freed.
 */

/** Characters; as bytes, less than what the C library takes from the system apart. */
const PIECE = 2 ** 16;

/** The text in pieces; none ends between the two halves of a character. */
export function* pieces(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    let end = Math.min(start + PIECE, text.length);
    if (end < text.length && /[\uD800-\uDBFF]/.test(text[end - 1]!)) end++;
    yield text.slice(start, end);
    start = end;
  }
}

/** The text of UTF-8 bytes that come in pieces. @param see told of each piece */
export async function joinedText(
  bytes: AsyncIterable<Uint8Array>,
  see?: (piece: Uint8Array) => void,
): Promise<string> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let text = "";
  for await (const piece of bytes) {
    see?.(piece);
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}
