/** What was executed in this session, as history requests ask for it: the last n, a range, or a glob pattern. */
import type { Exchanges } from "./protocol/messages";

type Query = Exchanges["history_request"]["request"];
type Entry = [session: number, line: number, source: string];
type EntryWithOutput = [session: number, line: number, sourceAndOutput: [string, string]];

/** A kernel keeps no history of earlier sessions: its own has number 1, and may be asked for as 0, "this one". */
const SESSION = 1;

export class History {
  private readonly cells: { line: number; source: string; output: string }[] = [];

  add(line: number, source: string, output: string): void {
    this.cells.push({ line, source, output });
  }

  query(query: Query): Entry[] | EntryWithOutput[] {
    const found = this.select(query);
    if (query.output)
      return found.map(({ line, source, output }): EntryWithOutput => [SESSION, line, [source, output]]);
    return found.map(({ line, source }) => [SESSION, line, source]);
  }

  private select(query: Query): typeof this.cells {
    switch (query.hist_access_type) {
      case "tail":
        return last(this.cells, query.n);
      case "range": {
        const { session, start, stop } = query;
        if (session !== 0 && session !== SESSION) return [];
        return this.cells.filter(({ line }) => line >= (start ?? 0) && (stop == null || line < stop));
      }
      case "search": {
        const { pattern = "*" } = query;
        if (typeof pattern !== "string") throw new Error("a search needs a text as pattern");
        const found = this.cells.filter(({ source }) => matchesGlob(source, pattern));
        const unique = query.unique ? [...new Map(found.map((cell) => [cell.source, cell])).values()] : found;
        return last(unique, query.n);
      }
      default:
        throw new Error(`hist_access_type should be "tail", "range" or "search"`);
    }
  }
}

function last<T>(list: T[], n: number | undefined | null): T[] {
  if (n == null) return list;
  if (typeof n !== "number") throw new Error(`n should be a number of cells, got ${JSON.stringify(n)}`);
  return n <= 0 ? [] : list.slice(-n);
}

/**
 * Whether all of a text matches a pattern where `*` stands for any characters and `?` for one.
 *
 * Only the latest `*` is ever taken back, so the time is at most text × pattern; a regular expression made of the
 * same pattern can take exponential time.
 */
function matchesGlob(text: string, pattern: string): boolean {
  let [at, from] = [0, 0];
  let star: { at: number; from: number } | undefined;
  while (at < text.length) {
    if (pattern[from] === "*") star = { at, from: from++ };
    else if (from < pattern.length && (pattern[from] === "?" || pattern[from] === text[at])) {
      at++;
      from++;
    } else if (star) {
      at = ++star.at;
      from = star.from + 1;
    } else return false;
  }
  while (pattern[from] === "*") from++;
  return from === pattern.length;
}
