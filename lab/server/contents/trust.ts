/**
 * Which notebooks' outputs may run scripts: those that this user's own kernels made.
 *
 * As nbformat does: a notebook whose outputs are all the user's is signed when it is saved, with an HMAC under a key
 * that only the user can read; when it is opened, a notebook with a known signature has its cells marked trusted, any
 * other has them marked untrusted, and JupyterLab then shows no HTML or scripts of theirs until they are run.
 */
import { createHmac, randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { privateFolder } from "../folders";
import { type NotebookContent, sorted } from "./notebook-file";
import { pieces } from "./pieces";

/** nbformat's own limit: the oldest signatures go when there are more. */
const MOST = 65535;

export class Trust {
  private readonly key: string;
  private readonly file: string;
  private readonly signatures: Set<string>;

  /** @param folder where the key and the signatures are kept, for this user alone */
  constructor(folder: string) {
    privateFolder(folder);
    this.file = path.join(folder, "signatures");
    this.key = readOrMakeKey(path.join(folder, "key"));
    this.signatures = new Set(fs.existsSync(this.file) ? fs.readFileSync(this.file, "utf8").split("\n") : []);
    this.signatures.delete("");
  }

  /** Marks the code cells of a notebook that was read, as trusted or not. */
  mark(notebook: NotebookContent): void {
    const trusted = this.signatures.has(this.signature(notebook));
    for (const cell of notebook.cells) if (cell.cell_type === "code") cell.metadata.trusted = trusted;
  }

  /** Signs a notebook that is about to be saved when nothing in it comes from elsewhere. */
  signIfTrusted(notebook: NotebookContent): void {
    if (notebook.cells.every((cell) => cell.cell_type !== "code" || isHarmless(cell))) this.sign(notebook);
  }

  sign(notebook: NotebookContent): void {
    const signature = this.signature(notebook);
    if (this.signatures.has(signature)) return;
    this.signatures.add(signature);
    if (this.signatures.size > MOST) {
      const kept = [...this.signatures].slice(-Math.floor(MOST * 0.75));
      this.signatures.clear();
      for (const one of kept) this.signatures.add(one);
      fs.writeFileSync(this.file, `${kept.join("\n")}\n`, { mode: 0o600 });
    } else fs.appendFileSync(this.file, `${signature}\n`, { mode: 0o600 });
  }

  /** The signature of what the notebook holds, whatever marks it carries. */
  private signature(notebook: NotebookContent): string {
    const cells = notebook.cells.map((cell) => {
      const { trusted: _, ...metadata } = cell.metadata ?? {};
      return { ...cell, metadata };
    });
    const { signature: _, ...metadata } = notebook.metadata ?? {};
    const hmac = createHmac("sha256", this.key);
    for (const piece of pieces(JSON.stringify(sorted({ ...notebook, cells, metadata })))) hmac.update(piece);
    return hmac.digest("hex");
  }
}

/** A cell that is marked as trusted, or whose outputs are plain text that cannot do anything. */
function isHarmless({ metadata, outputs = [] }: NotebookContent["cells"][number]): boolean {
  return (
    metadata?.trusted === true ||
    outputs.every(({ output_type }) => output_type === "stream" || output_type === "error")
  );
}

function readOrMakeKey(file: string): string {
  try {
    fs.writeFileSync(file, randomBytes(64).toString("base64"), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return fs.readFileSync(file, "utf8");
}
