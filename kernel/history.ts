/**
 * What was executed, as history requests ask for it: the last n, a range of a session, or a glob pattern.
 *
 * Cells that a person ran are kept for later sessions in a file of one JSON array per line, to which every kernel of
 * this user appends. Sessions are numbered as a kernel finds them when it first looks: its own comes after them, and
 * may be asked for as 0, the one before it as -1.
 */
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { userDataFolder } from "./connection";
import type { Exchanges } from "./protocol/messages";

type Query = Exchanges["history_request"]["request"];
type Entry = [session: number, line: number, source: string];
type EntryWithOutput = [session: number, line: number, sourceAndOutput: [string, string]];

/** Outputs of earlier sessions are not kept: theirs are empty. */
interface Cell {
  session: number;
  line: number;
  source: string;
  output: string;
}

/** A file larger than this is cut to its newer half. */
const FILE_BYTES = 4 << 20;
/** A longer cell is data rather than code: it is not kept for later sessions. */
const KEPT_CHARACTERS = 100_000;

/** Where this user's history is. */
export function historyFile(): string {
  return path.join(userDataFolder(), "loralab", "history.jsonl");
}

export class History {
  private readonly id = randomUUID();
  private readonly cells: Cell[];
  private readonly session: number;

  /** @param file where cells of earlier sessions are, and those of this one go; without it, nothing is kept */
  constructor(private file?: string) {
    this.cells = file === undefined ? [] : (this.tried(() => readCells(file)) ?? []);
    this.session = this.cells.reduce((newest, { session }) => Math.max(newest, session), 0) + 1;
  }

  /** @param isKept whether later sessions see it too */
  add(line: number, source: string, output: string, isKept: boolean): void {
    this.cells.push({ session: this.session, line, source, output });
    const { file } = this;
    if (file === undefined || !isKept || source.length > KEPT_CHARACTERS) return;
    this.tried(() => {
      fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      // Code may hold what is nobody else's business.
      fs.appendFileSync(file, `${JSON.stringify([this.id, line, source])}\n`, { mode: 0o600 });
    });
  }

  query(query: Query): Entry[] | EntryWithOutput[] {
    const found = this.select(query);
    if (query.output)
      return found.map(({ session, line, source, output }): EntryWithOutput => {
        return [session, line, [source, output]];
      });
    return found.map(({ session, line, source }): Entry => [session, line, source]);
  }

  private select(query: Query): Cell[] {
    switch (query.hist_access_type) {
      case "tail":
        return last(this.cells, query.n);
      case "range": {
        const { session = 0, start, stop } = query;
        const number = session > 0 ? session : this.session + session;
        const isIn = ({ line }: Cell) => line >= (start ?? 0) && (stop == null || line < stop);
        return this.cells.filter((cell) => cell.session === number && isIn(cell));
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

  /** Does something with the file; where that fails, says so once and goes on without it. */
  private tried<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      console.error(`loralab kernel: no history is kept: ${(error as Error).message}`);
      this.file = undefined;
      return undefined;
    }
  }
}

/** The cells in a history file, their sessions numbered from 1. Cuts the file when it has grown too large. */
function readCells(file: string): Cell[] {
  if (!fs.existsSync(file)) return [];
  let text = fs.readFileSync(file, "utf8");
  if (text.length > FILE_BYTES) {
    text = text.slice(text.indexOf("\n", text.length - FILE_BYTES / 2) + 1);
    const cut = `${file}.${randomUUID()}`;
    fs.writeFileSync(cut, text, { mode: 0o600 });
    fs.renameSync(cut, file);
  }
  const sessions = new Map<string, number>();
  return text.split("\n").flatMap((json): Cell[] => {
    const [id, line, source] = parsed(json);
    if (typeof id !== "string" || typeof line !== "number" || typeof source !== "string") return [];
    if (!sessions.has(id)) sessions.set(id, sessions.size + 1);
    return [{ session: sessions.get(id)!, line, source, output: "" }];
  });
}

/** An array; empty for a line that was cut short or is something else. */
function parsed(json: string): unknown[] {
  try {
    const value = JSON.parse(json);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
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
