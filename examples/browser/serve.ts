/**
 * Bundles the page and serves it, on this computer alone: `npx tsx examples/browser/serve.ts`. The bundle is an ordinary
 * one; what a page needs beside it is ONNX Runtime's .wasm file and a model's folder.
 */
import path from "node:path";
import { serve } from "@hono/node-server";
import { serveStatic } from "@hono/node-server/serve-static";
import { build } from "esbuild";
import { Hono } from "hono";

const ROOT = path.join(__dirname, "..", "..");
const BUNDLE = path.join(ROOT, ".cache", "example");

/** @param port 0 for any that is free */
export async function startExample(port: number): Promise<{ url: string; stop(): void }> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: [path.join(__dirname, "page.ts")],
    outdir: BUNDLE,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    // In a project of one's own, "loralab" is the package, whose field "browser" does the rest.
    alias: { loralab: path.join(ROOT, "src", "browser.ts") },
  });
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    // A page that shares its process with no other may use threads.
    context.header("Cross-Origin-Opener-Policy", "same-origin");
    context.header("Cross-Origin-Embedder-Policy", "require-corp");
  });
  app.use("/models/*", serveStatic({ root: ROOT }));
  app.get("/models/*", (context) => context.body(null, 204)); // what a model may have and this one has not
  for (const folder of [__dirname, BUNDLE, path.join(ROOT, "node_modules", "onnxruntime-web", "dist")])
    app.use(serveStatic({ root: folder }));
  return new Promise((resolve) => {
    const server = serve({ fetch: app.fetch, port, hostname: "127.0.0.1" }, (address) =>
      resolve({ url: `http://127.0.0.1:${address.port}/`, stop: () => void server.close() }),
    );
  });
}

if (require.main === module)
  void startExample(8100).then(({ url }) => console.log(`${url} (Ctrl-C ends it)`));
