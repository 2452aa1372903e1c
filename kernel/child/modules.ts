/**
 * How cells find modules: as a file in the notebook's folder would, then among the packages that this one brings
 * along, so that a kernel that is installed globally needs no node_modules beside the notebook.
 */
import Module, { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import vm from "node:vm";
import { buildHint, packageRoot } from "../entry";

export interface CellModules {
  /** A static import: the module, or a promise of one that can only be loaded asynchronously. */
  import(specifier: string): unknown;
  /** A dynamic import. */
  load(specifier: string): Promise<unknown>;
  /** What `import.meta` is in a cell. */
  meta: { url: string; dirname: string; filename: string };
  require: NodeJS.Require;
  /** Adds compiled local modules, replacing earlier versions. */
  define(modules: [path: string, code: string][]): void;
}

export function createModules(folder: string): CellModules {
  const self = path.join(folder, "cell.js");
  const fromNotebook = createRequire(self);
  const fromPackage = createRequire(path.join(packageRoot(), "cell.js"));
  const local = new Map<string, { code: string; module?: Module }>();
  const namespaces = new WeakMap<object, object>();

  function resolve(specifier: string): string {
    try {
      return fromNotebook.resolve(specifier);
    } catch (error) {
      const isBare = !specifier.startsWith(".") && !path.isAbsolute(specifier);
      if (!isBare || (error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
      if (specifier !== "loralab") return fromPackage.resolve(specifier);
      const hint = buildHint();
      if (hint) throw new Error(hint);
      return fromPackage.resolve(packageRoot());
    }
  }

  /** The compiled local module that `specifier` means in a file of `from`, if it is one. */
  function localModule(specifier: string, from: string): Module | undefined {
    if (!specifier.startsWith(".") && !path.isAbsolute(specifier)) return undefined;
    const base = path.resolve(from, specifier);
    const candidates = [base, `${base}.js`, base.replace(/\.[cm]?tsx?$/, ".js"), path.join(base, "index.js")];
    const file = candidates.find((candidate) => local.has(candidate));
    if (!file) return undefined;
    const entry = local.get(file)!;
    if (entry.module) return entry.module;
    const module = new Module(file) as Module & { _compile(code: string, file: string): void };
    entry.module = module;
    module.filename = file;
    module.paths = (Module as any)._nodeModulePaths(path.dirname(file));
    const required = module.require.bind(module);
    module.require = ((id: string) =>
      localModule(id, path.dirname(file))?.exports ?? find(id, required)) as any;
    try {
      module._compile(entry.code, file);
    } catch (error) {
      entry.module = undefined;
      throw error;
    }
    return module;
  }

  function find(specifier: string, required: (id: string) => unknown): unknown {
    return /^[./]/.test(specifier) || Module.isBuiltin(specifier)
      ? required(specifier)
      : required(resolve(specifier));
  }

  const cellRequire = Object.assign(
    (id: string) => {
      try {
        return localModule(id, folder)?.exports ?? find(id, fromNotebook);
      } catch (error) {
        throw withoutRequireStack(error);
      }
    },
    {
      resolve: Object.assign(resolve, { paths: fromNotebook.resolve.paths }),
      cache: fromNotebook.cache,
      main: undefined,
      extensions: fromNotebook.extensions,
    },
  ) as NodeJS.Require;

  /** A CommonJS module as an import sees it: its properties and itself as `default`. */
  function namespace(module: unknown): unknown {
    if ((typeof module !== "object" && typeof module !== "function") || module === null)
      return { default: module };
    if ((module as any).__esModule || (module as any)[Symbol.toStringTag] === "Module") return module;
    let made = namespaces.get(module);
    if (!made) {
      made = {};
      for (const key of Object.keys(module))
        Object.defineProperty(made, key, { enumerable: true, get: () => (module as any)[key] });
      Object.defineProperty(made, "default", { enumerable: true, value: module });
      namespaces.set(module, made);
    }
    return made;
  }

  /** Node's own import, as from a file of the notebook's folder. */
  function nativeImport(specifier: string): Promise<unknown> {
    return vm.runInThisContext(`(specifier) => import(specifier)`, {
      filename: self,
      importModuleDynamically: vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    })(specifier);
  }

  function importModule(specifier: string): unknown {
    try {
      return namespace(cellRequire(specifier));
    } catch (error) {
      // These packages offer an ES module alone, or one that awaits while it loads.
      const code = (error as NodeJS.ErrnoException).code ?? "";
      const esm = ["ERR_REQUIRE_ESM", "ERR_REQUIRE_ASYNC_MODULE", "ERR_PACKAGE_PATH_NOT_EXPORTED"];
      if (esm.includes(code)) return nativeImport(specifier);
      throw error;
    }
  }

  return {
    import: importModule,
    load: async (specifier) => importModule(String(specifier)),
    meta: { url: pathToFileURL(self).href, dirname: folder, filename: self },
    require: cellRequire,
    define(modules) {
      for (const [file, code] of modules) local.set(path.normalize(file), { code });
      // A module that imports a changed one has the old one's values: load all of them again.
      if (modules.length) for (const entry of local.values()) entry.module = undefined;
    },
  };
}

/** Node lists who required a missing module; in a cell that is this file, which helps nobody. */
function withoutRequireStack(error: unknown): unknown {
  if (error instanceof Error && (error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND")
    error.message = error.message.replace(/\nRequire stack:[\s\S]*$/, "");
  return error;
}
