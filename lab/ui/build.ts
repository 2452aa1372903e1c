/**
 * Bundles JupyterLab's packages and our plugins into `dist/lab/ui`, which the server serves:
 *
 * - `index.html`   the page, with `"{{config}}"` (with the quotes) where the server puts JupyterLab's page configuration (JSON),
 *                  and `{{base}}` where it puts the base URL
 * - `static/`      scripts, styles, fonts; every name but those the page asks for carries a hash of the content
 * - `themes/`      one folder per theme package, as the theme manager asks for them
 * - `schemas.json` `{ [pluginId]: { schema, version } }`, the settings that each plugin has, with our own defaults
 * - `stamp`        a hash of everything that went in; another one means that the bundle is stale
 *
 * What is an extension, where its schemas and its theme are: each package's own `package.json` says it (`jupyterlab`).
 */
import fs from "node:fs";
import path from "node:path";
import { type Configuration, rspack, type Stats } from "@rspack/core";
import { bundleFolder, stampBundle } from "../bundle";
import defaults from "./defaults.json";

const UI = __dirname;
const MODULES = path.join(UI, "node_modules");
const REPOSITORY = path.join(UI, "../..");

interface Package {
  name: string;
  version: string;
  styleModule?: string;
  jupyterlab?: {
    extension?: boolean | string;
    mimeExtension?: boolean | string;
    schemaDir?: string;
    themePath?: string;
  };
}

const readJson = (file: string) => JSON.parse(fs.readFileSync(file, "utf8"));

/** The JupyterLab extensions among our dependencies. */
function extensionPackages(): Package[] {
  const { dependencies } = readJson(path.join(UI, "package.json"));
  return Object.keys(dependencies)
    .map((name): Package => readJson(path.join(MODULES, name, "package.json")))
    .filter((pkg) => pkg.jupyterlab?.extension || pkg.jupyterlab?.mimeExtension);
}

/** A module that imports all extensions with their styles: `extensions` holds plugins, `mimeExtensions` renderers. */
function extensionsModule(packages: Package[]): string {
  const request = (pkg: Package, entry: boolean | string) =>
    JSON.stringify(entry === true ? pkg.name : `${pkg.name}/${entry}`);
  const styles = packages.filter((pkg) => pkg.styleModule);
  const plugins = packages.filter((pkg) => pkg.jupyterlab?.extension);
  const renderers = packages.filter((pkg) => pkg.jupyterlab?.mimeExtension);
  return [
    ...styles.map((pkg) => `import ${JSON.stringify(`${pkg.name}/${pkg.styleModule}`)};`),
    ...plugins.map((pkg, i) => `import plugin${i} from ${request(pkg, pkg.jupyterlab!.extension!)};`),
    ...renderers.map((pkg, i) => `import mime${i} from ${request(pkg, pkg.jupyterlab!.mimeExtension!)};`),
    `export const extensions = [${plugins.map((_, i) => `plugin${i}`)}].flat();`,
    `export const mimeExtensions = [${renderers.map((_, i) => `mime${i}`)}].flat();`,
  ].join("\n");
}

/** What bundling needs to know of JupyterLab: a few Node modules it only names, and icons that it imports as text. */
const common: Configuration = {
  mode: "production",
  context: UI,
  devtool: false,
  target: ["web", "es2022"],
  node: { global: true },
  performance: { hints: false },
  resolve: {
    extensions: [".ts", ".tsx", ".js", ".mjs", ".json"],
    modules: [MODULES, "node_modules"],
    alias: { "lib0/logging$": path.join(UI, "src/yjs-log.js") },
    fallback: { path: path.join(MODULES, "path-browserify"), url: false, crypto: false, buffer: false },
    fullySpecified: false,
  },
  module: {
    rules: [
      {
        test: /\.tsx?$/,
        loader: "builtin:swc-loader",
        options: {
          jsc: {
            parser: { syntax: "typescript", tsx: true },
            transform: { react: { runtime: "automatic" } },
            target: "es2022",
          },
        },
        type: "javascript/auto",
      },
      { test: /\.m?js$/, resolve: { fullySpecified: false } },
      { test: /\.raw\.css$/, type: "asset/source" },
      { test: /(?<!\.raw)\.css$/, type: "css" },
      { test: /\.svg$/, issuer: /\.css$/, type: "asset/inline" },
      { test: /\.svg$/, issuer: /\.[jt]sx?$/, type: "asset/source" },
      { test: /\.(png|jpg|gif|woff2?|ttf|eot)$/, type: "asset/resource" },
      // FontAwesome's fonts in the formats of older browsers than JupyterLab runs in.
      { test: /fontawesome.*\.(svg|eot|ttf|woff)$/, type: "asset/resource", generator: { emit: false } },
      { test: /\.(md|txt|raw)$/, type: "asset/source" },
    ],
  },
};

