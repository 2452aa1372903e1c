/**
 * The compiler on tslab's converter.
 *
 * The converter keeps one TypeScript program for the session and is given, for each cell, the declarations of the
 * cells before it. It checks types, writes the cell's declarations, completes and explains names; JavaScript is made
 * by transform.ts. What the converter does not let its callers choose (compiler options, where modules of the
 * kernel's own package are found) is set on the compiler host that it asks TypeScript for.
 */
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import type { Converter, ConvertResult } from "tslab/dist/converter";
import { buildHint, packageRoot } from "../entry";
import { complete, inspect, isComplete } from "./editing";
import { GLOBAL_TYPES } from "./globals";
import type { Compiled, Compiler, Diagnostic } from "./index";
import { prepareCell } from "./prepare";
import { syntaxErrorsOf } from "./syntax";
import { emitCell } from "./transform";
import { loadConverter, type TypeScript, ts } from "./typescript";
import { Watchers } from "./watch";

/** A compiler for a session in the current folder. Takes about a second. */
export function createCompiler(): Compiler {
  const watchers = new Watchers(process.cwd());
  const tslab = configuredTslab(process.cwd(), watchers);
  const converter = tslab.createConverter();
  let declarations = "";
  let names: ReadonlySet<string> = new Set();
  let pending: { declarations: string; names: string[] } | undefined;
  return {
    compile(source, typeErrors): Compiled {
      pending = undefined;
      const syntax = syntaxErrors(source);
      if (syntax.length) return { ok: false, diagnostics: syntax };
      const prepared = prepareCell(source);
      watchers.look();
      let converted = convert(converter, declarations, prepared.text);
      const diagnostics = converted.diagnostics.map((d) => located(d, source, prepared.toSource));
      if (diagnostics.length) {
        if (typeErrors === "error") return { ok: false, diagnostics };
        converted = tslab.withoutChecks(() => convert(converter, declarations, prepared.text));
      }
      const loads = converted.output ?? "";
      const emitted = emitCell(
        prepared.text,
        names,
        (module) => !loads.includes(`require(${JSON.stringify(module)})`),
      );
      pending = { declarations: converted.declOutput ?? "", names: emitted.names };
      const modules = (converted.sideOutputs ?? []).map(({ path, data }): [string, string] => [path, data]);
      return { ok: true, program: { ...emitted, modules }, warnings: diagnostics };
    },
    commit(unset) {
      if (!pending) return;
      declarations = pending.declarations;
      names = new Set([...names, ...pending.names.filter((name) => !unset.includes(name))]);
      pending = undefined;
    },
    reset() {
      declarations = "";
      names = new Set();
      pending = undefined;
    },
    complete: (source, offset) => complete(converter, declarations, source, offset),
    inspect: (source, offset) => inspect(converter, declarations, source, offset),
    isComplete: (source) => isComplete(source, tslab.isCompleteCode),
  };
}

type Tslab = ReturnType<typeof loadConverter> & {
  /** Runs a conversion that finds no errors, and so always has an output. */
  withoutChecks<T>(convert: () => T): T;
};

/** tslab's converter module, whose converters are for sessions in `folder` and have our options. */
function configuredTslab(folder: string, watchers: Watchers): Tslab {
  const globals = path.join(folder, "__loralab_globals__.d.ts").split(path.sep).join("/");
  const createHost = ts.createWatchCompilerHost as (...args: any[]) => any;
  const diagnose = (ts as any).getPreEmitDiagnosticsOfFiles;
  const { Completions } = ts as any;
  let checks = true;
  const tslab = loadConverter({
    createWatchCompilerHost(
      roots: string[],
      options: TypeScript.CompilerOptions,
      sys: TypeScript.System,
      ...rest: unknown[]
    ) {
      Object.assign(options, compilerOptions(folder));
      const { readFile, fileExists, setTimeout } = sys;
      sys.readFile = (file, encoding) =>
        file === globals ? GLOBAL_TYPES : readFile.call(sys, file, encoding);
      sys.fileExists = (file) => file === globals || fileExists.call(sys, file);
      const watchCell = sys.watchFile!;
      sys.watchFile = (file, changed, ...how) =>
        // the converter's own two files are told of by itself
        /__(tslab|prev)__\./.test(file)
          ? watchCell.call(sys, file, changed, ...how)
          : watchers.watchFile(file, changed);
      sys.watchDirectory = (folder, changed) => watchers.watchFolder(folder, changed);
      // The converter knows one timer, that of the next rebuild. The other one, of module resolutions that became
      // out of date, needs no waiting: a rebuild handles them.
      sys.setTimeout = (callback, ...rest) =>
        callback.name === "updateProgramWithWatchStatus"
          ? setTimeout!.call(sys, callback, ...rest)
          : undefined;
      return createHost([...roots, globals], options, sys, ...rest);
    },
    // Errors of writing declarations (TS4000-4999) are about how types are passed on, not about the user's code.
    getPreEmitDiagnosticsOfFiles: (...args: unknown[]) =>
      checks ? diagnose(...args).filter((d: TypeScript.Diagnostic) => d.code < 4000 || d.code > 4999) : [],
    // The converter gives completion an empty host, on which looking for modules fails.
    Completions: {
      ...Completions,
      getCompletionsAtPositionForTslab: (_host: object, ...rest: unknown[]) =>
        Completions.getCompletionsAtPositionForTslab(completionHost(folder), ...rest),
    },
  });
  return {
    ...tslab,
    withoutChecks(convert) {
      checks = false;
      try {
        return convert();
      } finally {
        checks = true;
      }
    },
  };
}

