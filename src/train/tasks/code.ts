/**
 * A domain that the base models have never seen: JavaScript, from the sources of lodash and ramda (both MIT, from npm).
 *
 * The base read prose alone, so code is far from what it knows, and there is much of it to learn: the experiment for
 * "learns less, forgets less". What is learnt is measured as the loss on files kept apart, in nats per token
 * (`evaluateLoss`), what is forgotten on prose.
 */
import fs from "node:fs";
import path from "node:path";
import { random } from "./random";

export interface CodeFile {
  /** Package and file: "lodash/chunk.js". */
  name: string;
  text: string;
}

export interface CodeDomain {
  train: CodeFile[];
  heldOut: CodeFile[];
}

/** Each function is a file of its own, beside the package's entry. */
const PACKAGES = ["lodash", "ramda"];

/** Bundles of the whole of lodash repeat its files; shorter ones are other names for a file: `module.exports = require(…)`. */
const BUNDLE_BYTES = 60_000;
const ALIAS_BYTES = 200;

function sources(packageName: string): CodeFile[] {
  const folder = path.dirname(require.resolve(packageName));
  return fs
    .readdirSync(folder)
    .filter((name) => name.endsWith(".js"))
    .sort()
    .map((name) => ({
      name: `${packageName}/${name}`,
      text: fs.readFileSync(path.join(folder, name), "utf8").trim(),
    }))
    .filter(({ text }) => text.length > ALIAS_BYTES && text.length < BUNDLE_BYTES);
}

/**
 * The source files of lodash and ramda, three quarters of a megabyte, split by file. They are longer than a model's
 * context: cut them with `chunks`.
 *
 * @example
 * const { train, heldOut } = codeDomain();
 * const data = train.flatMap(({ text }) => chunks(base.tokenizer, text, 128));
 *
 * @param options.seed which files are held out, and the order of the others
 * @param options.heldOut the fraction of files held out, above 0 and below 1
 * @throws RangeError when a side would be empty
 */
export function codeDomain({ seed = 0, heldOut = 0.1 } = {}): CodeDomain {
  const files = random(seed).shuffle(PACKAGES.flatMap(sources));
  const count = Math.round(heldOut * files.length);
  if (!(count >= 1 && count < files.length))
    throw new RangeError(
      `codeDomain: "heldOut" must be a fraction of the ${files.length} files, above 0 and below 1, got ${heldOut}`,
    );
  return { train: files.slice(count), heldOut: files.slice(0, count) };
}
