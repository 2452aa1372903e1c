import fs from "node:fs";
import path from "node:path";

/**
 * How to start another entry point of this folder as a process or a thread: the built `.js` as it is, and in a
 * checkout that runs from TypeScript (the tests) with the loader that this process itself uses.
 *
 * @param name path of the module relative to `kernel/`, without its extension
 */
export function entryPoint(name: string): { file: string; execArgv: string[] } {
  const extension = path.extname(__filename);
  const file = path.join(__dirname, name + extension);
  return { file, execArgv: extension === ".ts" ? ["--require", require.resolve("tsx/cjs")] : [] };
}

/** The folder that holds the package's `package.json`, both in a checkout and when installed. */
export function packageRoot(): string {
  let folder = __dirname;
  for (;;) {
    try {
      if (require(path.join(folder, "package.json")).name === "loralab") return folder;
    } catch {
      // no package.json here: look further up
    }
    const parent = path.dirname(folder);
    if (parent === folder) throw new Error(`no package.json of loralab above ${__dirname}`);
    folder = parent;
  }
}

/** What to do about a checkout that is not built, where cells cannot import the package; undefined when they can. */
export function buildHint(): string | undefined {
  const root = packageRoot();
  const { main } = require(path.join(root, "package.json"));
  if (fs.existsSync(path.join(root, main))) return undefined;
  return `this checkout of loralab is not built: run "npm run build" in ${root}, then restart the kernel`;
}