function compilerOptions(folder: string): TypeScript.CompilerOptions {
  // Types of Node.js are found from here, whatever the notebook's folder.
  const nodeTypes = createRequire(require.resolve("tslab/package.json")).resolve("@types/node/package.json");
  return {
    strict: true,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ["lib.es2023.d.ts"],
    types: ["node"],
    typeRoots: [path.dirname(path.dirname(nodeTypes))],
    checkJs: false,
    baseUrl: folder,
    paths: ownPackages(folder),
  };
}

/** What completion asks of the file system, for names of modules. */
function completionHost(folder: string): object {
  return {
    ...ts.sys,
    useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
    getCurrentDirectory: () => folder,
    getCompilationSettings: () => compilerOptions(folder),
  };
}

/**
 * Where to find this package and those that it brings along, when the notebook's folder has none of its own.
 *
 * Each by the file of its types, and its other files by theirs, relative to the notebook's folder: only so does TypeScript
 * know that a type in there can be named through the package when it passes on a cell's declarations to later ones.
 * Otherwise it refuses types of a package in another `node_modules`, as with a global installation (TS2742).
 */
function ownPackages(folder: string): Record<string, string[]> {
  const root = packageRoot();
  const fromNotebook = createRequire(path.join(folder, "cell.js"));
  const paths: Record<string, string[]> = {};
  const manifest = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
  for (const name of ["loralab", ...Object.keys(manifest.dependencies)]) {
    if (fromNotebook.resolve.paths(name)?.some((modules) => fs.existsSync(path.join(modules, name))))
      continue;
    const places =
      name === "loralab"
        ? [root]
        : createRequire(path.join(root, "cell.js"))
            .resolve.paths(name)!
            .map((m) => path.join(m, name));
    const found = places.find((place) => fs.existsSync(place));
    if (!found) continue;
    const relative = (file: string) => path.relative(folder, file).split(path.sep).join("/");
    paths[name] = [relative(typesOf(found))];
    paths[`${name}/*`] = [`${relative(found)}/*`];
  }
  return paths;
}

/** The file of a package's types without its ending; the package's folder when it has none. */
function typesOf(folder: string): string {
  const {
    types,
    typings,
    main = "index.js",
  } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
  const file = path.join(folder, types ?? typings ?? main.replace(/(\.js)?$/, ".d.ts"));
  return fs.existsSync(file) ? file.replace(/\.d\.ts$/, "") : folder;
}

function convert(converter: Converter, declarations: string, text: string): ConvertResult {
  try {
    return converter.convert(declarations, text);
  } catch (error) {
    // The converter can emit only local modules below the notebook's folder.
    const outside = /unexpected emit path: (.*)/.exec((error as Error).message);
    if (!outside) throw error;
    const message = `a notebook can import TypeScript files of its own folder only, not ${outside[1]}`;
    const start = { offset: 0, line: 0, character: 0 };
    return { diagnostics: [{ start, end: start, messageText: message, category: 1, code: 6059 }] };
  }
}

type ConverterDiagnostic = ConvertResult["diagnostics"][number];

function located(d: ConverterDiagnostic, source: string, toSource: (offset: number) => number): Diagnostic {
  if (d.fileName) {
    const { line, character } = d.start;
    return {
      message: d.messageText,
      code: d.code,
      line: line + 1,
      column: character + 1,
      length: 1,
      file: d.fileName,
    };
  }
  const hint = /^Cannot find module 'loralab'/.test(d.messageText) ? buildHint() : undefined;
  return place(source, toSource(d.start.offset), toSource(d.end.offset), hint ?? d.messageText, d.code);
}

function place(source: string, start: number, end: number, message: string, code: number): Diagnostic {
  const from = Math.min(start, source.length);
  const lineStart = source.lastIndexOf("\n", from - 1) + 1;
  const lineEnd = source.indexOf("\n", from) < 0 ? source.length : source.indexOf("\n", from);
  const line = source.slice(0, from).split("\n").length;
  return {
    message,
    code,
    line,
    column: from - lineStart + 1,
    length: Math.max(1, Math.min(end, lineEnd) - from),
  };
}

function syntaxErrors(source: string): Diagnostic[] {
  return syntaxErrorsOf(source).map((e) => place(source, e.start, e.start + e.length, e.text, e.code));
}
