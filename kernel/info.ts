/** The kernel's answer to "who are you". */
import { readFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "./entry";
import { type Exchanges, PROTOCOL_VERSION } from "./protocol/messages";

export function kernelInfo(): Exchanges["kernel_info_request"]["reply"] {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8"));
  return {
    status: "ok",
    protocol_version: PROTOCOL_VERSION,
    implementation: "loralab",
    implementation_version: version,
    language_info: {
      name: "typescript",
      version: "5.0", // tslab's
      mimetype: "text/typescript",
      file_extension: ".ts",
      pygments_lexer: "typescript",
      // JupyterLab looks for a mode of this name: with "javascript" it does not colour types.
      codemirror_mode: { name: "typescript" },
      nbconverter_exporter: "script",
    },
    banner: `loralab ${version}: TypeScript on Node.js ${process.versions.node}`,
    help_links: [
      { text: "TypeScript handbook", url: "https://www.typescriptlang.org/docs/handbook/intro.html" },
      { text: "TensorFlow.js API", url: "https://js.tensorflow.org/api/latest/" },
      { text: "Danfo.js documentation", url: "https://danfo.jsdata.org/" },
    ],
    supported_features: [],
  };
}
