/** Help while a cell is written: completion, explanation, and whether it is complete. */
import type { Converter, IsCompleteResult } from "tslab/dist/converter";
import type { Completeness, Completions, Hover } from "./index";
import { calleeAround, stringStart, syntaxErrorsOf } from "./syntax";
import type { TypeScript } from "./typescript";

export function complete(
  converter: Converter,
  declarations: string,
  source: string,
  offset: number,
): Completions {
  const { start, end, candidates, original } = converter.complete(declarations, source, offset);
  const kinds = new Map(original?.entries.map((entry) => [entry.name, entry.kind as string]));
  const matches = candidates.map((text) => ({ text, type: kinds.get(text) ?? "" }));
  const string = stringStart(source, offset);
  if (string === undefined) return { start, end, matches };
  // In a string the converter offers all that may stand there, to be put in at the cursor. Names of modules and files
  // continue from the last slash.
  const isText = matches.every(({ type }) => type === "string" || type === "property");
  const from = isText ? string : Math.max(string, source.lastIndexOf("/", offset - 1) + 1);
  const typed = source.slice(from, offset);
  return { start: from, end: offset, matches: matches.filter(({ text }) => text.startsWith(typed)) };
}

/** Explains the name at a position; where there is none, what is called around it. */
export function inspect(
  converter: Converter,
  declarations: string,
  source: string,
  offset: number,
): Hover | undefined {
  const explain = (at: number) => hover(converter.inspect(declarations, source, at));
  const callee = calleeAround(source, offset);
  return explain(offset) ?? (callee === undefined ? undefined : explain(callee));
}

function hover(info: TypeScript.QuickInfo | undefined): Hover | undefined {
  if (!info) return undefined;
  const join = (parts: readonly TypeScript.SymbolDisplayPart[] = []) =>
    parts.map((part) => part.text).join("");
  const signature = join(info.displayParts);
  if (signature === "any") return undefined; // a name that nothing declares
  const tags = (info.tags ?? []).map((tag) => `@${tag.name} ${join(tag.text)}`.trimEnd());
  return {
    // That it was imported, everybody knows who uses it.
    signature: signature.replace(/^\(alias\) /, "").replace(/\nimport .*$/, ""),
    documentation: [join(info.documentation), ...tags].filter(Boolean).join("\n"),
  };
}

/** @param judge the converter's own opinion, for the indent of the next line */
export function isComplete(source: string, judge: (source: string) => IsCompleteResult): Completeness {
  const errors = syntaxErrorsOf(source);
  if (errors.length === 0) return { status: "complete", indent: "" };
  const unfinished = errors.some(
    (error) => error.start >= source.trimEnd().length || /^Unterminated/.test(error.text),
  );
  if (unfinished) return { status: "incomplete", indent: judge(source).indent ?? "" };
  return { status: "invalid", indent: "" };
}
