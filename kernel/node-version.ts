/**
 * Ends the process with a clear message on a Node.js that is too old. Programs of this package import it first, because
 * on such a Node.js the rest may not even load.
 */
import path from "node:path";
import { packageRoot } from "./entry";

/**
 * Why a version of Node.js will not do, or undefined.
 *
 * @param running as in `process.versions.node`
 * @param required the range in package.json, of the form `>=20.19`
 */
export function versionProblem(running: string, required: string): string | undefined {
  const numbers = (version: string) =>
    version
      .replace(/^[^0-9]+/, "")
      .split(".")
      .map(Number);
  const [have, need] = [numbers(running), numbers(required)];
  const differing = need.findIndex((number, i) => number !== have[i]);
  if (differing < 0 || have[differing]! > need[differing]!) return undefined;
  return (
    `loralab needs Node.js ${need.join(".")} or newer, and this is ${running} (${process.execPath}). ` +
    "With a newer one, install the package and its kernel again."
  );
}

const { engines } = require(path.join(packageRoot(), "package.json"));
const problem = versionProblem(process.versions.node, engines.node);
if (problem) {
  console.error(`error: ${problem}`);
  process.exit(1);
}
