/**
 * Connection files: where a kernel listens and how its messages are signed.
 *
 * A file holds the signing key, so it is readable by its owner alone and lies in Jupyter's runtime folder.
 */
import { randomInt, randomUUID } from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";

export const CHANNELS = ["shell", "iopub", "stdin", "control", "hb"] as const;
export type SocketName = (typeof CHANNELS)[number];

export interface Connection {
  transport: "tcp" | "ipc";
  ip: string;
  shell_port: number;
  iopub_port: number;
  stdin_port: number;
  control_port: number;
  hb_port: number;
  key: string;
  signature_scheme: string;
}

/**
 * Reads a connection file.
 *
 * @throws Error naming the file and the field that is missing or wrong
 */
export function readConnection(file: string): Connection {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(`cannot read the connection file ${file}: ${(error as Error).message}`);
  }
  let value: any;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`the connection file ${file} is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error(`the connection file ${file} should hold a JSON object, got ${text.trim().slice(0, 40)}`);
  const wrong = (field: string, expected: string) =>
    new Error(
      `connection file ${file}: "${field}" should be ${expected}, got ${JSON.stringify(value[field])}`,
    );
  if (value.transport !== "tcp" && value.transport !== "ipc") throw wrong("transport", '"tcp" or "ipc"');
  for (const field of ["ip", "key"]) if (typeof value[field] !== "string") throw wrong(field, "a string");
  for (const name of CHANNELS)
    if (!isPort(value[`${name}_port`])) throw wrong(`${name}_port`, "a port number");
  const scheme = value.signature_scheme ?? "hmac-sha256";
  if (!/^hmac-sha(224|256|384|512)$/.test(scheme)) throw wrong("signature_scheme", '"hmac-sha256"');
  return { ...value, signature_scheme: scheme };
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) < 65536;
}

/** The ZMQ address of one of a connection's sockets. */
export function address(connection: Connection, name: SocketName): string {
  const port = connection[`${name}_port`];
  const separator = connection.transport === "tcp" ? ":" : "-";
  return `${connection.transport}://${connection.ip}${separator}${port}`;
}

/** A connection on free ports of this machine, written to a new file of Jupyter's runtime folder. */
export async function newConnection(): Promise<{ connection: Connection; file: string }> {
  const [shell_port, iopub_port, stdin_port, control_port, hb_port] = await freePorts(CHANNELS.length);
  const connection = {
    transport: "tcp",
    ip: "127.0.0.1",
    shell_port,
    iopub_port,
    stdin_port,
    control_port,
    hb_port,
    key: randomUUID(),
    signature_scheme: "hmac-sha256",
  } as Connection;
  const folder = runtimeFolder();
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, `kernel-${randomUUID()}.json`);
  fs.writeFileSync(file, JSON.stringify(connection, null, 1), { mode: 0o600, flag: "wx" });
  return { connection, file };
}

/** Jupyter's folder for connection files, by Jupyter's own rules. */
function runtimeFolder(): string {
  if (process.env.JUPYTER_RUNTIME_DIR) return process.env.JUPYTER_RUNTIME_DIR;
  return path.join(userDataFolder(), "runtime");
}

/** Jupyter's data folder of this user, by Jupyter's own rules. */
export function userDataFolder(): string {
  if (process.env.JUPYTER_DATA_DIR) return process.env.JUPYTER_DATA_DIR;
  const home = os.homedir();
  if (process.platform === "darwin") return path.join(home, "Library", "Jupyter");
  if (process.platform === "win32") return path.join(process.env.APPDATA ?? home, "jupyter");
  return path.join(process.env.XDG_DATA_HOME || path.join(home, ".local", "share"), "jupyter");
}

/**
 * Below the ports that systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere). One of those may be taken
 * between here and the kernel's start, even by a front end that tries to reach the kernel and so connects to itself.
 */
const PORTS = [15000, 32000] as const;

/** Ports that were free a moment ago; all are held until the last is found, so that none is given twice. */
async function freePorts(count: number): Promise<number[]> {
  const servers: net.Server[] = [];
  for (let attempts = 0; servers.length < count; attempts++) {
    const server = net.createServer();
    const port = randomInt(...PORTS);
    const isFree = await new Promise<boolean>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) =>
        // Windows refuses ports that it reserves.
        attempts < 1000 && ["EADDRINUSE", "EACCES"].includes(error.code!) ? resolve(false) : reject(error),
      );
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (isFree) servers.push(server);
  }
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