function labConfiguration(packages: Package[], out: string): Configuration {
  return {
    ...common,
    name: "lab",
    entry: { lab: path.join(UI, "src/index.ts") },
    output: {
      path: path.join(out, "static"),
      publicPath: "auto",
      filename: "[name].js",
      chunkFilename: "[name].[contenthash:12].js",
      cssFilename: "[name].css",
      cssChunkFilename: "[name].[contenthash:12].css",
      assetModuleFilename: "[name].[hash:12][ext]",
    },
    plugins: [
      new rspack.experiments.VirtualModulesPlugin({
        [path.join(UI, "src/extensions.js")]: extensionsModule(packages),
      }),
      new rspack.DefinePlugin({ "process.env": "{}", "process.platform": JSON.stringify("browser") }),
    ],
  };
}

/** Each theme is a style sheet of its own, loaded when it is chosen. */
function themesConfiguration(packages: Package[], out: string): Configuration {
  const themes = packages.filter((pkg) => pkg.jupyterlab?.themePath);
  return {
    ...common,
    name: "themes",
    entry: Object.fromEntries(
      themes.map((pkg) => [`${pkg.name}/index`, path.join(MODULES, pkg.name, pkg.jupyterlab!.themePath!)]),
    ),
    output: {
      path: path.join(out, "themes"),
      publicPath: "auto",
      filename: "[name].js",
      cssFilename: "[name].css",
    },
  };
}

/** All settings schemas, with the defaults of `defaults.json` in place of JupyterLab's. */
function schemas(packages: Package[]): Record<string, { schema: any; version: string }> {
  const all: Record<string, { schema: any; version: string }> = {};
  const ours = {
    name: "loralab",
    version: readJson(path.join(REPOSITORY, "package.json")).version,
    folder: path.join(UI, "schema"),
  };
  const theirs = packages.flatMap(({ name, version, jupyterlab }) =>
    jupyterlab?.schemaDir ? [{ name, version, folder: path.join(MODULES, name, jupyterlab.schemaDir) }] : [],
  );
  for (const { name, version, folder } of [ours, ...theirs]) {
    for (const file of fs.readdirSync(folder).filter((f) => f.endsWith(".json")))
      all[`${name}:${path.basename(file, ".json")}`] = { schema: readJson(path.join(folder, file)), version };
  }
  for (const [id, settings] of Object.entries(defaults))
    for (const [key, value] of Object.entries(settings)) {
      const property = all[id]?.schema.properties?.[key];
      if (!property) throw new Error(`defaults.json sets "${key}" of ${id}, which has no such setting`);
      property.default = value;
    }
  return all;
}

async function bundle(configurations: Configuration[]): Promise<void> {
  const compiler = rspack(configurations);
  const stats = await new Promise<{ stats: Stats[]; hasErrors(): boolean; toString(o: any): string }>(
    (resolve, reject) =>
      compiler.run((error, result) =>
        error ? reject(error) : resolve(result as unknown as Parameters<typeof resolve>[0]),
      ),
  );
  await new Promise<void>((resolve, reject) =>
    compiler.close((error) => (error ? reject(error) : resolve())),
  );
  if (stats.hasErrors())
    throw new Error(stats.toString({ all: false, errors: true, errorDetails: true, colors: false }));
}

/** Builds beside the old bundle and swaps when whole, so that a build that fails leaves a Lab that works. */
async function main(): Promise<void> {
  if (!fs.existsSync(MODULES))
    throw new Error("lab/ui/node_modules is missing: `npm start` and `npm run build:lab` install it");
  const started = Date.now();
  const packages = extensionPackages();
  const out = bundleFolder();
  const next = `${out}.${process.pid}`;
  console.log(`bundling JupyterLab (${packages.length} extensions) …`);
  try {
    fs.mkdirSync(next, { recursive: true });
    stampBundle(next);
    await bundle([labConfiguration(packages, next), themesConfiguration(packages, next)]);
    fs.writeFileSync(path.join(next, "schemas.json"), JSON.stringify(schemas(packages)));
    fs.copyFileSync(path.join(UI, "src/index.html"), path.join(next, "index.html"));
    fs.copyFileSync(
      path.join(REPOSITORY, "kernel/assets/logo-svg.svg"),
      path.join(next, "static/favicon.svg"),
    );
    fs.rmSync(out, { recursive: true, force: true });
    fs.renameSync(next, out);
  } finally {
    fs.rmSync(next, { recursive: true, force: true });
  }
  console.log(
    `bundled in ${((Date.now() - started) / 1000).toFixed(0)} s: ${path.relative(process.cwd(), out)}`,
  );
}

main().catch((error) => {
  console.error(`error: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
});
