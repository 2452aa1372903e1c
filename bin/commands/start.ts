/** `loralab [folder]`: starts the lab, JupyterLab with the tutorials, on a folder of notebooks. */
import { spawn } from "node:child_process";
import fs from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import { isLoopback, type LabServer, labFolder, newToken, startServer } from "../../lab/server";
import { baseUrl } from "../../lab/server/base-url";
import { findServer, noteServer } from "../../lab/server/runtime";
import { count, labOptions, minutes, stopOnSignals } from "../serving";

interface Options {
  port: number;
  ip: string;
  token?: string;
  browser: boolean;
  baseUrl: string;
  cullIdle: number;
}

/** Ports that are tried after one that is in use. */
const TRIES = 50;
/** How long a first Ctrl-C waits for the second. */
const PATIENCE_MS = 5000;

export function startCommand(program: Command): void {
  program
    .command("start", { isDefault: true })
    .summary("open the lab on a folder (the default: loralab [folder])")
    .description(
      "Opens the lab in the browser: JupyterLab with the TypeScript kernel and the tutorials, on the notebooks of a " +
        "folder. It serves this machine alone, and only those who have the token in its address.",
    )
    .argument("[folder]", "the folder to work in", ".")
    .option("--port <number>", "port; the next free one when it is in use", port, 8888)
    .option(
      "--ip <address>",
      "address to listen on; others than this machine's own open the lab to the network",
      "127.0.0.1",
    )
    .option("--token <text>", "token that lets a browser in (default: $LORALAB_TOKEN, or a new random one)")
    .option(
      "--base-url <path>",
      "serve under this path, as behind a proxy that has others beside the lab",
      "/",
    )
    .option("--no-browser", "do not open the browser")
    .option(
      "--cull-idle <minutes>",
      "end kernels that nobody has open and that were idle for so long",
      minutes,
      0,
    )
    .action(async (folder: string, options: Options) => {
      const root = rootFolder(program, folder);
      await start(root, options);
    });
}

async function start(root: string, options: Options): Promise<void> {
  const data = labFolder();
  const running = await findServer(data, root);
  if (running) {
    console.error(`The lab already runs on ${root} (process ${running.pid}).`);
    console.log(`Lab ready: ${running.url}`);
    if (options.browser) openBrowser(running.url);
    return;
  }
  if (!isLoopback(options.ip))
    console.error(
      `Warning: ${options.ip} can be reached from the network. Whoever has the token can run programs as you, and ` +
        "the connection is not encrypted.",
    );
  const server = await startServer({
    ...(await labOptions(root, options.cullIdle)),
    base: baseUrl(options.baseUrl),
    ip: options.ip,
    port: options.port,
    tries: TRIES,
    access: { token: options.token ?? process.env.LORALAB_TOKEN ?? newToken() },
  });
  const forget = noteServer(data, { pid: process.pid, url: server.url, root });
  if (options.port !== 0 && server.port !== options.port)
    console.error(`Port ${options.port} is in use; the lab is on port ${server.port}.`);
  console.error(`Serving ${root}. Ctrl-C stops the lab.`);
  console.log(`Lab ready: ${server.url}`);
  if (options.browser) openBrowser(server.url);
  askOnInterrupt(server, stopOnSignals(server, forget));
}

/** Ctrl-C asks before it ends kernels with what they hold; a second one means it. */
function askOnInterrupt(server: LabServer, stop: () => void): void {
  let asked = 0;
  process.on("SIGINT", () => {
    const kernels = server.lab.kernels.list().length;
    if (kernels === 0 || Date.now() - asked < PATIENCE_MS) return stop();
    asked = Date.now();
    const [are, them, their] = kernels === 1 ? ["is", "it", "its"] : ["are", "them", "their"];
    console.error(
      `\n${count(kernels)} ${are} running. Ctrl-C again ends ${them} and the lab; ${their} variables are lost.`,
    );
  });
}

/** @throws Error when it is not a folder; a word that is none is taken for a mistyped command */
function rootFolder(program: Command, folder: string): string {
  const stat = fs.statSync(folder, { throwIfNoEntry: false });
  if (stat?.isDirectory()) return fs.realpathSync(folder);
  if (stat) throw new Error(`expected a folder to work in, got the file ${folder}`);
  // Commander's own message with its suggestion; it has no public way to ask for it.
  if (/^[a-z-]+$/.test(folder)) (program as unknown as { unknownCommand(): never }).unknownCommand();
  throw new Error(`there is no folder ${folder}`);
}

function openBrowser(url: string): void {
  const { platform, env } = process;
  // A machine without a screen: xdg-open would open a browser in the terminal.
  if (platform === "linux" && !env.DISPLAY && !env.WAYLAND_DISPLAY) return;
  const [command, ...args] =
    platform === "darwin"
      ? ["open"]
      : platform === "win32"
        ? ["rundll32", "url.dll,FileProtocolHandler"]
        : ["xdg-open"];
  const child = spawn(command!, [...args, url], { stdio: "ignore", detached: true });
  child.on("error", () => console.error("The browser could not be opened; open the address yourself."));
  child.unref();
}

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65535)
    throw new InvalidArgumentError("A port is a number from 0 (any that is free) to 65535.");
  return value;
}
