/** A lab server in a process of its own, to be killed: with a kernel, or saving a notebook again and again. */
import { codeCell, notebook, saveNotebook, startTestLab } from "./support";

async function main([what, root]: string[]): Promise<void> {
  const lab = await startTestLab({ root });
  if (what === "kernel") {
    const { body } = await lab.ask("POST", "/api/kernels", {});
    console.log(lab.server.lab.kernels.get(body.id).pid);
    return;
  }
  for (let i = 0; ; i = (i + 1) % 10) {
    await saveNotebook(lab, "a.ipynb", notebook(codeCell("a", String(i).repeat(200_000))));
    if (i === 1) console.log("saving");
  }
}

void main(process.argv.slice(2));
