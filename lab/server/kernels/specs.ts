/** Kernelspecs: which kernels can be started. Our own is always among them; then those that Jupyter would find. */
import fs from "node:fs";
import path from "node:path";
import { ownKernel } from "../../../kernel/client";
import { packageRoot } from "../../../kernel/entry";
import { kernelFolders } from "../../../kernel/install";
import { HttpError } from "../errors";

export interface Kernelspec {
  name: string;
  /** Logos and other files for the front end. */
  folder: string;
  argv: string[];
  display_name: string;
  language: string;
  env: Record<string, string>;
  /** How the kernel is told to stop: by a signal to its process, or by a message. */
  interrupt_mode: "signal" | "message";
  metadata: Record<string, unknown>;
}

export const OWN_KERNEL = "loralab";

/** All kernelspecs by name. A name that is found twice counts where it is found first, as in Jupyter. */
export function kernelspecs(): Map<string, Kernelspec> {
  const specs = new Map([[OWN_KERNEL, ownSpec()]]);
  for (const kernels of kernelFolders()) {
    for (const name of fs.existsSync(kernels) ? fs.readdirSync(kernels).sort() : []) {
      const spec = readSpec(name.toLowerCase(), path.join(kernels, name));
      if (spec && !specs.has(spec.name)) specs.set(spec.name, spec);
    }
  }
  return specs;
}

/** @throws HttpError naming the kernels that there are */
export function kernelspec(name: string): Kernelspec {
  const specs = kernelspecs();
  const spec = specs.get(name);
  if (spec) return spec;
  throw new HttpError(
    404,
    `there is no kernel ${JSON.stringify(name)}; there is ${[...specs.keys()].join(", ")}`,
    "No such kernel",
  );
}

/** A kernelspec as the API gives it. @param base the base URL */
export function specModel({ name, folder, ...spec }: Kernelspec, base: string) {
  const files = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  const resources = files
    .filter((file) => file.startsWith("logo-") || file === "kernel.js" || file === "kernel.css")
    .map((file) => [path.parse(file).name, `${base}kernelspecs/${encodeURIComponent(name)}/${file}`]);
  return { name, spec, resources: Object.fromEntries(resources) };
}

function ownSpec(): Kernelspec {
  return {
    name: OWN_KERNEL,
    folder: path.join(packageRoot(), "kernel", "assets"),
    argv: ownKernel(),
    display_name: "TypeScript (loralab)",
    language: "typescript",
    env: {},
    interrupt_mode: "message",
    metadata: { loralab: true },
  };
}

function readSpec(name: string, folder: string): Kernelspec | undefined {
  try {
    const spec = JSON.parse(fs.readFileSync(path.join(folder, "kernel.json"), "utf8"));
    if (!Array.isArray(spec.argv) || spec.argv.length === 0) return undefined;
    const { argv, display_name = name, language = "", env = {}, metadata = {} } = spec;
    const interrupt_mode = spec.interrupt_mode === "message" ? "message" : "signal";
    return { name, folder, argv, display_name, language, env, interrupt_mode, metadata };
  } catch {
    return undefined; // not a kernelspec, or one that Jupyter could not read either
  }
}
