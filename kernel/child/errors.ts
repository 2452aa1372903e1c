/**
 * Errors of cells as Jupyter shows them: name, message and a traceback whose frames are lines of cells.
 *
 * Frames of the kernel and of Node are left out, and positions in emitted code are mapped back by its source map.
 */
import { SourceMap } from "node:module";
import path from "node:path";
import { inspect } from "node:util";
import type { CellError } from "./ipc";

const maps = new Map<string, { map: SourceMap; lines: number }>();
const OWN_FOLDER = path.resolve(__dirname, "..") + path.sep;
/** Lines that run.ts puts before a cell's code. */
const HEAD_LINES = 1;

/** Keeps the source map of a cell for as long as its functions can throw: always. */
export function rememberMap(filename: string, map: string, code: string): void {
  maps.set(filename, { map: new SourceMap(JSON.parse(map)), lines: code.split("\n").length });
}

/** Any thrown value as an error of its cell. */
export function describeError(thrown: unknown): CellError {
  if (!isError(thrown)) {
    const evalue = typeof thrown === "string" ? thrown : inspect(thrown);
    return { ename: "Thrown", evalue, traceback: [`${red("Thrown")}: ${evalue}`] };
  }
  const ename = String(thrown.name || "Error");
  const evalue = String(thrown.message);
  const traceback = [`${red(ename)}: ${evalue}`, ...frames(thrown)];
  if (thrown.cause !== undefined) {
    const cause = describeError(thrown.cause);
    traceback.push("caused by:", ...cause.traceback);
  }
  return { ename, evalue, traceback };
}

/** An error can come from another realm, where `instanceof` fails. */
function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
}

function frames(error: Error): string[] {
  if (typeof error.stack !== "string") return [];
  return error.stack
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .filter((line) => !line.includes("(node:") && !line.includes("at node:") && !line.includes(OWN_FOLDER))
    .map(mapFrame)
    .filter((line): line is string => line !== undefined);
}

/** A frame with its position in the cell; undefined for the wrapper that calls the cell. */
function mapFrame(frame: string): string | undefined {
  const position = /(cell \d+[a-z]*):(\d+):(\d+)/.exec(frame);
  const cell = position && maps.get(position[1]!);
  if (!position || !cell) return frame;
  const line = Number(position[2]) - 1 - HEAD_LINES;
  if (line < 0 || line >= cell.lines) return undefined;
  const entry = cell.map.findEntry(line, Number(position[3]) - 1);
  if (!("originalLine" in entry)) return undefined;
  const place = `${position[1]}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  return frame.replace(position[0], place).replace(/Object\.<anonymous> |__scope\./g, "");
}

function red(text: string): string {
  return `\u001b[31m${text}\u001b[39m`;
}
