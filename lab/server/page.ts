/** The pages of the app: the Lab itself with its configuration, or what to do when it cannot be shown. */
import fs from "node:fs/promises";
import path from "node:path";

export interface PageOptions {
  /** The bundle. */
  ui: string;
  /** The folder that the user works in. */
  root: string;
  version: string;
  /** The base URL: all others begin with it. */
  base: string;
  /** The pages of the hub that the server belongs to, and whose server it is. */
  hub?: { pages: string; user: string };
}

/** The Lab's page for a workspace, with a file to open; undefined while there is no bundle. */
export async function labPage(
  { ui, root, version, base, hub }: PageOptions,
  { workspace = "default", treePath = "" }: { workspace?: string; treePath?: string },
): Promise<string | undefined> {
  const template = await fs.readFile(path.join(ui, "index.html"), "utf8").catch(() => undefined);
  const config = {
    appName: "loralab",
    appNamespace: "lab",
    appVersion: version,
    baseUrl: base,
    wsUrl: "",
    // The cookie is the key: a token here could be read by any script.
    token: "",
    appUrl: "/lab",
    treeUrl: "/lab/tree",
    workspacesUrl: "/lab/workspaces",
    fullAppUrl: `${base}lab`,
    fullTreeUrl: `${base}lab/tree`,
    fullWorkspacesUrl: `${base}lab/workspaces`,
    fullStaticUrl: `${base}static`,
    settingsUrl: "/lab/api/settings",
    fullSettingsUrl: `${base}lab/api/settings`,
    themesUrl: "/lab/api/themes",
    fullThemesUrl: `${base}lab/api/themes`,
    workspacesApiUrl: "/lab/api/workspaces",
    fullWorkspacesApiUrl: `${base}lab/api/workspaces`,
    translationsApiUrl: "/lab/api/translations",
    fullTranslationsApiUrl: `${base}lab/api/translations`,
    serverRoot: root,
    preferredPath: "/",
    rootUri: "",
    frontendUrl: "/lab",
    defaultKernelName: "loralab",
    cacheFiles: true,
    devMode: false,
    mode: "multiple-document",
    terminalsAvailable: false,
    // Tests drive the app as `window.jupyterapp`.
    exposeAppInBrowser: process.env.LORALAB_EXPOSE_APP === "1",
    workspace,
    treePath,
    federated_extensions: [],
    disabledExtensions: [],
    ...(hub && { hubPages: hub.pages, hubUser: hub.user }),
  };
  // No "<" in it: it stands in a script element.
  return template
    ?.replaceAll("{{base}}", base)
    .replace('"{{config}}"', () => JSON.stringify(config).replaceAll("<", "\\u003c"));
}

/** For a browser that has no cookie yet. */
export const loginPage = (base: string): string =>
  page(
    "This lab needs its token",
    `<p>Open the whole address that <code>loralab</code> printed when it started; it ends with the token.
   Or paste the token here:</p>
   <form action="${base}lab"><input name="token" autocomplete="off" autofocus size="56" aria-label="token">
   <button>Open the lab</button></form>`,
  );

/** For one whom the hub knows, and who may not come in. @param why a clause, from a small letter on */
export const refusalPage = (why: string, hub: string): string =>
  page(
    "No entry",
    `<p>${escapeHtml(why.replace(/^./, (first) => first.toUpperCase()))}.</p><p><a href="${hub}home">To the hub</a></p>`,
  );

export const NOT_BUILT_PAGE = page(
  "The front end is not built yet",
  `<p><code>npm start</code> builds it; or, while the server runs: <code>npm run build:lab</code>. Then reload this page.</p>`,
);

const escapeHtml = (text: string) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>loralab: ${title}</title>
<meta name="viewport" content="width=device-width">
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:10vh auto;padding:0 1em;color-scheme:light dark}</style>
<h1>${title}</h1>${body}</html>`;
}
