/**
 * All that the server answers, in one table: Jupyter's REST API as JupyterLab uses it, and the lab's own endpoints.
 *
 * `:path` stands for a contents path, which has slashes; a handler gets it decoded. WebSockets are in `websocket.ts`.
 */
import { Hono } from "hono";
import { HttpError } from "./errors";
import { fileIn, sendFile } from "./files";
import { kernelspec, kernelspecs, OWN_KERNEL, specModel } from "./kernels/specs";
import type { Lab } from "./lab";
import { attachment, content, contentsPath, done, json, made, name, pathOf, wantedContent } from "./request";
import { secure } from "./secure";

const PATH = ":path{[^]*}";

export function routes(lab: Lab): Hono {
  const { contents, kernels, sessions, settings, workspaces, tutorials, events } = lab;
  const { checkpoints } = contents;
  const app = new Hono();
  secure(app, lab.access);
  app.use(async (c, next) => {
    if (c.req.method !== "GET") lab.touch();
    await next();
  });

  // The app
  app.get("/", (c) => c.redirect(lab.firstPage));
  for (const workspace of ["", "/workspaces/:workspace"])
    for (const tree of ["", `/tree/${PATH}`])
      app.get(`/lab${workspace}${tree}`, async (c) => {
        const { html, status } = await lab.page(c.req.param("workspace"), pathOf(c));
        return c.html(html, status);
      });
  app.get(`/static/${PATH}`, (c) => sendFile(c, fileIn(lab.bundle("static"), pathOf(c)), pathOf(c)));
  app.get(`/lab/api/themes/${PATH}`, (c) => sendFile(c, fileIn(lab.bundle("themes"), pathOf(c)), pathOf(c)));
  app.get("/lab/api/settings", async (c) =>
    c.json({ settings: await (c.req.query("ids_only") === "true" ? settings.ids() : settings.list()) }),
  );
  app.get("/lab/api/settings/:id{.+}", async (c) => c.json(await settings.get(name(c, "id"))));
  app.put("/lab/api/settings/:id{.+}", async (c) =>
    done(c, settings.save(name(c, "id"), (await json(c)).raw)),
  );
  app.get("/lab/api/workspaces", async (c) => c.json({ workspaces: await workspaces.list() }));
  app.get("/lab/api/workspaces/:id{.+}", async (c) => c.json(await workspaces.get(name(c, "id"))));
  app.put("/lab/api/workspaces/:id{.+}", async (c) => done(c, workspaces.save(name(c, "id"), await json(c))));
  app.delete("/lab/api/workspaces/:id{.+}", (c) => done(c, workspaces.delete(name(c, "id"))));
  app.get("/lab/api/translations", (c) => c.json({ data: LANGUAGES, message: "" }));
  app.get("/lab/api/translations/:locale", (c) => c.json({ data: {}, message: "" }));

  // The lab's own (api-types.ts)
  app.get("/lab/api/outputs", (c) => c.json(lab.outputsOf(contentsPath(c.req.query("path") ?? ""))));
  app.get("/lab/api/machine", async (c) => c.json(await lab.machine()));
  app.get("/lab/api/tutorials", async (c) => c.json(await tutorials.list()));
  app.post("/lab/api/tutorials/:name/open", async (c) => {
    const { isNew, ...opened } = await tutorials.open(name(c, "name"));
    return c.json(opened, isNew ? 201 : 200);
  });
  app.post("/lab/api/tutorials/:name/reset", async (c) => c.json(await tutorials.reset(name(c, "name"))));

  // Files
  app.get(`/api/contents/${PATH}/checkpoints`, async (c) => c.json(await checkpoints.list(pathOf(c))));
  app.post(`/api/contents/${PATH}/checkpoints`, async (c) =>
    c.json(await checkpoints.create(pathOf(c)), 201),
  );
  app.post(`/api/contents/${PATH}/checkpoints/:id`, (c) =>
    done(c, checkpoints.restore(pathOf(c), name(c, "id"))),
  );
  app.delete(`/api/contents/${PATH}/checkpoints/:id`, (c) =>
    done(c, checkpoints.delete(pathOf(c), name(c, "id"))),
  );
  for (const url of ["/api/contents", `/api/contents/${PATH}`]) {
    app.get(url, async (c) => content(c, await contents.get(pathOf(c), wantedContent(c))));
    app.post(url, async (c) => made(c, lab.base, await contents.create(pathOf(c), await json(c))));
    app.put(url, async (c) => {
      const { isNew, ...model } = await contents.save(pathOf(c), await json(c));
      return isNew ? made(c, lab.base, model) : c.json(model);
    });
    app.patch(url, async (c) => {
      const { path } = await json<{ path?: unknown }>(c);
      if (typeof path !== "string") throw new HttpError(400, 'expected the new path as "path"');
      return c.json(await contents.rename(pathOf(c), contentsPath(path)));
    });
    app.delete(url, (c) => done(c, contents.delete(pathOf(c))));
  }
  app.get(`/files/${PATH}`, async (c) => {
    const download = c.req.query("download") === undefined ? {} : attachment(pathOf(c));
    return sendFile(c, await contents.file(pathOf(c)), pathOf(c), { ...UNTRUSTED, ...download });
  });

  app.get("/api/nbconvert", (c) => c.json(EXPORTS));
  app.get(`/nbconvert/:format/${PATH}`, async (c) => {
    const { text, mimetype, filename } = await lab.export(name(c, "format"), pathOf(c));
    const download = c.req.query("download") === "true" ? attachment(filename) : {};
    return c.body(text, 200, { ...UNTRUSTED, "Content-Type": mimetype, ...download });
  });

  // Kernels
  app.get("/api/kernelspecs", (c) => {
    const specs = [...kernelspecs().values()].map((spec) => [spec.name, specModel(spec, lab.base)]);
    return c.json({ default: OWN_KERNEL, kernelspecs: Object.fromEntries(specs) });
  });
  app.get("/api/kernelspecs/:name", (c) => c.json(specModel(kernelspec(name(c, "name")), lab.base)));
  app.get("/kernelspecs/:name/:file", (c) => {
    const { folder } = kernelspec(name(c, "name"));
    return sendFile(c, fileIn(folder, name(c, "file")), name(c, "file"));
  });
  app.get("/api/kernels", (c) => c.json(kernels.list().map(({ model }) => model)));
  app.post("/api/kernels", async (c) => {
    const { name, path = "" } = await json<{ name?: string; path?: string }>(c, {});
    const { model } = await kernels.start(name, await lab.kernelFolder(contentsPath(path)));
    return c.json(model, 201, { Location: `${lab.base}api/kernels/${model.id}` });
  });
  app.get("/api/kernels/:id", (c) => c.json(kernels.get(name(c, "id")).model));
  app.delete("/api/kernels/:id", (c) => done(c, kernels.shutdown(name(c, "id"))));
  app.post("/api/kernels/:id/interrupt", (c) => done(c, kernels.get(name(c, "id")).interrupt()));
  app.post("/api/kernels/:id/restart", async (c) => {
    const kernel = kernels.get(name(c, "id"));
    await kernel.restart();
    return c.json(kernel.model);
  });
  app.get("/api/sessions", (c) => c.json(sessions.list()));
  app.post("/api/sessions", async (c) => {
    const model = await sessions.create(await json(c));
    return c.json(model, 201, { Location: `${lab.base}api/sessions/${model.id}` });
  });
  app.get("/api/sessions/:id", (c) => c.json(sessions.get(name(c, "id"))));
  app.patch("/api/sessions/:id", async (c) => c.json(await sessions.change(name(c, "id"), await json(c))));
  app.delete("/api/sessions/:id", (c) => done(c, sessions.delete(name(c, "id"))));

  // The server itself
  app.get("/api", (c) => c.json({ version: lab.version }));
  app.get("/api/status", (c) => c.json(lab.status()));
  app.get("/api/me", (c) => c.json(ME));
  app.post("/api/events", async (c) => done(c, events.emit(await json(c))));
  app.get("/api/terminals", (c) => c.json([]));
  return app;
}

const LANGUAGES = { en: { displayName: "English", nativeName: "English" } };

const EXPORTS = { html: { output_mimetype: "text/html" }, script: { output_mimetype: "text/plain" } };

/** There is one user, who owns the server. */
const ME = {
  identity: {
    username: "loralab",
    name: "You",
    display_name: "You",
    initials: null,
    avatar_url: null,
    color: null,
  },
  permissions: {},
};

/** For files that may come from elsewhere: their scripts run as a site of their own, which has no cookie of ours. */
const UNTRUSTED = { "Content-Security-Policy": "sandbox allow-scripts" };
