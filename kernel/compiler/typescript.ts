/** tslab's converter and the TypeScript that it is built on. */
import { createRequire } from "node:module";
import type * as TypeScript from "@tslab/typescript-for-tslab";
import type * as Converter from "tslab/dist/converter";

const fromTslab = createRequire(require.resolve("tslab/package.json"));
const typescriptFile = fromTslab.resolve("@tslab/typescript-for-tslab");

/** TypeScript, resolved from tslab itself so that both always use the same one. */
export const ts: typeof TypeScript = fromTslab(typescriptFile);
export type { TypeScript };

/**
 * Loads tslab's converter with some of TypeScript's functions replaced.
 *
 * The converter takes no compiler options, and TypeScript's exports cannot be assigned to: so the converter is given
 * a copy of them when it is loaded.
 */
export function loadConverter(replaced: Record<string, unknown>): typeof Converter {
  const descriptors: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(ts);
  for (const [name, value] of Object.entries(replaced)) descriptors[name] = { value, enumerable: true };
  const loaded = require.cache[typescriptFile]!;
  const original = loaded.exports;
  const converterFile = fromTslab.resolve("./dist/converter");
  loaded.exports = Object.defineProperties({}, descriptors);
  delete require.cache[converterFile];
  try {
    return fromTslab(converterFile);
  } finally {
    loaded.exports = original;
  }
}
