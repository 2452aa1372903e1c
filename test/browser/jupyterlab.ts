/** A real JupyterLab with this checkout's kernel, from the interpreter that the environment variable PYTHON names. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { installKernelspec } from "../../kernel/install";

/** A server of notebooks. */
export interface Server {
  /** Folder that it serves. */
  readonly folder: string;
  /** Address of the notebook of this name in the folder, with all that the server asks of a visitor. */
  address(notebook: string): string;
  stop(): Promise<void>;
}

/**
 * Starts JupyterLab with nothing of the user's own: settings, kernels and data are in a temporary folder.
 *
 * @throws Error when PYTHON has no JupyterLab with widgets, or with the server's log when it ends
 */
export async function startJupyterLab(): Promise<Server> {
  const python = pythonWithJupyterLab();
  const home = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "loralab-browser-")));
  const at = (name: string) => path.join(home, name);
  installKernelspec("loralab", { kind: "prefix", prefix: at("prefix") });
  fs.mkdirSync(at("notebooks"));
  writeSettings(at("config"));
  const child = spawn(
    python,
    [
      "-m",
      "jupyterlab",
      "--no-browser",
      "--allow-root",
      "--ip=127.0.0.1",
      `--notebook-dir=${at("notebooks")}`,
    ],
    {
      env: {
        ...process.env,
        JUPYTER_CONFIG_DIR: at("config"),
        JUPYTER_DATA_DIR: at("data"),
        JUPYTER_RUNTIME_DIR: at("runtime"),
        JUPYTER_PATH: path.join(at("prefix"), "share", "jupyter"),
      },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGINT");
      child.kill("SIGTERM");
      const patience = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await once(child, "close");
      clearTimeout(patience);
    }
    fs.rmSync(home, { recursive: true, force: true });
  };
  try {
    const { url, token } = await serverInfo(child, at("runtime"));
    const address = (notebook: string) =>
      `${url}lab/tree/${encodeURIComponent(notebook)}?reset&token=${token}`;
    return { folder: at("notebooks"), address, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function pythonWithJupyterLab(): string {
  const { PYTHON } = process.env;
  const needs = "Set PYTHON to an interpreter that has jupyterlab and jupyterlab_widgets";
  if (!PYTHON) throw new Error(`${needs}: the browser tests work in a real JupyterLab.`);
  try {
    execFileSync(PYTHON, ["-c", "import jupyterlab, jupyterlab_widgets"], { stdio: "pipe" });
  } catch (error) {
    throw new Error(`${needs}: ${PYTHON} has not. ${(error as Error).message}`);
  }
  return PYTHON;
}

/** Without the question about news, which would lie over the notebook. */
function writeSettings(config: string): void {
  const folder = path.join(config, "lab", "user-settings", "@jupyterlab", "apputils-extension");
  fs.mkdirSync(folder, { recursive: true });
  const settings = { fetchNews: "false", checkForUpdates: false };
  fs.writeFileSync(path.join(folder, "notification.jupyterlab-settings"), JSON.stringify(settings));
}

/** What the server tells other programs of itself, once it listens. */
async function serverInfo(child: ChildProcess, runtime: string): Promise<{ url: string; token: string }> {
  let log = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    log += text;
  });
  const file = path.join(runtime, `jpserver-${child.pid}.json`);
  while (!fs.existsSync(file) || !log.includes("is running at")) {
    if (child.exitCode !== null)
      throw new Error(`JupyterLab ended with exit code ${child.exitCode}.\n${log}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return JSON.parse(fs.readFileSync(file, "utf8"));
}
