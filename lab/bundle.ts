/**
 * The front end as files, `dist/lab/ui`: where it is, whether it is that of the sources beside it, and how it is made.
 * The published package ships it; a clone builds it at the first start and again when `lab/ui` has changed.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { packageRoot } from "../kernel/entry";

/** What the bundle is made from; the published package is without it. */
const sources = () => path.join(packageRoot(), "lab", "ui");
/** What it takes from the library: how a figure's data become a table. */
const figureData = () => path.join(packageRoot(), "src", "display", "figure-data.ts");
/** The file in the bundle that holds the hash of its sources. */
const STAMP = "stamp";

/** @returns the folder of the bundle: `index.html`, `static/`, `themes/`, `schemas.json` */
export const bundleFolder = (): string => path.join(packageRoot(), "dist", "lab", "ui");

/** @returns "current", or why it must be built: "missing", or "stale" when it was made from other sources than there are */
export function bundleState(folder = bundleFolder()): "current" | "missing" | "stale" {
  const stamp = path.join(folder, STAMP);
  if (!fs.existsSync(stamp)) return "missing";
  if (!fs.existsSync(path.join(sources(), "build.ts"))) return "current";
  return fs.readFileSync(stamp, "utf8") === sourcesHash() ? "current" : "stale";
}

/**
 * Makes the bundle when it is missing or stale: installs JupyterLab's packages (0.5 GB, in `lab/ui/node_modules`) where
 * they are not, then bundles them.
 *
 * @param log is told what is going on and how long it takes
 * @throws when npm or the build fails, with what to do
 */
export async function ensureBundle(log: (line: string) => void): Promise<void> {
  const state = bundleState();
  if (state === "current") return;
  if (!fs.existsSync(path.join(sources(), "build.ts")))
    throw new Error(`the front end is missing from ${bundleFolder()}: install loralab again`);
  log(
    state === "missing"
      ? "The front end is built once, in about a minute."
      : "The front end's sources changed; building it anew.",
  );
  await installPackages(log);
  await run(
    process.execPath,
    [require.resolve("tsx/cli"), path.join(sources(), "build.ts")],
    "the build failed",
  );
}

/** `npm ci` in `lab/ui`, unless what is there was installed from this very lockfile. */
async function installPackages(log: (line: string) => void): Promise<void> {
  const lockfile = fs.readFileSync(path.join(sources(), "package-lock.json"));
  const installed = path.join(sources(), "node_modules", ".loralab-lockfile");
  if (fs.existsSync(installed) && fs.readFileSync(installed).equals(lockfile)) return;
  log("installing JupyterLab's packages from the npm registry …");
  const started = Date.now();
  const npm = process.env.npm_execpath;
  const flags = [
    "ci",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    "--prefix",
    sources(),
  ];
  const failure = "JupyterLab's packages could not be installed: is the npm registry reachable?";
  if (npm?.endsWith(".js")) await run(process.execPath, [npm, ...flags], failure);
  else await run("npm", flags, failure, process.platform === "win32");
  fs.writeFileSync(installed, lockfile);
  log(`installed in ${Math.round((Date.now() - started) / 1000)} s`);
}

function run(command: string, args: string[], failure: string, shell = false): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["ignore", "inherit", "inherit"],
      shell,
      cwd: packageRoot(),
    });
    child.on("error", reject);
    child.on("exit", (code, signal) =>
      code === 0
        ? resolve()
        : reject(new Error(`${failure} (${signal ?? `status ${code}`}; its messages are above)`)),
    );
  });
}

/** Marks a bundle as made from the sources there are now. */
export function stampBundle(folder: string): void {
  fs.writeFileSync(path.join(folder, STAMP), sourcesHash());
}

/** Hash over all files that the bundle is made from, in hexadecimal. */
function sourcesHash(): string {
  const hash = createHash("sha256");
  for (const file of [...filesUnder(sources()), figureData()])
    hash.update(path.relative(sources(), file)).update(fs.readFileSync(file));
  return hash.digest("hex");
}

function filesUnder(folder: string): string[] {
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => name !== "node_modules")
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const file = path.join(folder, entry.name);
      return entry.isDirectory() ? filesUnder(file) : [file];
    });
}

if (require.main === module)
  ensureBundle(console.log).catch((error) => {
    console.error(`error: ${error.message}`);
    process.exitCode = 1;
  });
