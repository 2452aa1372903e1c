/** JupyterLab's own client library against our server. */
import assert from "node:assert/strict";
import {
  ContentsManager,
  Drive,
  KernelManager,
  KernelSpecManager,
  ServerConnection,
  SessionManager,
  SettingManager,
  WorkspaceManager,
} from "@jupyterlab/services";
import { codeCell, notebook, TOKEN, until, useLab } from "./support";

describe("lab: JupyterLab's client library", () => {
  const lab = useLab();
  let serverSettings: ServerConnection.ISettings;
  before(() => {
    serverSettings = ServerConnection.makeSettings({
      baseUrl: `${lab.origin}/`,
      wsUrl: `${lab.origin.replace("http", "ws")}/`,
      appUrl: "/lab",
      token: TOKEN,
      appendToken: true,
    });
  });

  it("creates, saves, renames, copies, lists and deletes files", async () => {
    const contents = new ContentsManager({ defaultDrive: new Drive({ serverSettings }), serverSettings });
    const created = await contents.newUntitled({ type: "notebook" });
    assert.equal(created.path, "Untitled.ipynb");
    const content = notebook(codeCell("a", "1 + 1"));
    await contents.save("Untitled.ipynb", { type: "notebook", format: "json", content });
    const saved = await contents.get("Untitled.ipynb");
    assert.equal(saved.content.cells[0].source, "1 + 1");
    await contents.rename("Untitled.ipynb", "ä b.ipynb");
    const copy = await contents.copy("ä b.ipynb", "");
    assert.equal(copy.path, "ä b-Copy1.ipynb");
    const folder = await contents.get("", { content: true });
    assert.deepEqual(folder.content.map((file: { name: string }) => file.name).sort(), [
      "ä b-Copy1.ipynb",
      "ä b.ipynb",
    ]);
    const checkpoint = await contents.createCheckpoint("ä b.ipynb");
    assert.deepEqual(
      (await contents.listCheckpoints("ä b.ipynb")).map(({ id }) => id),
      [checkpoint.id],
    );
    await contents.save("ä b.ipynb", { type: "notebook", format: "json", content: notebook() });
    await contents.restoreCheckpoint("ä b.ipynb", checkpoint.id);
    assert.equal((await contents.get("ä b.ipynb")).content.cells.length, 1);
    await contents.deleteCheckpoint("ä b.ipynb", checkpoint.id);
    await contents.delete("ä b.ipynb");
    await assert.rejects(contents.get("ä b.ipynb"), /cannot open ä b.ipynb: no such file or folder/);
    contents.dispose();
  });

  it("offers the kernel, and settings and workspaces", async () => {
    const specs = new KernelSpecManager({ serverSettings });
    await specs.ready;
    assert.equal(specs.specs!.default, "loralab");
    assert.equal(specs.specs!.kernelspecs.loralab!.language, "typescript");
    specs.dispose();
    const settings = new SettingManager({ serverSettings });
    await settings.save("@test/plugin:settings", '{ "a": 1 } // mine');
    assert.deepEqual((await settings.fetch("@test/plugin:settings"))!.raw, '{ "a": 1 } // mine');
    assert.deepEqual((await settings.list("ids")).ids, ["@test/plugin:settings"]);
    const workspaces = new WorkspaceManager({ serverSettings });
    await workspaces.save("default", { data: { "layout-restorer:data": {} }, metadata: { id: "default" } });
    assert.deepEqual((await workspaces.list()).ids, ["default"]);
    await workspaces.remove("default");
    assert.deepEqual((await workspaces.fetch("default")).data, {});
  });

  it("runs, interrupts, restarts and shuts down a kernel", async () => {
    const kernelManager = new KernelManager({ serverSettings });
    const sessions = new SessionManager({ kernelManager, serverSettings });
    const session = await sessions.startNew({
      path: "a.ipynb",
      name: "a",
      type: "notebook",
      kernel: { name: "loralab" },
    });
    const kernel = session.kernel!;
    const output = async (code: string) => {
      const texts: string[] = [];
      const future = kernel.requestExecute({ code });
      future.onIOPub = ({ header, content }: any) => {
        if (header.msg_type === "stream") texts.push(content.text);
        if (header.msg_type === "execute_result") texts.push(content.data["text/plain"]);
      };
      const reply = await future.done;
      return { text: texts.join(""), status: reply.content.status };
    };
    assert.deepEqual(await output("let x = 41; x + 1"), { text: "42", status: "ok" });

    const endless = output('console.log("on"); while (true) {}');
    await until(() => kernel.status === "busy");
    await kernel.interrupt();
    assert.equal((await endless).status, "error");
    assert.equal((await output("x")).text, "41");

    const states: string[] = [];
    kernel.statusChanged.connect((_, status) => states.push(status));
    await kernel.restart();
    assert.ok(states.includes("restarting"), states.join());
    assert.equal((await output("x")).status, "error", "the variables are gone");
    assert.equal((await output("2 + 2")).text, "4");

    const completion = await kernel.requestComplete({ code: "Math.sq", cursor_pos: 7 });
    assert.ok((completion.content as { matches: string[] }).matches.includes("sqrt"));
    await session.setPath("b.ipynb");
    await sessions.refreshRunning();
    assert.deepEqual(
      [...sessions.running()].map(({ path }) => path),
      ["b.ipynb"],
    );
    await session.shutdown();
    await kernelManager.refreshRunning();
    assert.deepEqual([...kernelManager.running()], []);
    sessions.dispose();
    kernelManager.dispose();
  });
});
